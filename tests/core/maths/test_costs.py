"""Costs of trading against their worked numbers and the published example."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qgtm_core.maths import costs

SHARES = st.integers(1, 1_000_000)
PRICE = st.floats(1.0, 1_000.0)


def test_the_square_root_law_gives_the_worked_seven_basis_points() -> None:
    assert costs.square_root_impact(costs.IMPACT_Y, 0.01, 1.0, 100.0) * 1e4 == pytest.approx(7.00)


def test_impact_doubles_with_four_times_the_order() -> None:
    one, four = (costs.square_root_impact(0.7, 0.02, q, 1e6) for q in (1_000.0, 4_000.0))
    assert four == pytest.approx(2.0 * one)


@pytest.mark.parametrize(("days", "temporary", "total"), [(0.1, 22, 32), (0.2, 15, 25), (0.5, 8, 18)])
def test_an_order_for_a_tenth_of_a_days_volume_costs_what_almgren_and_others_print(
    days: float, temporary: float, total: float
) -> None:
    vol, volume, outstanding = 0.0157, 6.561e6, 1.728e9  # IBM in table 3 of the paper, in basis points there
    assert round(costs.temporary_impact(vol, 0.1 * volume, volume, days) * 1e4) == temporary
    assert round(costs.permanent_impact(vol, 0.1 * volume, volume, outstanding) * 1e4) == 20
    got = costs.execution_impact(vol, -0.1 * volume, volume, outstanding, days) * 1e4
    assert got == pytest.approx(total, abs=0.8)


def test_the_shortfall_of_a_part_filled_order_is_the_worked_one() -> None:
    paid = 600 * 220.05 + 300 * 220.10
    usd = costs.implementation_shortfall(1, 1000, 900, paid, 220.0, 220.40)
    assert usd == pytest.approx(100.00)
    assert costs.shortfall_bp(usd, 1000, 220.0) == pytest.approx(4.545, abs=5e-4)
    assert costs.fill_rate(1000, 900) == 0.9


def test_fees_add_to_the_shortfall_of_either_side() -> None:
    for side in (1, -1):
        free, paid = (costs.implementation_shortfall(side, 10, 10, 1000.0, 100.0, 101.0, fees) for fees in (0.0, 3.0))
        assert paid - free == 3.0


@given(SHARES, PRICE, PRICE, st.sampled_from([1, -1]))
def test_an_order_filled_at_once_falls_short_by_its_slippage(
    quantity: int, price: float, decision: float, side: int
) -> None:
    usd = costs.implementation_shortfall(side, quantity, quantity, quantity * price, decision, decision * 2.0)
    slippage = costs.slippage_bp(side, price, decision)
    assert costs.shortfall_bp(usd, quantity, decision) == pytest.approx(slippage, rel=1e-6, abs=1e-6)


@given(st.lists(st.tuples(PRICE, SHARES), min_size=1, max_size=20))
def test_both_averages_lie_among_the_prices(bars: list[tuple[float, int]]) -> None:
    price, volume = (np.array(column, dtype=float) for column in zip(*bars, strict=True))
    for average in (costs.vwap(price, volume), costs.twap(price)):
        assert price.min() * (1 - 1e-12) <= average <= price.max() * (1 + 1e-12)


def test_averages_weigh_by_volume_and_by_time() -> None:
    price, volume = np.array([220.0, 221.0]), np.array([300.0, 100.0])
    assert costs.vwap(price, volume) == 220.25
    assert costs.twap(price) == 220.5
    assert math.isnan(costs.vwap(price, np.zeros(2)))
    assert math.isnan(costs.twap(np.empty(0)))


def test_illiquidity_is_the_mean_move_a_billion_dollars_makes() -> None:
    rng = np.random.default_rng(5)
    move, volume = rng.normal(0, 0.01, 60), rng.uniform(1e8, 9e8, 60)
    volume[50] = 0.0
    got = pl.DataFrame({"r": move, "v": volume}).select(x=costs.illiquidity(pl.col("r"), pl.col("v"), 21))["x"]
    traded = np.delete(np.arange(39, 60), 11)
    assert got[59] == pytest.approx(float(np.mean(np.abs(move[traded]) / volume[traded])) * 1e9)
    assert got[15] is None  # 16 of 21 days, one too few
    assert got[16] is not None


def test_illiquidity_of_one_worked_day() -> None:
    got = pl.DataFrame({"r": [-0.01], "v": [5e8]}).select(x=costs.illiquidity(pl.col("r"), pl.col("v"), 1))
    assert got["x"][0] == pytest.approx(0.02)
