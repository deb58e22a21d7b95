from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qgtm_core.execution.reconcile import Break, BreakKind, ReconcileLimits, ReconciliationReport, Severity, reconcile
from qgtm_core.types import BreakClass, BrokerOrder, BrokerPosition, OrderIntent, OrderState, Side
from tests.ledgers import AT, a_fill, an_intent

D = Decimal
TICK = dt.timedelta(seconds=60)
PRICES = {"GLD": 250.0, "SLV": 30.0}


def held(symbol: str, shares: str, price: str = "250") -> BrokerPosition:
    return BrokerPosition(symbol, D(shares), D(shares) * D(price))


def at_broker(intent: OrderIntent, filled: str = "0", **changes) -> BrokerOrder:
    fields = {
        "client_order_id": intent.client_order_id,
        "broker_order_id": "broker-1",
        "symbol": intent.symbol,
        "side": intent.side,
        "quantity_shares": intent.quantity_shares,
        "filled_shares": D(filled),
        "average_price": None,
        "state": OrderState.ACCEPTED,
        "reason": None,
        "submitted_at": AT,
    }
    return BrokerOrder(**(fields | changes))


def tick(
    ours=None, theirs=(), orders=(), open_orders=(), cash=("100", "100"), previous=(), number=0, prices=PRICES, **more
) -> ReconciliationReport:
    ledger_cash, broker_cash = (D(each) for each in cash)
    now = AT + number * TICK
    return reconcile(ours or {}, theirs, orders, open_orders, ledger_cash, broker_cash, now, previous, prices, **more)


def only(report: ReconciliationReport) -> Break:
    (found,) = report.breaks
    return found


def test_equal_books_have_no_break() -> None:
    intent = an_intent("b")
    report = tick(
        {"GLD": D(10), "SLV": D("-3"), "PPLT": D(0)},
        [held("GLD", "10"), held("SLV", "-3", "30"), held("PALL", "0")],
        [(intent, OrderState.ACCEPTED)],
        [at_broker(intent)],
    )
    assert report.ok
    assert (report.confirmed, report.classes, report.severity) == ((), {}, None)
    assert report.compared == {"positions": 3, "orders": 1, "cash": 1}


@pytest.mark.parametrize("sign", [1, -1], ids=["long", "short"])
@pytest.mark.parametrize(
    ("ours", "theirs", "expected", "notional"),
    [
        (None, 40, BreakClass.MISSING_LOCALLY, 10_000),
        (40, None, BreakClass.MISSING_AT_BROKER, 10_000),
        (0, 40, BreakClass.MISSING_LOCALLY, 10_000),
        (40, 0, BreakClass.MISSING_AT_BROKER, 10_000),
        (40, 30, BreakClass.QTY_MISMATCH, 2_500),
        (40, -40, BreakClass.QTY_MISMATCH, 20_000),
    ],
)
def test_each_class_is_found_on_both_sides_of_the_market(sign, ours, theirs, expected, notional) -> None:
    ledger = {} if ours is None else {"GLD": D(sign * ours)}
    broker = [] if theirs is None else [held("GLD", str(sign * theirs))]
    found = only(tick(ledger, broker))
    assert (found.kind, found.break_class, found.key) == (BreakKind.POSITION, expected, "GLD")
    assert found.notional_usd == notional


@pytest.mark.parametrize("shares", ["40", "-40"])
def test_equal_quantities_with_another_value_are_a_value_mismatch(shares: str) -> None:
    found = only(tick({"GLD": D(shares)}, [held("GLD", shares, "200")]))
    assert found.break_class is BreakClass.VALUE_MISMATCH
    assert found.notional_usd == 2_000
    assert tick({"GLD": D(shares)}, [held("GLD", shares, "246")]).ok  # 1.6 %: within the tolerance
    assert tick({"GLD": D(shares)}, [held("GLD", shares, "200")], prices=None).ok  # nothing to value it with


