"""The trial ledger: what is counted once, what is never forgotten, and who may write it."""

from __future__ import annotations

import datetime as dt
import math
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from typing import Any

import pytest
from sqlalchemy import Connection, make_url, text
from sqlalchemy.exc import DBAPIError

from qgtm_core.backtest.evidence.trial_record import MemoryTrials, TrialRow
from qgtm_core.backtest.evidence.trials import Trial
from qgtm_core.errors import InvariantError, TransientError
from qgtm_core.policy import PortfolioPolicy
from qgtm_core.schemas.results import PORTFOLIO
from qgtm_resources.clients.database import make_engine
from qgtm_resources.clients.ledger import PostgresLedger
from qgtm_resources.clients.ledger_trials import TrialLedger
from qgtm_resources.migrations import migrate
from qgtm_resources.resources import TrialsResource
from tests.ledgers import AT, unique

FIRST, LAST = dt.date(2006, 1, 3), dt.date(2024, 12, 31)


def a_row(strategy_id: str, z0: float = 2.0, **changes: Any) -> TrialRow:
    """One evaluation of `z0`."""
    trial = Trial.of(strategy_id, {"z0": z0, "w": [0.5, 0.5]}, "" if z0 == 2.0 else f"z0 2 → {z0:g}")
    row = TrialRow(
        strategy_id, trial.params_hash, trial.params, trial.changed, "v1", "data", FIRST, LAST, 4_700, 0.04, None, AT
    )
    return replace(row, **changes)


@pytest.fixture(scope="module")
def kept(ledger_url: str) -> Iterator[TrialLedger]:
    """The module's ledger in PostgreSQL."""
    with TrialLedger(ledger_url) as ledger:
        yield ledger


@pytest.fixture(params=["memory", "postgres"])
def ledger(request: pytest.FixtureRequest) -> MemoryTrials | TrialLedger:
    """Either form of the ledger: both must behave alike."""
    return MemoryTrials() if request.param == "memory" else request.getfixturevalue("kept")


@pytest.fixture
def connection(ledger_url: str) -> Iterator[Connection]:
    engine = make_engine(ledger_url)
    with engine.connect() as opened:
        yield opened
    engine.dispose()


def refused(connection: Connection, statement: str) -> str:
    """The database's words when it refuses a statement."""
    with pytest.raises(DBAPIError) as caught, connection.begin_nested():
        connection.execute(text(statement))
    return str(caught.value.orig)


def test_an_evaluation_that_is_repeated_is_no_new_trial(ledger: MemoryTrials | TrialLedger) -> None:
    name = unique("strategy")
    rows = [a_row(name, z0) for z0 in (1.5, 2.0, 2.5)]
    assert ledger.record([*rows, rows[0]]) == 3
    assert ledger.record([*rows, a_row(name, 3.0)]) == 1
    assert ledger.counts()[name] == 4


def test_nothing_recorded_is_nothing_new(ledger: MemoryTrials | TrialLedger) -> None:
    assert ledger.record([]) == 0


def test_other_data_code_or_sessions_are_the_same_trial_evaluated_anew(ledger: MemoryTrials | TrialLedger) -> None:
    name = unique("strategy")
    row = a_row(name)
    again = [
        replace(row, data_hash="newer"),
        replace(row, code_version="v2"),
        replace(row, first=dt.date(2010, 1, 4)),
        replace(row, last=dt.date(2020, 12, 31)),
    ]
    assert ledger.record([row, *again]) == 5
    assert ledger.counts()[name] == 1


def test_a_fault_counts_as_a_trial(ledger: MemoryTrials | TrialLedger) -> None:
    name = unique("strategy")
    ledger.record([a_row(name), a_row(name, 0.0, sharpe=None, periods=0, fault="ZeroDivisionError: z0 is zero")])
    assert ledger.counts()[name] == 2
    known = ledger.best_known(name).sort("changed")
    assert known["fault"].to_list() == [None, "ZeroDivisionError: z0 is zero"]
    assert known["sharpe"].to_list() == [0.04, None]


def test_the_first_record_of_an_evaluation_stays(ledger: MemoryTrials | TrialLedger) -> None:
    name = unique("strategy")
    ledger.record([a_row(name)])
    ledger.record([a_row(name, sharpe=9.0)])
    assert ledger.best_known(name)["sharpe"].to_list() == [0.04]


