from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, make_url, text
from sqlalchemy.exc import DBAPIError

from qgtm_core.errors import ConfigError
from qgtm_resources.clients.database import database_url, make_engine
from qgtm_resources.clients.ledger import PostgresLedger
from qgtm_resources.clients.ledger_tables import METADATA, SCHEMA
from qgtm_resources.migrations import migrate
from tests.ledgers import AT, a_fill, an_intent, new_book

HISTORY = [
    "audit_heads",
    "audit_leaves",
    "books",
    "executions",
    "intents",
    "kill_states",
    "order_events",
    "sessions_opened",
]


@pytest.fixture
def connection(ledger_url: str):
    engine = make_engine(ledger_url)
    with engine.connect() as opened:
        yield opened
    engine.dispose()


def refused(connection: Connection, statement: str) -> str:
    """The database's words when it refuses a statement."""
    with pytest.raises(DBAPIError) as caught, connection.begin_nested():
        connection.execute(text(statement))
    return str(caught.value.orig)


def test_the_tables_in_code_are_those_the_migrations_leave(connection: Connection) -> None:
    options = {
        "include_schemas": True,
        "include_name": lambda name, kind, _: kind != "schema" or name == SCHEMA,
        "compare_server_default": False,
    }
    context = MigrationContext.configure(connection, opts=options)
    differences = [d for d in compare_metadata(context, METADATA) if "alembic_version" not in str(d)]
    assert differences == []


def test_migrating_again_changes_nothing(ledger_url: str, postgres_ledger: PostgresLedger, book: str) -> None:
    migrate(ledger_url)
    assert postgres_ledger.book_state(book).book == book


def test_several_processes_may_migrate_at_once(new_database: Callable[[], str]) -> None:
    url = new_database()
    program = "import sys; from qgtm_resources.migrations import migrate; migrate(sys.argv[1])"
    others = [subprocess.Popen([sys.executable, "-c", program, url]) for _ in range(2)]
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(migrate, [url] * 2))
    assert [other.wait(60) for other in others] == [0, 0]
    with PostgresLedger(url) as ledger:
        assert ledger.books() == []


@pytest.mark.parametrize(
    "url", ["postgresql://u@h/d", "postgres://u@h/d", "postgresql+psycopg2://u@h/d"], ids=lambda u: u.split(":")[0]
)
def test_every_spelling_of_the_address_names_the_driver(url: str) -> None:
    assert database_url(url) == "postgresql+psycopg2://u@h/d"


@pytest.mark.parametrize("url", ["sqlite:///x", "mysql://h/d", "nothing"])
def test_another_database_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="PostgreSQL"):
        database_url(url)


@pytest.fixture
def filled(postgres_ledger: PostgresLedger, book: str) -> str:
    """A book with something in every table of history."""
    from qgtm_core.types import BookState, KillTier, OrderState

    intent = an_intent(book)
    postgres_ledger.record_opening(intent.session, BookState(book, postgres_ledger.book_state(book).cash_usd))
    postgres_ledger.save_intents([intent])
    postgres_ledger.set_order_state(intent.client_order_id, OrderState.SENDING, AT)
    postgres_ledger.book_executions([a_fill(intent)])
    postgres_ledger.raise_tier(book, KillTier.WARN, "loss", intent.session, AT, "test")
    return book


@pytest.mark.parametrize("table", HISTORY)
@pytest.mark.parametrize("act", ["DELETE FROM {}", "TRUNCATE {} CASCADE", "UPDATE {} SET {} = {}"])
def test_history_cannot_be_changed_even_by_the_owner(filled: str, connection: Connection, table: str, act: str) -> None:
    name = f"ledger.{table}"
    column = next(iter(METADATA.tables[name].columns)).name
    if "UPDATE" in act:
        column = next(c.name for c in METADATA.tables[name].columns if not c.identity and c.name != "seq")
        act = act.format("{}", column, column)
    assert "append-only" in refused(connection, act.format(name))


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("qgtm_reader", "INSERT INTO ledger.books (book, cash_usd, feed) VALUES ('x', 1, 'f')"),
        ("qgtm_reader", "UPDATE ledger.orders SET state = 'FILLED'"),
        ("qgtm_reader", "DELETE FROM ledger.instrument_locks"),
        ("qgtm_reader", "CREATE TABLE ledger.mine (n int)"),
        ("qgtm_writer", "UPDATE ledger.audit_leaves SET leaf = ''"),
        ("qgtm_writer", "DELETE FROM ledger.audit_leaves"),
        ("qgtm_writer", "DELETE FROM ledger.executions"),
        ("qgtm_writer", "UPDATE ledger.intents SET symbol = 'X'"),
        ("qgtm_writer", "TRUNCATE ledger.audit_heads"),
        ("qgtm_writer", "DROP TABLE ledger.audit_leaves"),
        ("qgtm_audit", "UPDATE ledger.audit_leaves SET leaf = ''"),
        ("qgtm_audit", "DELETE FROM ledger.audit_heads"),
        ("qgtm_audit", "SELECT * FROM ledger.intents"),
        ("qgtm_audit", "INSERT INTO ledger.books (book, cash_usd, feed) VALUES ('x', 1, 'f')"),
    ],
)
def test_each_role_may_do_no_more_than_its_work(connection: Connection, role: str, statement: str) -> None:
    connection.execute(text(f"SET ROLE {role}"))
    words = refused(connection, statement)
    assert "permission denied" in words or "must be owner" in words


@pytest.fixture
def new_role(ledger_url: str) -> Iterator[Callable[[str], str]]:
    """Addresses of fresh users who are members of one of the three roles."""
    users: list[str] = []
    engine = make_engine(ledger_url)

    def address(role: str) -> str:
        user = f"user_{uuid.uuid4().hex}"
        with engine.begin() as connection:
            connection.execute(text(f"CREATE ROLE {user} LOGIN PASSWORD 'test' IN ROLE {role}"))
        users.append(user)
        return make_url(ledger_url).set(username=user, password="test").render_as_string(hide_password=False)

    yield address
    with engine.begin() as connection:
        for user in users:
            connection.execute(text(f"DROP ROLE {user}"))
    engine.dispose()


def test_the_reader_reads_and_the_writer_keeps_books(new_role: Callable[[str], str]) -> None:
    with PostgresLedger(new_role("qgtm_writer")) as writer, PostgresLedger(new_role("qgtm_reader")) as reader:
        book = new_book(writer)
        intent = an_intent(book)
        writer.save_intents([intent])
        writer.book_executions([a_fill(intent)])
        writer.heartbeat("test", AT)
        writer.lock_instrument(book, "GLD", "why", AT, "test")
        assert writer.unlock_instrument(book, "GLD", "seen", AT, "test")
        assert reader.book_state(book) == writer.book_state(book)
        assert reader.audit_verify().ok