def test_nine_decimal_dust_is_a_break_not_a_rounding() -> None:
    found = only(tick({"GLD": D("10.000000001")}, [held("GLD", "10")]))
    assert found.break_class is BreakClass.QTY_MISMATCH
    assert found.severity is Severity.MINOR


@pytest.mark.parametrize(
    ("cash", "breaks"),
    [(("100", "100"), 0), (("100", "101"), 0), (("100", "101.01"), 1), (("100", "-100"), 1)],
)
def test_cash_beyond_a_dollar_is_a_value_mismatch(cash: tuple[str, str], breaks: int) -> None:
    report = tick(cash=cash)
    assert len(report.breaks) == breaks
    assert all((b.kind, b.break_class) == (BreakKind.CASH, BreakClass.VALUE_MISMATCH) for b in report.breaks)


@pytest.mark.parametrize("state", [OrderState.SENDING, OrderState.UNKNOWN, OrderState.ACCEPTED, OrderState.PARTIAL])
def test_an_order_we_hold_live_must_be_open_at_the_broker(state: OrderState) -> None:
    intent = an_intent("b")
    found = only(tick(orders=[(intent, state)]))
    assert (found.kind, found.break_class) == (BreakKind.ORDER, BreakClass.MISSING_AT_BROKER)
    assert (found.key, found.symbol) == (intent.client_order_id, "GLD")


@pytest.mark.parametrize("state", [None, OrderState.INTENT, OrderState.CANCELLED, OrderState.FILLED])
def test_an_order_open_at_the_broker_must_be_live_here(state: OrderState | None) -> None:
    intent = an_intent("b")
    orders = [] if state is None else [(intent, state)]
    found = only(tick(orders=orders, open_orders=[at_broker(intent)]))
    assert (found.kind, found.break_class) == (BreakKind.ORDER, BreakClass.MISSING_LOCALLY)


def test_orders_that_differ_in_quantity_fills_or_direction_are_found() -> None:
    intent = an_intent("b")
    live = [(intent, OrderState.PARTIAL)]
    larger = only(tick(orders=live, open_orders=[at_broker(intent, quantity_shares=D(200))]))
    assert (larger.break_class, larger.notional_usd) == (BreakClass.QTY_MISMATCH, 5_000)
    filled = {intent.client_order_id: D(50)}
    ahead = only(tick(orders=live, open_orders=[at_broker(intent, "80")], ledger_filled=filled))
    assert (ahead.break_class, ahead.ledger_value, ahead.broker_value) == (BreakClass.QTY_MISMATCH, 50, 80)
    assert tick(orders=live, open_orders=[at_broker(intent, "50")], ledger_filled=filled).ok
    turned = only(tick(orders=live, open_orders=[at_broker(intent, side=Side.SELL)]))
    assert turned.break_class is BreakClass.VALUE_MISMATCH


def test_fills_are_compared_by_their_ids() -> None:
    buy = an_intent("b")
    mine, theirs, both = (a_fill(buy, "10", "250") for _ in range(3))
    assert tick(ledger_executions=[both], broker_executions=[both]).ok
    report = tick(ledger_executions=[mine, both], broker_executions=[theirs, both])
    assert report.classes == {BreakClass.MISSING_AT_BROKER: 1, BreakClass.MISSING_LOCALLY: 1}
    assert {b.notional_usd for b in report.breaks} == {D(2_500)}
    dearer = a_fill(buy, "10", "251", execution_id=both.execution_id)
    assert only(tick(ledger_executions=[both], broker_executions=[dearer])).break_class is BreakClass.VALUE_MISMATCH
    larger = a_fill(buy, "11", "250", execution_id=both.execution_id)
    assert only(tick(ledger_executions=[both], broker_executions=[larger])).break_class is BreakClass.QTY_MISMATCH
    assert tick(ledger_executions=[mine]).ok  # one list alone compares nothing


