"""Reconciliations, breaks and instrument locks of the PostgreSQL ledger. Nothing here corrects the books."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from qgtm_core.errors import GateClosed
from qgtm_core.execution.leaves import Leaf
from qgtm_core.execution.reconcile import Break, BreakKind, ReconciliationReport, Severity
from qgtm_core.types import BreakClass
from qgtm_resources.clients.ledger_base import LedgerBase, Transaction, lock_book, require_book
from qgtm_resources.clients.ledger_tables import BREAKS, INSTRUMENT_LOCKS, RECONCILIATIONS


@dataclass(frozen=True, slots=True)
class InstrumentLock:
    """An instrument that may not be traded until somebody has looked."""

    book: str
    symbol: str
    reason: str
    locked_by: str
    locked_at: dt.datetime


class LedgerReconciliation(LedgerBase):
    """What the 60 s comparison with the broker found."""

    def record_reconciliation(self, book: str, report: ReconciliationReport, actor: str = "reconciliation") -> int:
        """Store a report with its breaks and lock the instruments of confirmed ones; returns its id."""
        summary = {
            "compared": report.compared,
            "breaks": len(report.breaks),
            "classes": {str(each): count for each, count in report.classes.items()},
            "severity": report.severity,
        }
        with self._transaction() as transaction:
            connection = transaction.connection
            lock_book(connection, book)
            require_book(connection, book)
            row = {"book": book, "at": report.at, "ok": report.ok, "confirmed": len(report.confirmed), "body": summary}
            insertion = insert(RECONCILIATIONS).values(**row).returning(RECONCILIATIONS.c.id)
            identity: int = connection.execute(insertion).scalar_one()
            if report.breaks:
                rows = [asdict(each) | {"book": book, "reconciliation_id": identity} for each in report.breaks]
                connection.execute(insert(BREAKS).values(rows))
            found = [{"fingerprint": b.fingerprint, "class": b.break_class, "key": b.key} for b in report.breaks]
            body = {"book": book, "id": identity, "found": found} | summary
            transaction.leaves.append(Leaf("RECONCILIATION", "", report.at, body))
            for each in report.confirmed:
                if each.symbol:
                    why = f"{each.kind} {each.break_class} {each.key}"
                    _lock(transaction, InstrumentLock(book, each.symbol, why, actor, report.at))
            return identity

    def reconciliations(self, book: str, limit: int = 100) -> list[dict[str, Any]]:
        """Newest reconciliations first: id, at, ok, confirmed, and what was compared and found."""
        table = RECONCILIATIONS
        query = select(table).where(table.c.book == book).order_by(table.c.id.desc()).limit(limit)
        with self._snapshot() as connection:
            require_book(connection, book)
            return [
                {"id": row.id, "at": row.at, "ok": row.ok, "confirmed": row.confirmed} | row.body
                for row in connection.execute(query)
            ]

    def open_breaks(self, book: str) -> list[Break]:
        """Breaks of the newest reconciliation, as `reconcile` wants them back at the next tick."""
        with self._snapshot() as connection:
            require_book(connection, book)
            return [_break_of(row) for row in _newest_breaks(connection, book)]

    def lock_instrument(self, book: str, symbol: str, reason: str, at: dt.datetime, actor: str) -> bool:
        """Bar an instrument from trading; False when it was locked already."""
        with self._transaction() as transaction:
            return _lock(transaction, InstrumentLock(book, symbol, reason, actor, at))

    def unlock_instrument(self, book: str, symbol: str, reason: str, at: dt.datetime, actor: str) -> bool:
        """Release an instrument; False when it was not locked. GateClosed (audited) while a break is open on it."""
        table = INSTRUMENT_LOCKS
        body = {"book": book, "symbol": symbol, "reason": reason, "actor": actor}
        with self._transaction() as transaction:
            connection = transaction.connection
            lock_book(connection, book)
            still_open = any(row.symbol == symbol for row in _newest_breaks(connection, book))
            if not still_open:
                gone = connection.execute(delete(table).where(table.c.book == book, table.c.symbol == symbol))
                if gone.rowcount:
                    transaction.leaves.append(Leaf("INSTRUMENT_UNLOCKED", "", at, body))
                return bool(gone.rowcount)
            transaction.leaves.append(Leaf("INSTRUMENT_UNLOCK_REFUSED", "", at, body))
        raise GateClosed(f"{symbol} stays locked in {book}: the newest reconciliation still shows a break")

    def locked_instruments(self, book: str) -> dict[str, InstrumentLock]:
        """Locks by symbol."""
        query = select(INSTRUMENT_LOCKS).where(INSTRUMENT_LOCKS.c.book == book).order_by(INSTRUMENT_LOCKS.c.symbol)
        with self._snapshot() as connection:
            require_book(connection, book)
            return {
                row.symbol: InstrumentLock(row.book, row.symbol, row.reason, row.locked_by, row.locked_at)
                for row in connection.execute(query)
            }


def newest_confirmed_breaks(connection: Connection, book: str) -> int:
    """Number of confirmed breaks in the newest reconciliation; 0 when there was none."""
    table = RECONCILIATIONS
    query = select(table.c.confirmed).where(table.c.book == book).order_by(table.c.id.desc()).limit(1)
    return connection.execute(query).scalar_one_or_none() or 0


def _newest_breaks(connection: Connection, book: str) -> list[Row[Any]]:
    newest = select(func.max(RECONCILIATIONS.c.id)).where(RECONCILIATIONS.c.book == book).scalar_subquery()
    query = select(BREAKS).where(BREAKS.c.reconciliation_id == newest).order_by(BREAKS.c.kind, BREAKS.c.key)
    return list(connection.execute(query))


def _break_of(row: Row[Any]) -> Break:
    return Break(
        kind=BreakKind(row.kind),
        break_class=BreakClass(row.break_class),
        key=row.key,
        symbol=row.symbol,
        ledger_value=row.ledger_value,
        broker_value=row.broker_value,
        notional_usd=row.notional_usd,
        severity=Severity(row.severity),
        fingerprint=row.fingerprint,
        first_seen_at=row.first_seen_at,
        ticks=row.ticks,
        confirmed=row.confirmed,
    )


def _lock(transaction: Transaction, lock: InstrumentLock) -> bool:
    insertion = insert(INSTRUMENT_LOCKS).values(**asdict(lock)).on_conflict_do_nothing()
    created = transaction.connection.execute(insertion.returning(INSTRUMENT_LOCKS.c.symbol)).one_or_none()
    if created is not None:
        body = {"book": lock.book, "symbol": lock.symbol, "reason": lock.reason, "actor": lock.locked_by}
        transaction.leaves.append(Leaf("INSTRUMENT_LOCKED", "", lock.locked_at, body))
    return created is not None
