"""What every part of the PostgreSQL ledger stands on: transactions, the audit append, error families."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

from sqlalchemy import Connection, Select, func, insert, select
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError, SQLAlchemyError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from qgtm_core.audit import CompactRange, leaf_hash, leaf_text
from qgtm_core.errors import InvariantError, TransientError
from qgtm_core.execution.leaves import Leaf
from qgtm_resources.clients.database import make_engine
from qgtm_resources.clients.ledger_tables import AUDIT_HEADS, AUDIT_LEAVES, BOOKS

AUDIT_LOCK = 0x5147_544D_4155  # any constant; one writer at a time, so that indexes have no gaps
BOOK_LOCKS = 0x5147  # lock space for changes that read the book before they write it
HASH_BYTES = 32


@dataclass(frozen=True, slots=True)
class Transaction:
    """An open transaction and the audit leaves to write just before it commits."""

    connection: Connection
    leaves: list[Leaf] = field(default_factory=list)


class LedgerBase:
    """Connections of one ledger. Cheap to make: nothing is opened before the first call."""

    def __init__(self, url: str, *, pool_size: int = 2) -> None:
        self._engine = make_engine(url, pool_size=pool_size)
        # several reads of one method must see one moment of the books
        self._snapshots = self._engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    def close(self) -> None:
        """Return all connections."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _transaction(self) -> Iterator[Transaction]:
        """One writing transaction; its leaves are appended last.

        Last, because the audit lock is held until commit: a transaction that took row locks after it could deadlock
        with one that took them before.
        """
        with _translated(), self._engine.begin() as connection:
            transaction = Transaction(connection)
            yield transaction
            if transaction.leaves:
                append_leaves(connection, transaction.leaves)

    @contextmanager
    def _snapshot(self) -> Iterator[Connection]:
        """One reading transaction over a single moment of the books."""
        with _translated(), self._snapshots.begin() as connection:
            yield connection


@contextmanager
def _translated() -> Iterator[None]:
    """Sort database errors by what must happen next."""
    try:
        yield
    except IntegrityError as error:
        raise InvariantError(f"the ledger refused: {_first_line(error)}") from error
    except (OperationalError, InterfaceError, PoolTimeoutError) as error:
        raise TransientError(f"the ledger does not answer: {_first_line(error)}") from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise TransientError(f"the ledger does not answer: {_first_line(error)}") from error
        raise InvariantError(f"the ledger refused: {_first_line(error)}") from error
    except StatementError as error:  # a value that could not even be sent
        raise InvariantError(f"the ledger refused: {error.orig}") from error


def _first_line(error: SQLAlchemyError) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return str(cause).strip().partition("\n")[0]


def append_leaves(connection: Connection, leaves: Sequence[Leaf]) -> int:
    """Append leaves and the new head; returns the first new index. Holds the audit lock until commit."""
    connection.execute(select(func.pg_advisory_xact_lock(AUDIT_LOCK)))
    tree = stored_range(connection)
    base = tree.size
    rows: list[dict[str, Any]] = []
    for offset, leaf in enumerate(leaves):
        text = leaf_text(base + offset, leaf.kind, leaf.correlation_id, leaf.at, leaf.body)
        rows.append(
            {
                "index": base + offset,
                "kind": leaf.kind,
                "correlation_id": leaf.correlation_id,
                "at": leaf.at,
                "leaf": text,
                "leaf_hash": leaf_hash(text.encode()),
            }
        )
    tree = tree.append(*(row["leaf_hash"] for row in rows))
    connection.execute(insert(AUDIT_LEAVES), rows)
    connection.execute(insert(AUDIT_HEADS).values(tree_size=tree.size, root=tree.root, peaks=b"".join(tree.peaks)))
    return base


def stored_range(connection: Connection) -> CompactRange:
    """The compact range of the newest head."""
    newest = select(AUDIT_HEADS.c.tree_size, AUDIT_HEADS.c.peaks).order_by(AUDIT_HEADS.c.tree_size.desc()).limit(1)
    row = connection.execute(newest).one_or_none()
    if row is None:
        return CompactRange()
    peaks = bytes(row.peaks)
    return CompactRange(row.tree_size, tuple(peaks[at : at + HASH_BYTES] for at in range(0, len(peaks), HASH_BYTES)))


def lock_book(connection: Connection, book: str) -> None:
    """Keep other writers of this book out until commit."""
    connection.execute(select(func.pg_advisory_xact_lock(BOOK_LOCKS, func.hashtext(book))))


def require_book(connection: Connection, book: str) -> None:
    """Raise InvariantError for a book that was never opened (a misspelt name must not read as an empty book)."""
    query: Select[tuple[str]] = select(BOOKS.c.book).where(BOOKS.c.book == book)
    if connection.execute(query).one_or_none() is None:
        raise InvariantError(f"there is no book {book!r}")