def test_a_break_is_confirmed_on_the_second_tick() -> None:
    first = tick({"GLD": D(40)})
    assert first.confirmed == ()
    second = tick({"GLD": D(40)}, previous=first.breaks, number=1)
    found = only(second)
    assert second.confirmed == (found,)
    assert (found.ticks, found.first_seen_at, found.fingerprint) == (2, AT, first.breaks[0].fingerprint)


def test_a_lagging_view_that_catches_up_is_never_confirmed() -> None:
    first = tick({"GLD": D(40)}, [held("GLD", "30")])
    second = tick({"GLD": D(60)}, [held("GLD", "45")], previous=first.breaks, number=1)
    assert only(second).confirmed is False
    assert tick({"GLD": D(60)}, [held("GLD", "60")], previous=second.breaks, number=2).ok


def test_a_constant_difference_is_confirmed_while_both_sides_trade() -> None:
    first = tick({"GLD": D(40)}, [held("GLD", "30")])
    second = tick({"GLD": D(60)}, [held("GLD", "50")], previous=first.breaks, number=1)
    assert only(second).confirmed


def test_a_break_that_grows_on_every_tick_is_confirmed_by_age() -> None:
    previous: tuple[Break, ...] = ()
    verdicts = []
    for number in range(5):
        report = tick({}, [held("GLD", str(10 + number))], previous=previous, number=number)
        previous = report.breaks
        verdicts.append(bool(report.confirmed))
    assert verdicts == [False, False, False, False, True]


def test_a_break_that_heals_starts_again() -> None:
    first = tick({"GLD": D(40)})
    healed = tick({"GLD": D(40)}, [held("GLD", "40")], previous=first.breaks, number=1)
    again = tick({"GLD": D(40)}, previous=healed.breaks, number=2)
    assert (only(again).ticks, only(again).confirmed) == (1, False)


def test_a_value_mismatch_is_confirmed_though_prices_move() -> None:
    first = tick({"GLD": D(40)}, [held("GLD", "40", "200")])
    second = tick({"GLD": D(40)}, [held("GLD", "40", "203")], previous=first.breaks, number=1)
    assert only(second).confirmed


@pytest.mark.parametrize(
    ("difference", "severity"),
    [
        ("999.99", Severity.MINOR),
        ("1000", Severity.MAJOR),
        ("9999", Severity.MAJOR),
        ("10000", Severity.CRITICAL),
    ],
)
def test_severity_follows_the_money(difference: str, severity: Severity) -> None:
    assert tick(cash=("0", difference)).severity is severity


def test_an_unknown_price_counts_as_critical() -> None:
    report = tick({"GLD": D(1)}, cash=("0", "1500"), prices={"GLD": float("nan")})
    assert [b.severity for b in report.breaks] == [Severity.CRITICAL, Severity.MAJOR]
    assert report.breaks[0].notional_usd is None
    assert report.severity is Severity.CRITICAL


def test_without_prices_the_brokers_mark_gives_the_notional() -> None:
    assert only(tick({}, [held("GLD", "4")], prices=None)).notional_usd == 1_000


def test_bounds_can_be_set() -> None:
    limits = ReconcileLimits(cash_tolerance_usd=D(500), major_usd=D(600), critical_usd=D(700))
    assert tick(cash=("0", "500"), limits=limits).ok
    assert tick(cash=("0", "650"), limits=limits).severity is Severity.MAJOR


books = st.dictionaries(st.sampled_from(["GLD", "SLV", "GDX", "PPLT"]), st.integers(-50, 50))


@given(books, books)
def test_a_symbol_breaks_exactly_when_its_quantities_differ(ours: dict[str, int], theirs: dict[str, int]) -> None:
    broker = [held(symbol, str(shares)) for symbol, shares in theirs.items()]
    report = tick({s: D(n) for s, n in ours.items()}, broker, prices=None)
    differing = {s for s in {*ours, *theirs} if ours.get(s, 0) != theirs.get(s, 0)}
    assert {b.key for b in report.breaks} == differing
    assert sum(report.classes.values()) == len(differing)
