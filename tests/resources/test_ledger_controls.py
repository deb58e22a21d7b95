from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from qgtm_core.errors import GateClosed, InvariantError
from qgtm_core.execution.reconcile import BreakKind, ReconciliationReport, Severity, reconcile
from qgtm_core.types import BreakClass, BrokerPosition, Gate, KillTier, OrderState
from qgtm_resources.clients.ledger import PostgresLedger
from qgtm_resources.clients.ledger_controls import GateVerdict
from qgtm_resources.clients.ledger_records import DqResult, ModelRecord
from tests.ledgers import AT, SESSION, a_fill, an_intent, unique

D = Decimal
MINUTE = dt.timedelta(minutes=1)


@pytest.fixture
def ledger(postgres_ledger: PostgresLedger) -> PostgresLedger:
    return postgres_ledger


@pytest.fixture
def latched(ledger: PostgresLedger, book: str) -> str:
    """A book at NO_NEW."""
    ledger.raise_tier(book, KillTier.NO_NEW, "daily loss", SESSION, AT, "killswitch")
    return book


def kinds(ledger: PostgresLedger, book: str) -> list[str]:
    return [leaf.kind for leaf in ledger.audit_leaves() if leaf.body.get("book") == book]


def a_report(book_shares: str, broker_shares: str, number: int = 0, previous=()) -> ReconciliationReport:
    broker = [BrokerPosition("GLD", D(broker_shares), D(broker_shares) * 250)]
    return reconcile({"GLD": D(book_shares)}, broker, [], [], D(0), D(0), AT + number * MINUTE, previous)


def test_two_persons_lower_the_tier(ledger: PostgresLedger, latched: str) -> None:
    ledger.request_reset(latched, "Ada", "marks repaired", AT)
    gate = ledger.approve_reset(latched, "Grace", AT + 15 * MINUTE, reconciled=True)
    assert gate == ledger.gate(latched) == Gate(KillTier.NORMAL, "reset: marks repaired")
    assert kinds(ledger, latched)[-2:] == ["KILL_RESET_REQUESTED", "KILL_RESET"]
    newest, first = ledger.kill_states(latched)
    assert newest[2] == "Ada and Grace"
    assert first[1] == Gate(KillTier.NO_NEW, "daily loss")


@pytest.mark.parametrize(
    ("by", "wait", "reconciled", "why"),
    [
        ("Ada", MINUTE, True, "another person"),
        (" ADA ", MINUTE, True, "another person"),
        ("", MINUTE, True, "no name"),
        ("Grace", 15 * MINUTE + dt.timedelta(seconds=1), True, "15 minutes"),
        ("Grace", -MINUTE, True, "15 minutes"),
        ("Grace", MINUTE, False, "do not match"),
    ],
)
def test_a_reset_that_lacks_anything_is_refused_and_audited(
    ledger: PostgresLedger, latched: str, by: str, wait: dt.timedelta, reconciled: bool, why: str
) -> None:
    ledger.request_reset(latched, "Ada", "marks repaired", AT)
    with pytest.raises(GateClosed, match=why):
        ledger.approve_reset(latched, by, AT + wait, reconciled=reconciled)
    assert ledger.gate(latched).tier is KillTier.NO_NEW
    assert kinds(ledger, latched)[-1] == "KILL_RESET_REFUSED"


def test_approval_without_a_request_is_refused(ledger: PostgresLedger, latched: str, book: str) -> None:
    with pytest.raises(GateClosed, match="no pending request"):
        ledger.approve_reset(latched, "Grace", AT, reconciled=True)


def test_an_approval_cannot_be_replayed(ledger: PostgresLedger, latched: str) -> None:
    ledger.request_reset(latched, "Ada", "marks repaired", AT)
    ledger.approve_reset(latched, "Grace", AT, reconciled=True)
    ledger.raise_tier(latched, KillTier.NO_NEW, "again", SESSION, AT, "killswitch")
    with pytest.raises(GateClosed, match="no pending request"):
        ledger.approve_reset(latched, "Grace", AT, reconciled=True)


def test_a_tier_that_rose_since_the_request_needs_a_new_one(ledger: PostgresLedger, latched: str) -> None:
    ledger.request_reset(latched, "Ada", "marks repaired", AT)
    ledger.raise_tier(latched, KillTier.FLATTEN, "drawdown", SESSION, AT, "killswitch")
    with pytest.raises(GateClosed, match="tier has changed"):
        ledger.approve_reset(latched, "Grace", AT, reconciled=True)
    assert ledger.gate(latched).tier is KillTier.FLATTEN


def test_a_newer_request_replaces_the_older(ledger: PostgresLedger, latched: str) -> None:
    ledger.request_reset(latched, "Ada", "first", AT)
    ledger.request_reset(latched, "Grace", "second", AT + MINUTE)
    with pytest.raises(GateClosed, match="another person"):
        ledger.approve_reset(latched, "Grace", AT + 2 * MINUTE, reconciled=True)
    assert ledger.approve_reset(latched, "Ada", AT + 2 * MINUTE, reconciled=True).reason == "reset: second"