def test_the_newest_evaluation_of_a_parameter_set_is_the_known_one(ledger: MemoryTrials | TrialLedger) -> None:
    name = unique("strategy")
    ledger.record([a_row(name), a_row(name, 2.5, sharpe=None)])
    ledger.record([a_row(name, data_hash="newer", sharpe=0.01)])
    known = ledger.best_known(name).sort("changed")
    assert known.select("changed", "sharpe", "data_hash").rows() == [("", 0.01, "newer"), ("z0 2 → 2.5", None, "data")]
    assert known["evaluated_at"].to_list() == [AT, AT]


def test_all_strategies_are_known_where_none_is_named(ledger: MemoryTrials | TrialLedger) -> None:
    names = [unique("strategy"), unique("strategy")]
    for name in names:
        ledger.record([a_row(name)])
    assert set(names) <= set(ledger.best_known()["strategy_id"])
    assert ledger.best_known(unique("never")).is_empty()


def test_sweeps_of_portfolio_policies_are_trials(ledger: MemoryTrials | TrialLedger) -> None:
    before = ledger.counts().get(PORTFOLIO, 0)
    for target in (0.05, 0.10, 0.15):
        trial = Trial.of(PORTFOLIO, asdict(PortfolioPolicy(annual_vol_target=target)), f"annual_vol_target {target}")
        ledger.record([a_row(PORTFOLIO, params=trial.params, params_hash=trial.params_hash, changed=trial.changed)])
    assert ledger.counts()[PORTFOLIO] == before + 3


def test_two_ledgers_of_the_same_trials_have_one_digest_whatever_the_order_and_the_repetitions(
    postgres_url: str,
) -> None:
    migrate(postgres_url)
    rows = [a_row("b", 1.5), a_row("a"), a_row("b"), a_row("a", 2.5)]
    memory, other = MemoryTrials(), MemoryTrials()
    memory.record(rows)
    other.record([*reversed(rows), *(replace(row, data_hash="newer", sharpe=0.2) for row in rows)])
    with TrialLedger(postgres_url) as kept:
        empty = kept.digest()
        kept.record(rows)
        assert empty == MemoryTrials().digest()
        assert kept.digest() == memory.digest() == other.digest() != empty
        assert kept.counts() == memory.counts() == {"a": 2, "b": 2}
        assert kept.best_known().equals(memory.best_known())
    other.record([a_row("a", 3.0)])
    assert other.digest() != memory.digest()


def test_the_versions_of_the_code_are_told_in_the_order_they_came(kept: TrialLedger) -> None:
    name = unique("strategy")
    for version in ("v9", "v10", "v9"):
        kept.record([a_row(name, code_version=version)])
    assert kept.versions()[name] == ("v9", "v10")


def test_parameters_come_back_as_they_went_in(kept: TrialLedger, connection: Connection) -> None:
    row = a_row(unique("strategy"), params={"k": [5, 20], "w": {"a": 0.225}, "on": True, "kinds": ["cpi"], "n": None})
    kept.record([row])
    found = connection.execute(
        text("SELECT params FROM ledger.trials WHERE strategy_id = :id"), {"id": row.strategy_id}
    ).scalar_one()
    assert found == row.params


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sharpe": math.nan}, "record null"),
        ({"sharpe": math.inf}, "record null"),
        ({"fault": "it failed"}, "a fault has no Sharpe ratio"),
        ({"evaluated_at": dt.datetime(2026, 3, 5)}, "no time zone"),  # noqa: DTZ001
        ({"first": LAST, "last": FIRST}, "4700 periods from 2024-12-31 to 2006-01-03"),
        ({"periods": -1}, "-1 periods"),
    ],
    ids=lambda value: "" if isinstance(value, str) else "-".join(value),
)
def test_a_record_that_makes_no_sense_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InvariantError, match=words):
        a_row("s", **changes)


@pytest.mark.parametrize(
    ("column", "value"),
    [("sharpe", "'NaN'"), ("sharpe", "'Infinity'"), ("periods", "-1"), ("last", "'1999-01-01'"), ("fault", "'x'")],
)
def test_the_database_too_refuses_what_makes_no_sense(connection: Connection, column: str, value: str) -> None:
    values = {
        "strategy_id": "'s'",
        "params_hash": "'h'",
        "data_hash": "'d'",
        "code_version": "'v'",
        "first": "'2006-01-03'",
        "last": "'2024-12-31'",
        "params": "'{}'",
        "changed": "''",
        "periods": "10",
        "sharpe": "0.1",
        "evaluated_at": "now()",
    } | {column: value}
    statement = f"INSERT INTO ledger.trials ({', '.join(values)}) VALUES ({', '.join(values.values())})"
    assert "check constraint" in refused(connection, statement)


