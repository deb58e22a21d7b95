"""The fill model: price, quantity, parts, and why something does not execute."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qgtm_core import calendar
from qgtm_core.backtest.fills import (
    FillModel,
    MarketRow,
    average_price,
    fill,
    market_rows,
    work,
)
from qgtm_core.maths.costs import square_root_impact
from qgtm_core.types import Algo, OrderIntent, OrderState, OrderType, Side

SESSION = dt.date(2026, 11, 20)
EARLY_CLOSE = dt.date(2026, 11, 27)
MODEL = FillModel()


def intent(
    quantity: float | Decimal = 1000,
    side: Side = Side.BUY,
    limit: str | None = None,
    symbol: str = "GLD",
    session: dt.date = SESSION,
    decided_at: dt.datetime | None = None,
) -> OrderIntent:
    return OrderIntent(
        client_order_id=f"q1-{symbol}-{side}",
        session=session,
        book="test",
        symbol=symbol,
        side=side,
        quantity_shares=Decimal(quantity),
        order_type=OrderType.MARKET if limit is None else OrderType.LIMIT,
        limit_price=None if limit is None else Decimal(limit),
        decision_mid=Decimal(100),
        algo=Algo.SINGLE,
        correlation_id="c",
        decided_at=decided_at or calendar.decision_time(session),
    )


def market(**changes: float | None) -> MarketRow:
    values: dict[str, float | None] = {
        "mid": 100.0,
        "half_spread_bp": 0.0,
        "volume_shares": 1e6,
        "adv_shares": 1e6,
        "daily_vol": 0.01,
    }
    return MarketRow("GLD", **{**values, **changes})  # type: ignore[arg-type]


def test_impact_is_seven_basis_points_for_one_per_cent_of_volume_at_one_per_cent_volatility():
    assert square_root_impact(0.7, 0.01, 1.0, 100.0) * 1e4 == pytest.approx(7.00, abs=1e-12)


def test_a_buy_pays_half_spread_plus_impact_over_the_mid():
    [execution] = fill(intent(10_000), market(half_spread_bp=2.0), MODEL)

    assert execution.price == Decimal("100.0900")  # 2 bp + 7 bp
    assert execution.quantity_shares == 10_000


def test_a_sell_receives_half_spread_plus_impact_under_the_mid():
    [execution] = fill(intent(10_000, Side.SELL), market(half_spread_bp=2.0), MODEL)

    assert execution.price == Decimal("99.9100")


def test_the_same_order_in_the_same_market_gives_the_same_executions():
    assert work(intent(30_000), market(), MODEL) == work(intent(30_000), market(), MODEL)


def test_an_order_takes_at_most_its_share_of_the_sessions_volume_and_the_rest_is_cancelled():
    result = work(intent(150_000), market(), MODEL)

    assert result.filled_shares == 100_000
    assert result.state is OrderState.CANCELLED
    assert result.reason == "50000 shares left at the close: participation limit 10% of volume"


def test_average_volume_stands_in_for_a_volume_that_is_not_known():
    assert work(intent(150_000), market(volume_shares=None), MODEL).filled_shares == 100_000


def test_the_sessions_volume_stands_in_for_an_average_that_is_not_known():
    [execution] = fill(intent(10_000), market(adv_shares=None), MODEL)

    assert execution.price == Decimal("100.0700")


def test_an_order_over_two_per_cent_of_volume_executes_in_two_parts_between_decision_and_close():
    first, second = fill(intent(20_001), market(), MODEL)

    assert (first.quantity_shares, second.quantity_shares) == (10_001, 10_000)
    assert (first.execution_id, second.execution_id) == ("q1-GLD-buy-1", "q1-GLD-buy-2")
    assert first.price == second.price
    assert calendar.decision_time(SESSION) < first.executed_at < second.executed_at < calendar.close_at(SESSION)


def test_an_order_of_two_per_cent_of_volume_executes_at_once():
    assert len(fill(intent(20_000), market(), MODEL)) == 1


def test_executions_end_with_an_early_close():
    [execution] = fill(intent(1, session=EARLY_CLOSE), market(), MODEL)

    assert execution.executed_at == dt.datetime(2026, 11, 27, 17, 45, tzinfo=dt.UTC)  # 12:45 in New York


def test_an_order_decided_after_the_close_is_stamped_at_the_close():
    late = calendar.close_at(SESSION) + dt.timedelta(hours=2)
    [execution] = fill(intent(1, decided_at=late), market(), MODEL)

    assert execution.executed_at == calendar.close_at(SESSION)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (None, "no trading in this symbol in the session"),
        (market(mid=None), "no price is known for the session"),
        (market(mid=float("nan")), "no price is known for the session"),
        (market(mid=-1.0), "no price is known for the session"),
        (market(volume_shares=None, adv_shares=None), "neither volume nor average volume is known"),
        (market(volume_shares=0.0, adv_shares=None), "neither volume nor average volume is known"),
        (market(daily_vol=None), "volatility is not known"),
        (market(volume_shares=5.0), "participation limit 10% of volume"),
    ],
)
def test_nothing_executes_without_price_volume_and_volatility(row, reason):
    result = work(intent(), row, MODEL)

    assert (result.executions, result.state, result.reason) == ((), OrderState.CANCELLED, reason)


def test_less_than_one_share_does_not_execute():
    assert work(intent(Decimal("0.5")), market(), MODEL).reason == "less than one share"


def test_a_fraction_of_a_share_is_never_executed():
    result = work(intent(Decimal("10.7")), market(), MODEL)

    assert result.filled_shares == 10


def test_the_typical_spread_of_the_instrument_stands_in_for_a_quote_that_is_not_known():
    [execution] = fill(intent(1), market(half_spread_bp=None, daily_vol=0.0), MODEL)

    assert execution.price == Decimal("100.0050")  # GLD: 0.5 bp


def test_an_unknown_instrument_without_a_quote_does_not_trade():
    row = MarketRow("XXXX", 100.0, None, 1e6, 1e6, 0.01)

    assert work(intent(symbol="XXXX"), row, MODEL).reason == "no price is known for the session"


def test_a_limit_the_market_never_reaches_executes_nothing():
    result = work(intent(limit="99.99"), market(half_spread_bp=2.0), MODEL)

    assert (result.filled_shares, result.reason) == (0, "market beyond the limit 99.99")


def test_a_limit_cuts_the_quantity_to_what_the_model_fills_at_that_price():
    # 3.5 bp of room is a quarter of the quantity that costs 7 bp
    result = work(intent(10_000, limit="100.035"), market(), MODEL)

    assert result.filled_shares == 2_500
    assert result.executions[0].price == Decimal("100.0350")
    assert result.state is OrderState.CANCELLED


def test_a_limit_at_exactly_the_modelled_price_fills_the_whole_order():
    result = work(intent(10_000, limit="100.07"), market(), MODEL)

    assert (result.filled_shares, result.state) == (10_000, OrderState.FILLED)


def test_a_limit_sell_never_goes_under_its_limit():
    result = work(intent(10_000, Side.SELL, limit="99.965"), market(), MODEL)

    assert result.filled_shares == 2_500
    assert result.executions[0].price >= Decimal("99.965")


def test_a_limit_in_a_market_without_impact_fills_whole_or_not_at_all():
    assert work(intent(10, limit="100.00"), market(daily_vol=0.0), MODEL).filled_shares == 10
    assert work(intent(10, limit="99.99"), market(daily_vol=0.0), MODEL).filled_shares == 0


def test_commission_is_part_of_the_price_that_broker_and_ledger_both_see():
    model = FillModel(commission_per_share_usd=0.005, min_commission_usd=1.0)
    [large] = fill(intent(1000), market(daily_vol=0.0), model)
    [small] = fill(intent(10, Side.SELL), market(daily_vol=0.0), model)

    assert large.price == Decimal("100.0050")
    assert small.price == Decimal("99.9000")  # a dollar over ten shares


def test_a_price_is_never_zero_or_less():
    execution, *_ = fill(intent(100_000, Side.SELL), market(daily_vol=5.0), MODEL)

    assert execution.price == Decimal("0.0001")


def test_average_price_weighs_by_quantity():
    executions = fill(intent(50_000), market(), MODEL)

    assert average_price(executions) == executions[0].price
    assert average_price([]) is None


def test_market_rows_are_read_by_symbol_whatever_else_the_frame_holds():
    frame = pl.DataFrame(
        {
            "session": [SESSION],
            "symbol": ["GLD"],
            "mid": [369.1],
            "half_spread_bp": [0.5],
            "volume_shares": [None],
            "adv_shares": [7e6],
            "daily_vol": [0.01],
            "vwap": [None],
            "close": [369.2],
        }
    )

    assert market_rows(frame) == {"GLD": MarketRow("GLD", 369.1, 0.5, None, 7e6, 0.01, None, 369.2)}


@given(
    quantity=st.integers(1, 2_000_000),
    side=st.sampled_from(Side),
    mid=st.floats(0.5, 5000.0),
    spread=st.floats(0.0, 100.0),
    volume=st.floats(1.0, 1e8),
    vol=st.floats(0.0, 0.2),
    limit_move=st.none() | st.floats(-0.05, 0.05),
)
def test_no_order_executes_more_than_it_asked_for_or_worse_than_its_limit(
    quantity, side, mid, spread, volume, vol, limit_move
):
    limit = None if limit_move is None else f"{mid * (1 + limit_move):.2f}"
    order = intent(quantity, side, limit)
    result = work(order, market(mid=mid, half_spread_bp=spread, volume_shares=volume, daily_vol=vol), MODEL)

    assert 0 <= result.filled_shares <= min(quantity, MODEL.max_participation * volume)
    assert (result.state is OrderState.FILLED) == (result.filled_shares == quantity)
    assert (result.reason is None) == (result.state is OrderState.FILLED)
    for execution in result.executions:
        assert execution.quantity_shares == execution.quantity_shares.to_integral_value() > 0
        if order.limit_price is not None:
            assert side.sign * (order.limit_price - execution.price) >= 0
        elif execution.price > Decimal("0.0001"):
            assert side.sign * (float(execution.price) - mid) >= -0.00005