@pytest.mark.parametrize(("by", "reason", "why"), [("", "x", "no name"), ("Ada", "  ", "needs a reason")])
def test_a_request_needs_a_name_and_a_reason(ledger: PostgresLedger, latched: str, by, reason, why) -> None:
    with pytest.raises(GateClosed, match=why):
        ledger.request_reset(latched, by, reason, AT)
    assert kinds(ledger, latched)[-1] == "KILL_RESET_REFUSED"


def test_there_is_nothing_to_reset_at_normal(ledger: PostgresLedger, book: str) -> None:
    with pytest.raises(GateClosed, match="NORMAL already"):
        ledger.request_reset(book, "Ada", "why not", AT)


def test_confirmed_breaks_forbid_a_reset_whatever_the_caller_says(ledger: PostgresLedger, latched: str) -> None:
    first = a_report("40", "30")
    ledger.record_reconciliation(latched, first)
    ledger.record_reconciliation(latched, a_report("40", "30", 1, first.breaks))
    ledger.request_reset(latched, "Ada", "looks fine", AT)
    with pytest.raises(GateClosed, match="do not match"):
        ledger.approve_reset(latched, "Grace", AT, reconciled=True)


def test_breaks_come_back_for_the_next_tick(ledger: PostgresLedger, book: str) -> None:
    assert ledger.open_breaks(book) == []
    first = a_report("40.000000001", "30")
    ledger.record_reconciliation(book, first)
    assert tuple(ledger.open_breaks(book)) == first.breaks
    second = a_report("40.000000001", "30", 1, ledger.open_breaks(book))
    assert len(second.confirmed) == 1
    ledger.record_reconciliation(book, second)
    ledger.record_reconciliation(book, a_report("40", "40", 2, second.breaks))
    assert ledger.open_breaks(book) == []
    newest, middle, oldest = ledger.reconciliations(book)
    assert (newest["ok"], middle["confirmed"], oldest["confirmed"]) == (True, 1, 0)
    assert middle["classes"] == {BreakClass.QTY_MISMATCH: 1}
    assert middle["severity"] == Severity.MAJOR
    assert middle["compared"] == {"positions": 1, "orders": 0, "cash": 1}


def test_a_confirmed_break_locks_its_instrument_until_the_books_are_equal(ledger: PostgresLedger, book: str) -> None:
    first = a_report("40", "30")
    ledger.record_reconciliation(book, first)
    assert ledger.locked_instruments(book) == {}
    ledger.record_reconciliation(book, a_report("40", "30", 1, first.breaks))
    lock = ledger.locked_instruments(book)["GLD"]
    assert lock.reason == f"{BreakKind.POSITION} {BreakClass.QTY_MISMATCH} GLD"
    with pytest.raises(GateClosed, match="still shows a break"):
        ledger.unlock_instrument(book, "GLD", "trust me", AT, "Ada")
    ledger.record_reconciliation(book, a_report("40", "40", 2))
    assert list(ledger.locked_instruments(book)) == ["GLD"]  # no lock opens by itself
    assert ledger.unlock_instrument(book, "GLD", "explained", AT, "Ada")
    assert not ledger.unlock_instrument(book, "GLD", "explained", AT, "Ada")
    assert kinds(ledger, book).count("INSTRUMENT_UNLOCKED") == 1
    assert kinds(ledger, book).count("INSTRUMENT_UNLOCK_REFUSED") == 1


def test_a_cash_break_locks_no_instrument(ledger: PostgresLedger, book: str) -> None:
    first = reconcile({}, [], [], [], D(0), D(500), AT)
    second = reconcile({}, [], [], [], D(0), D(500), AT, first.breaks)
    ledger.record_reconciliation(book, second)
    assert ledger.open_breaks(book)[0].confirmed
    assert ledger.locked_instruments(book) == {}


def test_an_instrument_can_be_locked_by_hand_once(ledger: PostgresLedger, book: str) -> None:
    assert ledger.lock_instrument(book, "SLV", "halted", AT, "Ada")
    assert not ledger.lock_instrument(book, "SLV", "other", AT, "Grace")
    assert ledger.locked_instruments(book)["SLV"].reason == "halted"


def test_gate_verdicts_come_back_in_order(ledger: PostgresLedger, book: str) -> None:
    verdicts = [GateVerdict(book, SESSION, name, False, "closed", AT, {"tier": "NO_NEW"}) for name in ("b", "a")]
    for verdict in verdicts:
        ledger.save_gate(verdict, "sig")
    assert ledger.gates(book, SESSION) == verdicts
    assert ledger.gates(book, dt.date(2020, 1, 2)) == []