@pytest.mark.parametrize(
    "act",
    [
        "DELETE FROM ledger.trials",
        "TRUNCATE ledger.trials CASCADE",
        "UPDATE ledger.trials SET sharpe = NULL",
        "UPDATE ledger.trials SET strategy_id = 'other'",
    ],
)
def test_no_trial_can_be_forgotten_or_changed_even_by_the_owner(
    kept: TrialLedger, connection: Connection, act: str
) -> None:
    name = unique("strategy")
    kept.record([a_row(name)])
    assert "append-only" in refused(connection, act)
    assert kept.counts()[name] == 1


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("qgtm_writer", "UPDATE ledger.trials SET sharpe = 1"),
        ("qgtm_writer", "DELETE FROM ledger.trials"),
        ("qgtm_writer", "TRUNCATE ledger.trials"),
        ("qgtm_research", "UPDATE ledger.trials SET sharpe = 1"),
        ("qgtm_research", "DELETE FROM ledger.trials"),
        ("qgtm_research", "TRUNCATE ledger.trials"),
        ("qgtm_research", "ALTER TABLE ledger.trials DISABLE TRIGGER ALL"),
        ("qgtm_research", "SELECT * FROM ledger.books"),
        ("qgtm_research", "INSERT INTO ledger.books (book, cash_usd, feed) VALUES ('x', 1, 'f')"),
        ("qgtm_research", "SELECT * FROM ledger.audit_leaves"),
        ("qgtm_reader", "INSERT INTO ledger.trials (strategy_id) VALUES ('x')"),
        ("qgtm_audit", "SELECT * FROM ledger.trials"),
    ],
)
def test_each_role_may_do_no_more_with_trials_than_its_work(connection: Connection, role: str, statement: str) -> None:
    connection.execute(text(f"SET ROLE {role}"))
    words = refused(connection, statement)
    assert "permission denied" in words or "must be owner" in words


@pytest.fixture
def address_of(ledger_url: str) -> Iterator[Callable[[str], str]]:
    """Addresses of fresh users who are members of one role."""
    engine, users = make_engine(ledger_url), list[str]()

    def address(role: str) -> str:
        users.append(f"user_{uuid.uuid4().hex}")
        with engine.begin() as connection:
            connection.execute(text(f"CREATE ROLE {users[-1]} LOGIN PASSWORD 'test' IN ROLE {role}"))
        return make_url(ledger_url).set(username=users[-1], password="test").render_as_string(hide_password=False)

    yield address
    with engine.begin() as connection:
        for user in users:
            connection.execute(text(f"DROP ROLE {user}"))
    engine.dispose()


def test_research_records_trials_and_readers_read_them(address_of: Callable[[str], str]) -> None:
    name = unique("strategy")
    with TrialLedger(address_of("qgtm_research")) as research, TrialLedger(address_of("qgtm_reader")) as reader:
        assert research.record([a_row(name)]) == 1
        assert reader.best_known(name).equals(research.best_known(name))
        assert reader.digest() == research.digest()
        with pytest.raises(InvariantError, match="the ledger refused"):
            reader.record([a_row(name, 3.0)])


def test_trials_leave_the_audit_log_and_the_books_alone(kept: TrialLedger, postgres_ledger: PostgresLedger) -> None:
    before = postgres_ledger.audit_head().size
    kept.record([a_row(unique("strategy"))])
    assert postgres_ledger.audit_head().size == before


def test_the_resource_of_research_gives_the_trials_and_nothing_else(ledger_url: str) -> None:
    resource, name = TrialsResource(url=ledger_url), unique("strategy")
    assert resource.trials.record([a_row(name)]) == 1
    assert TrialsResource(url=ledger_url).trials is resource.trials
    assert not hasattr(resource.trials, "book_state")
    resource.trials.close()


def test_a_ledger_that_does_not_answer_is_a_passing_fault() -> None:
    with TrialLedger("postgresql://qgtm@127.0.0.1:1/qgtm") as ledger, pytest.raises(TransientError):
        ledger.counts()
