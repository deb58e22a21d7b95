"""The executor between a real venue and a ledger: nothing lost, nothing doubled, whatever the network does."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from qgtm_core import calendar
from qgtm_core.errors import InvariantError
from qgtm_core.execution.memory_ledger import MemoryLedger
from qgtm_core.types import Gate, KillTier, OrderState
from qgtm_resources.clients.alpaca import AlpacaBroker
from qgtm_resources.clients.alpaca_stream import TradeUpdates
from qgtm_resources.clock import SessionClock
from qgtm_resources.execution_report import ExecutionReport
from qgtm_resources.executor import Executor, Pace
from tests.resources.venue_support import (
    CASH,
    NEXT,
    SECRET,
    SESSION,
    Account,
)

QUICK = Pace(lookup_pause_s=0.01, first_poll_s=0.01, max_poll_s=0.02)


@pytest.fixture
def ledger(account: Account) -> MemoryLedger:
    books = MemoryLedger()
    books.open_book(account.name, CASH, "simulated")
    return books


def executor(broker: AlpacaBroker, ledger: MemoryLedger, deadline_s: float = 5.0, **more: object) -> Executor:
    return Executor(broker, ledger, SessionClock(SESSION), deadline_s, pace=QUICK, **more)  # type: ignore[arg-type]


def states(report: ExecutionReport) -> list[OrderState]:
    return [outcome.state for outcome in report.outcomes]


def assert_equal_books(account: Account, broker: AlpacaBroker, ledger: MemoryLedger) -> None:
    """Positions, cash, orders and fills of venue and ledger are the same, and each order exists once."""
    book = ledger.book_state(account.name)
    orders = account.get("/v2/orders", status="all", limit=500)
    sent = {i.client_order_id: s for i, s in ledger.orders(account.name) if s is not OrderState.INTENT}
    assert {p.symbol: p.quantity_shares for p in broker.positions()} == book.positions
    assert broker.account().cash_usd == book.cash_usd
    assert sorted(o["client_order_id"] for o in orders) == sorted(sent)
    assert broker.executions() == ledger.executions(account.name)


def test_orders_are_sent_filled_and_booked(account, broker, ledger):
    intents = [account.intent("GDX", -500), account.intent("SLV", 30_000), account.intent("GLD", 100)]
    said: list[str] = []
    report = executor(broker, ledger, on_progress=said.append).run(intents, SESSION)

    assert report.settled
    assert states(report) == [OrderState.FILLED] * 3
    assert report.new_executions == 4
    assert report.outcomes[1].filled_shares == 30_000
    assert report.outcomes[2].average_price == Decimal("100.0170")
    assert "booked 4 fills" in said
    assert_equal_books(account, broker, ledger)


def test_running_again_changes_nothing(account, broker, ledger):
    intents = [account.intent("SLV", 30_000)]
    executor(broker, ledger).run(intents, SESSION)
    leaves = ledger.audit_head()
    report = executor(broker, ledger).run(intents, SESSION)

    assert (states(report), report.new_executions) == ([OrderState.FILLED], 0)
    assert ledger.audit_head() == leaves
    assert_equal_books(account, broker, ledger)


def test_a_stored_intent_is_sent_as_it_was_stored(account, broker, ledger):
    ledger.save_intents([account.intent(shares=10)])
    executor(broker, ledger).run([account.intent(shares=99)], SESSION)

    assert ledger.book_state(account.name).positions == {"GLD": Decimal(10)}


@pytest.mark.parametrize(
    "faults",
    [
        {"timeout_before_accept": 1, "timeout_s": 0.7},
        {"timeout_after_accept": 1, "timeout_s": 0.7},
        {"status_before": [500]},
        {"status_before": [503, 504]},
        {"status_after": [500]},
        {"status_before": [429], "retry_after_s": 0.01},
        {"timeout_after_accept": 1, "timeout_s": 0.7, "lookup_lag": 2},
        {"status_after": [502], "lookup_lag": 3},
        {"read_status": [500, 500, 429]},
        {"activities_lag": 3},
        {"status_after": [500], "read_status": [503, 503, 503, 503], "activities_lag": 2},
        {"delay_ms": 20},
    ],
    ids=str,
)
def test_every_fault_ends_with_each_order_at_the_venue_exactly_once(account, broker, ledger, faults):
    account.control.set_faults(**faults)
    intents = [account.intent("SLV", 30_000), account.intent("GLD", 100)]
    report = executor(broker, ledger).run(intents, SESSION)

    assert states(report) == [OrderState.FILLED] * 2
    assert_equal_books(account, broker, ledger)


def test_an_order_stays_unknown_while_the_venue_does_not_answer_and_is_resolved_by_the_next_run(
    account, broker, ledger
):
    account.control.set_faults(status_after=[500], read_status=[500] * 1000)
    first = executor(broker, ledger, deadline_s=0.3).run([account.intent()], SESSION)
    account.control.set_faults()
    second = executor(broker, ledger).run([account.intent()], SESSION)

    assert (states(first), first.settled) == ([OrderState.UNKNOWN], False)
    assert states(second) == [OrderState.FILLED]
    assert_equal_books(account, broker, ledger)


def test_an_order_is_sent_at_most_three_times_in_a_run_and_stays_an_intent(account, broker, ledger):
    account.control.set_faults(status_before=[503] * 10)
    report = executor(broker, ledger).run([account.intent()], SESSION)

    assert (states(report), report.unsettled) == ([OrderState.INTENT], (account.intent().client_order_id,))
    assert account.get("/v2/orders", status="all") == []


def test_nothing_is_sent_after_the_deadline(account, broker, ledger):
    report = executor(broker, ledger, deadline_s=0.0).run([account.intent()], SESSION)

    assert states(report) == [OrderState.INTENT]
    assert account.get("/v2/orders", status="all") == []


def test_an_open_order_is_left_accepted_at_the_deadline_and_settled_by_the_next_run(account, broker, ledger):
    account.control.set_faults(hold=True)
    first = executor(broker, ledger, deadline_s=0.2).run([account.intent()], SESSION)
    account.control.set_faults()
    second = executor(broker, ledger).run([], SESSION)
    third = executor(broker, ledger).run([account.intent()], SESSION)

    assert states(first) == [OrderState.ACCEPTED]
    assert states(second) == []  # without an intent of the book there is nothing to settle
    assert states(third) == [OrderState.FILLED]
    assert_equal_books(account, broker, ledger)


def test_a_run_settles_what_an_earlier_plan_of_the_session_left_in_flight(account, broker, ledger):
    account.control.set_faults(hold=True)
    executor(broker, ledger, deadline_s=0.1).run([account.intent("SLV")], SESSION)
    account.control.set_faults()
    report = executor(broker, ledger).run([account.intent("GLD")], SESSION)

    assert sorted(o.intent.symbol for o in report.outcomes) == ["GLD", "SLV"]
    assert report.settled


def test_what_ends_unfilled_keeps_its_reason(account, broker, ledger):
    account.control.set_faults(reject_next=1)
    intents = [account.intent("GDX"), account.intent("GLD", 90_000), account.intent("PALL")]
    report = executor(broker, ledger).run(intents, SESSION)

    assert [(o.state, o.reason) for o in report.outcomes] == [
        (OrderState.REJECTED, "rejected by the exchange"),
        (OrderState.REJECTED, "insufficient buying power"),
        (OrderState.CANCELLED, "no trading in this symbol in the session"),
    ]


def test_a_part_filled_order_is_cancelled_only_after_its_fills_are_booked(venue):
    account = venue.account(cash=Decimal(10_000_000))
    ledger = MemoryLedger()
    ledger.open_book(account.name, Decimal(10_000_000), "simulated")
    account.control.set_faults(activities_lag=2)
    with account.broker() as broker:
        report = executor(broker, ledger).run([account.intent("SLV", 150_000)], SESSION)

    assert states(report) == [OrderState.CANCELLED]
    assert report.outcomes[0].filled_shares == 100_000
    assert ledger.book_state(account.name).positions == {"SLV": Decimal(100_000)}


def test_an_order_that_expired_meanwhile_is_settled_as_expired(account, broker, ledger):
    account.control.set_faults(hold=True)
    executor(broker, ledger, deadline_s=0.1).run([account.intent()], SESSION)
    account.control.move_session(NEXT)
    report = executor(broker, ledger).run([account.intent()], SESSION)

    assert states(report) == [OrderState.EXPIRED]


def test_a_closed_gate_sends_nothing_but_what_reduces_risk(account, broker, ledger):
    buy, sell = account.intent("GLD", 10), account.intent("SLV", -10)
    closed = Gate(KillTier.NO_NEW, "daily loss")
    report = executor(broker, ledger, gate=lambda: closed, reduce_only={sell.client_order_id}).run([buy, sell], SESSION)

    assert states(report) == [OrderState.CANCELLED, OrderState.FILLED]
    assert report.outcomes[0].reason == "not sent: gate at NO_NEW: daily loss"
    assert [o["symbol"] for o in account.get("/v2/orders", status="all")] == ["SLV"]


def test_the_gate_is_asked_before_every_send(account, broker, ledger):
    answers = iter([Gate(KillTier.NORMAL, ""), Gate(KillTier.FLATTEN, "drawdown")])
    report = executor(broker, ledger, gate=lambda: next(answers)).run(
        [account.intent("GLD"), account.intent("SLV")], SESSION
    )

    assert states(report) == [OrderState.FILLED, OrderState.CANCELLED]


def test_a_gate_that_closes_stops_the_second_attempt_of_an_order(account, broker, ledger):
    account.control.set_faults(status_before=[503])
    answers = iter([Gate(KillTier.NORMAL, ""), Gate(KillTier.NO_NEW, "stale data")])
    report = executor(broker, ledger, gate=lambda: next(answers)).run([account.intent()], SESSION)

    assert states(report) == [OrderState.CANCELLED]
    assert account.get("/v2/orders", status="all") == []


def test_the_stream_shortens_the_wait_for_fills(account, broker, ledger):
    account.control.set_faults(hold=True)
    slow = Pace(lookup_pause_s=0.01, first_poll_s=3.0, max_poll_s=3.0)
    with TradeUpdates(account.name, SECRET, account.url) as updates:
        assert updates.ready()
        runner = Executor(broker, ledger, SessionClock(SESSION), 5.0, updates=updates, pace=slow)
        release = _after_acceptance(account)
        report = runner.run([account.intent()], SESSION, on_progress=release)

    assert states(report) == [OrderState.FILLED]
    assert report.elapsed_s < 2.5


def _after_acceptance(account: Account):
    """Lift the hold as soon as the order is accepted, from the progress callback."""

    def on_progress(text: str) -> None:
        if text.endswith("accepted"):
            account.control.set_faults()

    return on_progress


def test_a_trade_made_by_hand_is_left_to_reconciliation(account, broker, ledger):
    account.order("GDX", client_order_id="by hand")
    report = executor(broker, ledger).run([account.intent()], SESSION)

    assert report.new_executions == 1
    assert ledger.book_state(account.name).positions == {"GLD": Decimal(10)}


def test_intents_of_another_session_are_a_fault_of_the_caller(account, broker, ledger):
    with pytest.raises(InvariantError, match="another session"):
        executor(broker, ledger).run([account.intent(session=NEXT)], SESSION)


def test_without_a_clock_events_carry_the_wall_clock(account, broker, ledger):
    Executor(broker, ledger, pace=QUICK).run([account.intent()], SESSION)
    moved = [leaf for leaf in ledger.audit_leaves() if leaf.kind == "ORDER_STATE"]

    assert moved[0].at is not None
    assert moved[0].at > calendar.close_at(dt.date(2025, 1, 2))
