"""Transaction cost against its benchmarks."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qgtm_core.backtest.fills import MarketRow
from qgtm_core.execution.tca import measure
from qgtm_core.schemas.trading import TCA
from qgtm_core.types import Execution, OrderIntent, Side
from tests.core.views import execution, intent

MARKET = MarketRow("GLD", 220.02, 1.0, 1e6, 1e6, 0.01, vwap=220.06, close=220.40)


def cost(
    order: OrderIntent, fills: list[Execution], market: MarketRow | None = MARKET, basis: str = "quote"
) -> dict[str, Any]:
    frame = measure([order], fills, {} if market is None else {"GLD": market}, {"GLD": basis})
    return TCA.conform(frame).row(0, named=True)


def test_shortfall_of_the_worked_example_is_a_hundred_dollars() -> None:
    order = intent(1000)
    found = cost(order, [execution(order, 600, "220.05"), execution(order, 300, "220.10", 2)])
    assert found["shortfall_usd"] == pytest.approx(100.00)
    assert found["shortfall_bp"] == pytest.approx(4.545, abs=5e-4)
    assert found["fill_rate"] == pytest.approx(0.9)
    assert found["average_price"] == pytest.approx((600 * 220.05 + 300 * 220.10) / 900)
    assert found["slippage_arrival_bp"] == pytest.approx((found["average_price"] / 220.02 - 1) * 1e4)
    assert found["slippage_vwap_bp"] == pytest.approx((found["average_price"] / 220.06 - 1) * 1e4)
    assert found["slippage_close_bp"] < 0
    assert found["delay_bp"] == pytest.approx(0.02 / 220 * 1e4)
    assert found["notional_usd"] == pytest.approx(600 * 220.05 + 300 * 220.10)


def test_a_sale_below_the_decision_is_a_cost() -> None:
    order = intent(100, Side.SELL)
    found = cost(order, [execution(order, 100, "219.90")])
    assert found["shortfall_usd"] == pytest.approx(10.0)
    assert found["slippage_arrival_bp"] > 0
    assert found["delay_bp"] < 0


def test_an_order_that_did_not_fill_costs_what_was_missed() -> None:
    found = cost(intent(100), [])
    assert found["shortfall_usd"] == pytest.approx(100 * 0.40)
    assert (found["filled_shares"], found["fill_rate"], found["notional_usd"]) == (0.0, 0.0, 0.0)
    assert found["average_price"] is None
    assert found["slippage_arrival_bp"] is None
    assert found["slippage_vwap_bp"] is None


def test_a_previous_close_is_no_benchmark_so_arrival_stands_in() -> None:
    order = intent(100)
    found = cost(order, [execution(order, 100, "220.12")], basis="previous_close")
    assert found["shortfall_usd"] == pytest.approx(10.0)
    assert found["delay_bp"] is None


@pytest.mark.parametrize("market", [None, MarketRow("GLD", None, None, None, None, None)])
def test_unknown_benchmarks_are_null_not_zero(market: MarketRow | None) -> None:
    order = intent(100)
    found = cost(order, [execution(order, 100, "220.12")], market, basis="")
    for name in ("arrival_mid", "slippage_arrival_bp", "slippage_vwap_bp", "shortfall_usd", "shortfall_bp", "delay_bp"):
        assert found[name] is None
    assert found["fill_rate"] == 1.0


def test_a_missed_part_needs_a_close() -> None:
    order = intent(100)
    half = [execution(order, 50, "220.12")]
    no_close = MarketRow("GLD", 220.02, 1.0, 1e6, 1e6, 0.01)
    assert cost(order, half, no_close)["shortfall_usd"] is None
    assert cost(order, [*half, execution(order, 50, "220.12", 2)], no_close)["shortfall_usd"] == pytest.approx(12.0)


@pytest.mark.parametrize("bad", [0.0, float("nan"), -1.0])
def test_a_price_that_is_no_price_is_no_benchmark(bad: float) -> None:
    order = intent(100)
    found = cost(
        order, [execution(order, 100, "220.12")], MarketRow("GLD", bad, 1.0, 1e6, 1e6, 0.01, bad, bad), "close"
    )
    assert found["slippage_close_bp"] is None
    assert found["shortfall_usd"] is None


def test_fills_are_matched_to_their_own_order() -> None:
    one, other = intent(100), intent(50, symbol="SLV")
    frame = measure([one, other], [execution(other, 50, "220.00"), execution(one, 100, "220.10")], {"GLD": MARKET}, {})
    assert frame["filled_shares"].to_list() == [100.0, 50.0]
    assert frame["average_price"].to_list() == pytest.approx([220.10, 220.00])


def test_no_orders_give_an_empty_table_of_the_declared_shape() -> None:
    frame = measure([], [], {}, {})
    assert frame.is_empty()
    assert frame.schema == TCA.dtypes


@given(st.integers(0, 1000), st.integers(21_000, 23_000), st.sampled_from(list(Side)))
def test_shortfall_equals_paper_profit_less_real_profit(filled: int, cents: int, side: Side) -> None:
    order = intent(1000, side)
    fills = [execution(order, filled, str(cents / 100))] if filled else []
    paper = side.sign * 1000 * (220.40 - 220.00)
    real = side.sign * filled * (220.40 - cents / 100)
    assert cost(order, fills)["shortfall_usd"] == pytest.approx(paper - real, abs=1e-6)