def test_cash_flows_are_booked_once(ledger: PostgresLedger, book: str) -> None:
    flow = unique("dividend")
    assert ledger.book_cash_flow(book, flow, D("12.345"), "DIVIDEND", AT, "GDX")
    assert not ledger.book_cash_flow(book, flow, D("12.345"), "DIVIDEND", AT)
    assert ledger.book_state(book).cash_usd == D("1000012.345")


def test_order_details_say_what_the_broker_said(ledger: PostgresLedger, book: str) -> None:
    intent, untouched = an_intent(book), an_intent(book)
    ledger.save_intents([intent, untouched])
    key = intent.client_order_id
    ledger.set_order_state(key, OrderState.SENDING, AT)
    ledger.set_order_state(key, OrderState.ACCEPTED, AT, reason="new")
    ledger.set_order_state(key, OrderState.ACCEPTED, AT, broker_order_id="b-7")
    ledger.book_executions([a_fill(intent, "5")])
    details = ledger.order_details(book, SESSION)
    assert details[key] == (D(5), "b-7", "fill")
    assert details[untouched.client_order_id] == (D(0), "", "")
    assert ledger.order_details(book) == details


def test_the_first_plan_of_a_session_stands(ledger: PostgresLedger, book: str) -> None:
    assert ledger.plan(book, SESSION, "target") is None
    assert ledger.save_plan(book, SESSION, "target", {"GLD": D("0.110")}, "sig", AT) == {"GLD": "0.11"}
    assert ledger.save_plan(book, SESSION, "target", {"GLD": D("0.9")}, "sig", AT) == {"GLD": "0.11"}
    assert ledger.plan(book, SESSION, "target") == {"GLD": "0.11"}


def test_runs_show_their_newest_status(ledger: PostgresLedger) -> None:
    run = unique("run")
    ledger.record_run(run, "rebalance", "started", AT)
    ledger.record_run(run, "rebalance", "done", AT, AT + MINUTE, {"orders": 3})
    (found,) = [row for row in ledger.runs() if row["run_id"] == run]
    assert (found["status"], found["ended_at"], found["body"]) == ("done", AT + MINUTE, {"orders": 3})


def test_a_model_is_registered_once_under_its_hash(ledger: PostgresLedger) -> None:
    model = ModelRecord(unique("regime"), "1", "staging", "aa", "models/regime-1", AT, {"auc": 0.61})
    ledger.register_model(model, AT)
    ledger.register_model(model, AT)
    assert ledger.models(model.name) == [model]
    assert model in ledger.models()
    with pytest.raises(InvariantError, match="another file"):
        ledger.register_model(ModelRecord(model.name, "1", "staging", "bb", "x", AT), AT)
    ledger.set_model_stage(model.name, "1", "shadow", AT, "Ada")
    assert ledger.models(model.name)[0].stage == "shadow"
    with pytest.raises(InvariantError, match="no model"):
        ledger.set_model_stage(model.name, "2", "shadow", AT, "Ada")
    with pytest.raises(InvariantError, match="refused"):
        ledger.set_model_stage(model.name, "1", "golden", AT, "Ada")


def test_the_newest_verdict_on_a_rule_counts(ledger: PostgresLedger) -> None:
    session = dt.date(2031, 1, 2)
    bad = DqResult(session, "raw.bars", unique("rule"), False, "ERROR", 3, "negative price", AT)
    good = DqResult(session, "raw.bars", bad.check_name, True, "ERROR", 0, "", AT + MINUTE)
    ledger.record_dq([bad])
    assert ledger.dq_results(session) == [bad]
    ledger.record_dq([bad, good])
    assert ledger.dq_results(session) == [good]
    ledger.record_dq([])


def test_heartbeats_count_up(ledger: PostgresLedger) -> None:
    name = unique("watchdog")
    assert [ledger.heartbeat(name, AT + n * MINUTE, {"lag_s": n}) for n in range(3)] == [1, 2, 3]
    beat = ledger.heartbeats()[name]
    assert (beat.at, beat.beats, beat.body) == (AT + 2 * MINUTE, 3, {"lag_s": 2})


def test_the_newest_panel_document_is_served(ledger: PostgresLedger, book: str) -> None:
    assert ledger.panel("PORT", book) is None
    first = ledger.publish_panel("PORT", book, {"equity_usd": "1.10"}, AT, SESSION)
    second = ledger.publish_panel("PORT", book, {"equity_usd": "1.20"}, AT)
    found = ledger.panel("PORT", book)
    assert second > first
    assert found is not None
    assert (found.id, found.document, found.session) == (second, {"equity_usd": "1.20"}, None)


def test_operating_records_write_no_leaves(ledger: PostgresLedger, book: str) -> None:
    before = ledger.audit_head()
    ledger.heartbeat("x", AT)
    ledger.record_run("r", "n", "s", AT)
    ledger.publish_panel("PORT", book, {}, AT)
    assert ledger.audit_head() == before
