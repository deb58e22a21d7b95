from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from statistics import quantiles

import pytest

from qgtm_core.audit import EMPTY_ROOT, AuditHead, verify_consistency, verify_inclusion
from qgtm_core.errors import InvariantError, TransientError
from qgtm_core.types import KillTier, OrderState
from qgtm_resources.clients.database import make_engine
from qgtm_resources.clients.ledger import PostgresLedger
from qgtm_resources.migrations import migrate
from tests.ledgers import AT, SESSION, a_fill, an_intent, new_book, unique


@pytest.fixture
def log(new_database: Callable[[], str]):
    """A ledger of its own with twenty leaves, and its address."""
    url = new_database()
    migrate(url)
    with PostgresLedger(url) as ledger:
        for number in range(20):
            ledger.record("NOTE", f"sig-{number % 2}", {"number": number}, AT)
        yield ledger, url


def tampered(url: str, *statements: str) -> None:
    """Change history as a superuser with the guards switched off would."""
    engine = make_engine(url)
    with engine.begin() as connection:
        for table in ("audit_leaves", "audit_heads"):
            connection.exec_driver_sql(f"ALTER TABLE ledger.{table} DISABLE TRIGGER USER")
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


HASH = "leaf_hash = sha256('\\x00'::bytea || convert_to({}, 'UTF8'))"
FORGED = "replace(leaf, '\"number\":7', '\"number\":8')"
NO_JSON = "leaf = 'x', " + HASH.format("'x'")
FORGE_HEAD = "SET root = leaf_hash FROM ledger.audit_leaves WHERE tree_size = 5 AND index = 5"
MOVE = "UPDATE ledger.audit_leaves SET index = {} WHERE index = {}"


def test_a_sound_log_verifies(log) -> None:
    ledger, _ = log
    report = ledger.audit_verify()
    assert (report.ok, report.size, report.first_bad_index) == (True, 20, None)
    assert report.root == ledger.audit_head().root
    assert ledger.audit_verify(ledger.audit_heads(100)).ok


def test_an_empty_log_verifies(new_database: Callable[[], str]) -> None:
    url = new_database()
    migrate(url)
    with PostgresLedger(url) as ledger:
        assert ledger.audit_head() == AuditHead(0, EMPTY_ROOT)
        assert ledger.audit_verify().ok
        assert ledger.audit_verify([AuditHead(0, EMPTY_ROOT)]).ok


@pytest.mark.parametrize(
    ("statements", "first_bad"),
    [
        ([f"UPDATE ledger.audit_leaves SET leaf = {FORGED} WHERE index = 7"], 7),
        ([f"UPDATE ledger.audit_leaves SET leaf = {FORGED}, {HASH.format(FORGED)} WHERE index = 7"], 7),
        (["UPDATE ledger.audit_leaves SET kind = 'OTHER' WHERE index = 7"], 7),
        (["UPDATE ledger.audit_leaves SET correlation_id = 'x' WHERE index = 7"], 7),
        (["UPDATE ledger.audit_leaves SET at = at - interval '1 day' WHERE index = 7"], 7),
        ([f"UPDATE ledger.audit_leaves SET {NO_JSON} WHERE index = 7"], 7),
        (["DELETE FROM ledger.audit_leaves WHERE index = 7"], 7),
        (["DELETE FROM ledger.audit_leaves WHERE index = 19"], 19),
        (["DELETE FROM ledger.audit_leaves"], 0),
        ([MOVE.format(99, 7), MOVE.format(7, 8), MOVE.format(8, 99)], 7),
        ([f"UPDATE ledger.audit_heads {FORGE_HEAD}"], 4),
        (["DELETE FROM ledger.audit_heads WHERE tree_size = 20"], 19),
    ],
    ids=[
        "edit",
        "edit and rehash",
        "relabel",
        "other correlation",
        "back-date",
        "not JSON",
        "delete one",
        "delete the tail",
        "delete all",
        "reorder",
        "forge a head",
        "delete a head",
    ],
)
def test_tampering_is_found_where_it_begins(log, statements: list[str], first_bad: int) -> None:
    ledger, url = log
    tampered(url, *statements)
    report = ledger.audit_verify()
    assert not report.ok
    assert report.first_bad_index == first_bad
    assert report.problem


@pytest.mark.parametrize("kept", [0, 12])
def test_only_a_head_kept_outside_shows_a_tail_deleted_with_its_heads(log, kept: int) -> None:
    ledger, url = log
    head = ledger.audit_head()
    tampered(
        url,
        f"DELETE FROM ledger.audit_leaves WHERE index >= {kept}",
        f"DELETE FROM ledger.audit_heads WHERE tree_size > {kept}",
    )
    assert ledger.audit_verify().ok
    report = ledger.audit_verify([head])
    assert (report.ok, report.first_bad_index) == (False, kept)
    ledger.record("NOTE", "", {"number": "regrown"}, AT)
    assert not ledger.audit_verify([replace(head, size=kept + 1)]).ok


