"""M18: the worked check, and how the measures of a curve hang together."""

from __future__ import annotations

import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qgtm_core.maths import curve

PRICES = st.floats(10.0, 5000.0)
YEARS = st.floats(0.02, 1.0)


def value(measure: pl.Expr) -> float:
    return pl.select(measure).item()


def test_the_worked_curve_gives_its_roll_yield_and_lease() -> None:
    f1, f2, years, rate = (pl.lit(v) for v in (2400.0, 2412.0, 60 / 365, 0.043))
    assert value(curve.roll_yield(f1, f2, years)) == pytest.approx(-0.0303, abs=5e-5)
    assert value(curve.implied_lease(f1, f2, years, rate)) == pytest.approx(0.0127, abs=5e-5)
    assert value(curve.basis(f1, f2)) == pytest.approx(-0.005)


def test_an_overnight_rate_compounds_to_a_little_more_than_its_quote() -> None:
    got = value(curve.continuous_rate(pl.lit(4.3)))
    assert math.exp(got) == pytest.approx((1 + 0.043 / 360) ** 365)
    assert got == pytest.approx(0.0436, abs=5e-5)


@given(PRICES, PRICES, YEARS)
def test_roll_yield_and_basis_agree_on_the_side(near: float, far: float, years: float) -> None:
    f1, f2 = pl.lit(near), pl.lit(far)
    both = value(curve.roll_yield(f1, f2, pl.lit(years))), value(curve.basis(f1, f2))
    assert both[0] * both[1] >= 0.0


@given(PRICES, YEARS, st.floats(-0.05, 0.15), st.floats(-0.05, 0.15))
def test_the_lease_that_made_a_curve_is_found_in_it(spot: float, years: float, rate: float, lease: float) -> None:
    far = spot * math.exp((rate - lease) * years)
    got = value(curve.implied_lease(pl.lit(spot), pl.lit(far), pl.lit(years), pl.lit(rate)))
    assert got == pytest.approx(lease, abs=1e-9)


@given(PRICES, PRICES, YEARS, st.floats(0.02, 1.0))
def test_carry_has_no_unit_of_price(near: float, far: float, years: float, volatility: float) -> None:
    one, ten = (
        value(curve.risk_adjusted_carry(pl.lit(k * near), pl.lit(k * far), pl.lit(years), pl.lit(volatility)))
        for k in (1.0, 10.0)
    )
    assert ten == pytest.approx(one, rel=1e-6, abs=1e-9)
