"""What the ledger gives back of a past session: openings, outside trades, fees, tiers, breaks, instants of its own."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal

from qgtm_core.execution.reconcile import reconcile
from qgtm_core.types import BookState, BrokerPosition, KillTier
from qgtm_resources.clients.ledger import PostgresLedger
from tests.ledgers import AT, SESSION, a_fill, an_intent, unique

HOUR = dt.timedelta(hours=1)


def test_openings_come_back_oldest_first(postgres_ledger: PostgresLedger, book: str) -> None:
    days = [SESSION, SESSION + dt.timedelta(days=1)]
    for day in days:
        postgres_ledger.record_opening(day, BookState(book, Decimal(5), {"GLD": Decimal(2)}, session=day))
    found = postgres_ledger.openings(book)
    assert list(found) == days
    assert found[SESSION].positions == {"GLD": Decimal(2)}


def test_only_trades_that_are_not_ours_are_outside_and_only_in_the_window(
    postgres_ledger: PostgresLedger, book: str
) -> None:
    intent = an_intent(book)
    postgres_ledger.save_intents([intent])
    postgres_ledger.book_executions([a_fill(intent)])
    early, inside, late = (
        replace(a_fill(intent), execution_id=unique("x"), client_order_id="hand", executed_at=AT + shift)
        for shift in (-HOUR, HOUR / 2, HOUR)
    )
    postgres_ledger.book_external(book, [early, inside, late])
    assert postgres_ledger.external_executions(book, AT, AT + HOUR) == [inside]


def test_fees_are_told_from_other_cash_flows(postgres_ledger: PostgresLedger, book: str) -> None:
    fee, dividend, later = unique("flow"), unique("flow"), unique("flow")
    postgres_ledger.book_cash_flow(book, fee, Decimal("-1.5"), "FEE", AT)
    postgres_ledger.book_cash_flow(book, dividend, Decimal(9), "DIVIDEND", AT)
    postgres_ledger.book_cash_flow(book, later, Decimal(-2), "FEE", AT + HOUR)
    assert postgres_ledger.fees(book, AT, AT + HOUR) == {fee: -1.5}


def test_tiers_of_a_session_leave_other_sessions_out(postgres_ledger: PostgresLedger, book: str) -> None:
    postgres_ledger.raise_tier(book, KillTier.WARN, "a loss", SESSION, AT, "kill switch")
    postgres_ledger.raise_tier(book, KillTier.NO_NEW, "asked for", SESSION + dt.timedelta(days=1), AT, "Ada")
    (raised,) = postgres_ledger.tiers_of(book, SESSION)
    assert (raised.gate.tier, raised.gate.reason, raised.actor) == (KillTier.WARN, "a loss", "kill switch")


def test_breaks_count_as_they_stood_at_the_instant(postgres_ledger: PostgresLedger, book: str) -> None:
    held = [BrokerPosition("GLD", Decimal(30), Decimal(3000))]
    first = reconcile({"GLD": Decimal(40)}, held, [], [], Decimal(0), Decimal(0), AT)
    second = reconcile({"GLD": Decimal(40)}, held, [], [], Decimal(0), Decimal(0), AT + HOUR, first.breaks)
    for report in (first, second):
        postgres_ledger.record_reconciliation(book, report)
    asked = [postgres_ledger.confirmed_breaks(book, AT + shift) for shift in (-HOUR, HOUR / 2, HOUR)]
    assert asked == [0, 0, 1]


def test_a_leaf_has_the_instant_of_the_databases_clock(postgres_ledger: PostgresLedger) -> None:
    name = unique("plan")
    assert postgres_ledger.recorded_at(name, "approval") is None
    postgres_ledger.record("approval", name, {}, AT)
    first = postgres_ledger.recorded_at(name, "approval")
    postgres_ledger.record("approval", name, {}, AT)
    second = postgres_ledger.recorded_at(name, "approval")
    assert first is not None
    assert second is not None
    assert AT < first < second