def test_proofs_convince_an_outsider(log) -> None:
    ledger, _ = log
    old = ledger.audit_heads(20)[8]
    new = ledger.audit_head()
    assert old.size == 12
    (leaf,) = ledger.audit_leaves(7, 7)
    assert verify_inclusion(leaf.hash, 7, new.size, ledger.inclusion_proof(7), new.root)
    assert verify_inclusion(leaf.hash, 7, old.size, ledger.inclusion_proof(7, old.size), old.root)
    proof = ledger.consistency_proof(old.size)
    assert verify_consistency(old.size, new.size, old.root, new.root, proof)
    with pytest.raises(InvariantError):
        ledger.inclusion_proof(20)


def test_a_correlation_id_finds_everything_from_decision_to_fill(postgres_ledger: PostgresLedger, book: str) -> None:
    sig = unique("sig")
    intent = an_intent(book, correlation_id=sig)
    postgres_ledger.save_intents([intent, an_intent(book, correlation_id="another")])
    postgres_ledger.set_order_state(intent.client_order_id, OrderState.SENDING, AT)
    postgres_ledger.book_executions([a_fill(intent)])
    postgres_ledger.record("TCA", sig, {"slippage_bp": 1.1}, AT)
    found = postgres_ledger.search(sig)
    assert [leaf.kind for leaf in found] == ["INTENT", "ORDER_STATE", "EXECUTION", "ORDER_STATE", "TCA"]
    assert postgres_ledger.search("nobody") == []


def test_writers_at_the_same_time_leave_no_gap(ledger_url: str) -> None:
    with PostgresLedger(ledger_url, pool_size=4) as ledger:
        book = new_book(ledger)
        before = ledger.audit_head().size

        def work(number: int) -> None:
            intent = an_intent(book)
            ledger.save_intents([intent])
            ledger.book_executions([a_fill(intent)])
            ledger.record("NOTE", "", {"number": number}, AT)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(20)))
        assert ledger.audit_head().size == before + 20 * 4
        assert ledger.audit_verify().ok
        assert len(ledger.executions(book)) == 20


def test_the_same_fill_from_two_streams_is_booked_once(ledger_url: str) -> None:
    with PostgresLedger(ledger_url, pool_size=4) as ledger:
        book = new_book(ledger)
        intents = [an_intent(book, quantity="1") for _ in range(10)]
        ledger.save_intents(intents)
        fills = [a_fill(intent) for intent in intents]
        with ThreadPoolExecutor(4) as pool:
            booked = list(pool.map(ledger.book_executions, [fills, fills[::-1], fills, fills[::-1]]))
        assert sum(booked) == 10
        assert ledger.book_state(book).positions == {"GLD": 10}


def test_two_raisers_latch_the_higher_tier(ledger_url: str) -> None:
    with PostgresLedger(ledger_url, pool_size=4) as ledger:
        book = new_book(ledger)
        tiers = [KillTier.WARN, KillTier.FLATTEN, KillTier.THROTTLE, KillTier.NO_NEW]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda tier: ledger.raise_tier(book, tier, tier.name, SESSION, AT, "x"), tiers))
        assert ledger.gate(book).tier is KillTier.FLATTEN


def test_a_change_and_its_leaf_commit_together_or_not_at_all(postgres_ledger: PostgresLedger, book: str) -> None:
    before = postgres_ledger.audit_head().size
    with pytest.raises(InvariantError, match="no canonical JSON"):
        postgres_ledger.save_plan(book, SESSION, "target", {"weight": float("nan")}, "sig", AT)
    assert postgres_ledger.plan(book, SESSION, "target") is None
    assert postgres_ledger.audit_head().size == before


def test_a_server_that_is_away_is_a_transient_fault() -> None:
    with (
        PostgresLedger("postgresql://nobody@127.0.0.1:1/none") as ledger,
        pytest.raises(TransientError, match="does not answer"),
    ):
        ledger.gate("book")


def test_a_missing_schema_is_an_error_that_says_so(new_database: Callable[[], str]) -> None:
    with PostgresLedger(new_database()) as ledger, pytest.raises(InvariantError, match="does not exist"):
        ledger.gate("book")


def test_a_session_of_twenty_orders_is_booked_quickly(postgres_ledger: PostgresLedger, book: str) -> None:
    """Target 50 ms; the bound is loose because test machines are busy, the median of several is compared."""
    took: dict[str, list[float]] = {"intents": [], "fills": [], "leaf": []}
    for _ in range(7):
        intents = [an_intent(book) for _ in range(20)]
        for name, act in (
            ("intents", lambda made=intents: postgres_ledger.save_intents(made)),
            ("fills", lambda made=intents: postgres_ledger.book_executions([a_fill(each) for each in made])),
            ("leaf", lambda: postgres_ledger.record("NOTE", "", {}, AT)),
        ):
            started = time.perf_counter()
            act()
            took[name].append(time.perf_counter() - started)
    median = {name: quantiles(times, n=2)[0] for name, times in took.items()}
    assert median["intents"] < 0.15
    assert median["fills"] < 0.15
    assert median["leaf"] < 0.05
