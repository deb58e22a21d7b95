"""M22 against the printed checks, a pricing library and itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vollib.black_scholes_merton import black_scholes_merton
from vollib.black_scholes_merton.greeks import analytical

from qgtm_core.maths import options

spots = st.floats(20.0, 400.0)
moneyness = st.floats(-0.25, 0.25)
years = st.floats(0.02, 2.0)
vols = st.floats(0.05, 1.2)
rates = st.floats(-0.01, 0.08)


def test_the_printed_call_is_worth_what_the_specification_says() -> None:
    assert float(options.value(True, 220, 220, 30 / 365, 0.16)) == pytest.approx(4.0256, abs=5e-5)
    assert float(options.greeks(True, 220, 220, 30 / 365, 0.16).delta) == pytest.approx(0.5091, abs=5e-5)


@given(st.booleans(), spots, moneyness, years, vols, rates, st.floats(0.0, 0.05))
def test_values_and_greeks_agree_with_a_pricing_library(
    call: bool, spot: float, money: float, t: float, vol: float, rate: float, dividend: float
) -> None:
    strike, flag = spot * np.exp(money), "c" if call else "p"
    args = (spot, strike, t, vol, rate, dividend)
    known = (flag, spot, strike, t, rate, vol, dividend)
    found = options.greeks(call, *args)
    assert float(options.value(call, *args)) == pytest.approx(black_scholes_merton(*known), rel=1e-9, abs=1e-9)
    assert float(found.delta) == pytest.approx(analytical.delta(*known), rel=1e-9, abs=1e-12)
    assert float(found.gamma) == pytest.approx(analytical.gamma(*known), rel=1e-9, abs=1e-12)
    assert float(found.vega) == pytest.approx(analytical.vega(*known), rel=1e-9, abs=1e-12)
    assert float(found.theta) == pytest.approx(analytical.theta(*known), rel=1e-7, abs=1e-9)


@given(st.booleans(), spots, moneyness, years, vols, rates)
def test_the_implied_volatility_of_a_value_is_the_volatility_it_came_from(
    call: bool, spot: float, money: float, t: float, vol: float, rate: float
) -> None:
    strike = spot * np.exp(money)
    price = options.value(call, spot, strike, t, vol, rate)
    ahead = spot - strike * np.exp(-rate * t)
    time_value = float(price) - max(ahead if call else -ahead, 0.0)
    if time_value < 1e-6:  # the price of a deep option holds no digit of its volatility
        return
    found = float(options.implied_volatility(price, call, spot, strike, t, rate))
    assert found == pytest.approx(vol, rel=1e-6)


@pytest.mark.parametrize(
    ("price", "spot", "strike", "t"),
    [(9.0, 110.0, 100.0, 0.1), (111.0, 110.0, 100.0, 0.1), (-1.0, 100.0, 100.0, 0.1), (2.0, 100.0, 100.0, 0.0)],
)
def test_a_price_outside_the_bounds_has_no_implied_volatility(
    price: float, spot: float, strike: float, t: float
) -> None:
    assert np.isnan(options.implied_volatility(price, True, spot, strike, t))


def test_one_option_and_a_column_of_options_give_the_same_bits() -> None:
    rng = np.random.default_rng(5)
    spot, t = 200.0, rng.uniform(0.05, 1.0, 50)
    strike, vol, call = spot * rng.uniform(0.85, 1.15, 50), rng.uniform(0.1, 0.6, 50), rng.random(50) < 0.5
    price = options.value(call, spot, strike, t, vol)
    whole = options.implied_volatility(price, call, spot, strike, t)
    alone = [float(options.implied_volatility(price[i], call[i], spot, strike[i], t[i])) for i in range(50)]
    assert whole == pytest.approx(vol, rel=1e-8)
    assert np.allclose(whole, alone, rtol=1e-12, atol=0.0)


def test_put_call_parity_holds() -> None:
    call, put = (float(options.value(c, 201.0, 195.0, 0.4, 0.2, 0.03, 0.01)) for c in (True, False))
    assert call - put == pytest.approx(201.0 * np.exp(-0.004) - 195.0 * np.exp(-0.012), abs=1e-12)


def test_a_maturity_between_two_others_is_linear_in_total_variance() -> None:
    found = float(options.total_variance_volatility(20, 0.18, 50, 0.16, 30))
    assert found == pytest.approx(np.sqrt((0.18**2 * 20 + (0.16**2 * 50 - 0.18**2 * 20) / 3) / 30))


@pytest.mark.parametrize(("near", "far", "at"), [(31, 50, 30), (10, 29, 30), (40, 20, 30)])
def test_a_maturity_outside_the_two_others_is_missing(near: float, far: float, at: float) -> None:
    assert np.isnan(options.total_variance_volatility(near, 0.2, far, 0.2, at))


def test_an_expiry_on_the_wanted_day_needs_no_other() -> None:
    assert float(options.total_variance_volatility(30, 0.17, 30, 0.17, 30)) == pytest.approx(0.17)


def test_the_printed_skew_is_risk_reversal_over_the_money() -> None:
    reversal = float(options.risk_reversal(0.172, 0.165))
    assert reversal / 0.160 == pytest.approx(0.0437, abs=5e-4)
    assert float(options.butterfly(0.172, 0.165, 0.160)) == pytest.approx(0.0085)


def test_the_printed_event_move_is_what_two_expiries_imply() -> None:
    move = float(options.event_move(0.22, 3, 0.16))
    assert move == pytest.approx(0.0193, abs=5e-5)
    assert move * np.sqrt(2 / np.pi) == pytest.approx(0.0154, abs=5e-5)
    assert np.isnan(options.event_move(0.10, 3, 0.16))
