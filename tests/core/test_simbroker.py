"""The broker in memory: exact books, idempotent orders, refusals with reasons."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qgtm_core import calendar
from qgtm_core.backtest.fills import FillModel, MarketRow
from qgtm_core.backtest.simbroker import AccountRules, SimBroker
from qgtm_core.errors import InvariantError
from qgtm_core.types import Algo, OrderIntent, OrderState, OrderType, Side

SESSION = dt.date(2026, 11, 19)
NEXT = dt.date(2026, 11, 20)
CASH = Decimal(1_000_000)


def intent(
    symbol: str, shares: int, number: int = 1, session: dt.date = SESSION, limit: Decimal | None = None
) -> OrderIntent:
    side = Side.BUY if shares > 0 else Side.SELL
    return OrderIntent(
        client_order_id=f"q1-{session}-{symbol}-{side}-{number}",
        session=session,
        book="test",
        symbol=symbol,
        side=side,
        quantity_shares=Decimal(abs(shares)),
        order_type=OrderType.MARKET if limit is None else OrderType.LIMIT,
        limit_price=limit,
        decision_mid=Decimal(100),
        algo=Algo.SINGLE,
        correlation_id="c",
        decided_at=calendar.decision_time(session),
    )


def rows(**mids: float) -> dict[str, MarketRow]:
    return {symbol: MarketRow(symbol, mid, 1.0, 1e7, 1e7, 0.01, mid, mid) for symbol, mid in mids.items()}


def opened(rules: AccountRules | None = None, cash: Decimal = CASH) -> SimBroker:
    broker = SimBroker(cash, FillModel(), rules)
    broker.open_session(SESSION, rows(GLD=100.0, SLV=25.0))
    return broker


def test_a_fill_moves_cash_and_position_by_exactly_its_value():
    broker = opened()
    order = broker.submit(intent("GLD", 1000))

    assert order.state is OrderState.FILLED
    assert order.average_price is not None
    assert broker.account().cash_usd == CASH - 1000 * order.average_price
    [position] = broker.positions()
    assert (position.symbol, position.quantity_shares, position.market_value_usd) == ("GLD", 1000, Decimal("100000.00"))


def test_sending_an_order_twice_returns_the_first_and_changes_nothing():
    broker = opened()
    first = broker.submit(intent("GLD", 1000))
    cash = broker.account().cash_usd

    assert broker.submit(intent("GLD", 1000)) is first
    assert broker.account().cash_usd == cash
    assert len(broker.executions()) == 1


def test_an_order_is_found_by_its_client_id_and_nothing_stays_open():
    broker = opened()
    order = broker.submit(intent("GLD", 10))
    broker.cancel(order.client_order_id)
    broker.cancel("never seen")

    assert broker.order(order.client_order_id) == order
    assert broker.order("never seen") is None
    assert broker.open_orders() == []


def test_a_position_sold_to_the_share_disappears():
    broker = opened()
    broker.submit(intent("GLD", 10))
    broker.submit(intent("GLD", -10))

    assert broker.positions() == []


def test_a_short_is_a_negative_position_where_it_is_allowed():
    broker = opened(AccountRules(allow_short=True))
    broker.submit(intent("SLV", -100))

    [position] = broker.positions()
    assert position.quantity_shares == -100
    assert position.market_value_usd == Decimal("-2500.00")
    assert broker.account().cash_usd > CASH


def test_a_short_is_rejected_with_the_reason_where_it_is_not_allowed():
    broker = opened(AccountRules(allow_short=False))
    broker.submit(intent("GLD", 10))
    order = broker.submit(intent("GLD", -11))

    assert order.state is OrderState.REJECTED
    assert order.reason == "insufficient qty available for order (requested: 11, available: 10)"
    assert broker.positions()[0].quantity_shares == 10


def test_an_order_beyond_the_leverage_is_rejected():
    broker = opened(AccountRules(leverage=1.0))

    assert broker.submit(intent("GLD", 9_900)).state is OrderState.FILLED
    refused = broker.submit(intent("SLV", 1_000))
    assert (refused.state, refused.reason) == (OrderState.REJECTED, "insufficient buying power")


def test_twice_the_leverage_buys_twice_as_much():
    broker = opened(AccountRules(leverage=2.0))

    assert broker.submit(intent("GLD", 19_000)).state is OrderState.FILLED
    assert broker.submit(intent("SLV", 5_000)).state is OrderState.REJECTED


def test_a_book_without_buying_power_can_always_be_reduced():
    broker = opened(AccountRules(leverage=1.0))
    broker.submit(intent("GLD", 9_900))
    broker.open_session(NEXT, rows(GLD=1.0))

    assert broker.submit(intent("GLD", -9_900, session=NEXT)).state is OrderState.FILLED


def test_a_reversal_through_zero_needs_buying_power_for_the_new_side():
    broker = opened(AccountRules(leverage=1.0))
    broker.submit(intent("GLD", 5_000))

    assert broker.submit(intent("GLD", -16_000)).reason == "insufficient buying power"


def test_a_symbol_that_does_not_trade_is_cancelled_with_the_reason():
    order = opened().submit(intent("PALL", 10))

    assert (order.state, order.reason) == (OrderState.CANCELLED, "no trading in this symbol in the session")


def test_an_order_of_another_session_is_a_fault_of_the_caller():
    with pytest.raises(InvariantError, match="account is at 2026-11-19"):
        opened().submit(intent("GLD", 10, session=NEXT))


def test_an_account_never_goes_back_in_time():
    broker = opened()
    broker.open_session(NEXT, {})

    with pytest.raises(InvariantError, match="cannot go back"):
        broker.open_session(SESSION, {})


def test_a_position_keeps_its_last_price_when_its_symbol_stops_trading():
    broker = opened()
    broker.submit(intent("GLD", 10))
    unpriced = MarketRow("GLD", None, None, None, None, None)
    broker.open_session(NEXT, {**rows(SLV=30.0), "GLD": unpriced})

    assert broker.positions()[0].market_value_usd == Decimal("1000.00")


def test_executions_since_an_instant_include_that_instant():
    broker = opened()
    broker.submit(intent("GLD", 10))
    broker.open_session(NEXT, rows(GLD=101.0))
    broker.submit(intent("GLD", 10, session=NEXT))
    first, second = broker.executions()

    assert broker.executions(second.executed_at) == [second]
    assert broker.executions(first.executed_at) == [first, second]


def test_executions_come_in_the_order_of_time_even_when_orders_interleave():
    broker = opened()
    broker.submit(intent("SLV", -2_500))
    broker.model = FillModel(split_above_adv=0.0)
    broker.submit(intent("GLD", 100))
    broker.submit(intent("SLV", 100, number=2))
    times = [execution.executed_at for execution in broker.executions()]

    assert times == sorted(times)
    assert len(times) == 5


def test_quotes_are_made_from_the_session_and_say_so():
    broker = opened()
    [quote] = broker.quotes(["GLD", "PALL"]).values()

    assert (quote.mid, quote.basis) == (pytest.approx(100.0), "close")
    assert quote.half_spread_bp == pytest.approx(1.0)
    assert SimBroker(CASH).quotes(["GLD"]) == {}


@given(st.lists(st.tuples(st.sampled_from(["GLD", "SLV"]), st.integers(-3000, 3000).filter(bool)), max_size=12))
def test_cash_and_positions_are_the_sum_of_the_executions(orders):
    broker = opened(AccountRules(allow_short=True))
    for number, (symbol, shares) in enumerate(orders):
        broker.submit(intent(symbol, shares, number))

    cash, held = CASH, {"GLD": Decimal(0), "SLV": Decimal(0)}
    for execution in broker.executions():
        cash -= execution.side.sign * execution.quantity_shares * execution.price
        held[execution.symbol] += execution.side.sign * execution.quantity_shares
    assert broker.account().cash_usd == cash
    assert {p.symbol: p.quantity_shares for p in broker.positions()} == {s: q for s, q in held.items() if q}
