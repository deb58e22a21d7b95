"""What the PostgreSQL ledger knows of a past session beyond its orders: evidence for the parity report. Reads only."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import select

from qgtm_core.backtest.parity.records import Raised
from qgtm_core.types import BookState, Execution, Gate, KillTier
from qgtm_resources.clients.ledger_base import LedgerBase, require_book
from qgtm_resources.clients.ledger_rows import execution_of, state_of
from qgtm_resources.clients.ledger_tables import (
    AUDIT_HEADS,
    AUDIT_LEAVES,
    CASH_FLOWS,
    EXECUTIONS,
    KILL_STATES,
    RECONCILIATIONS,
    SESSIONS_OPENED,
)

EXTERNAL, FEE = "EXTERNAL", "FEE"


class LedgerParity(LedgerBase):
    """Records of past sessions, as they were written then."""

    def openings(self, book: str) -> dict[dt.date, BookState]:
        """The recorded state of every session that was opened, oldest first."""
        query = select(SESSIONS_OPENED).where(SESSIONS_OPENED.c.book == book).order_by(SESSIONS_OPENED.c.session)
        with self._snapshot() as connection:
            require_book(connection, book)
            return {row.session: state_of(row) for row in connection.execute(query)}

    def external_executions(self, book: str, since: dt.datetime, until: dt.datetime) -> list[Execution]:
        """Fills since..until (exclusive) that were booked as not ours, oldest first."""
        table = EXECUTIONS
        query = select(table).where(
            table.c.book == book,
            table.c.origin == EXTERNAL,
            table.c.executed_at >= since,
            table.c.executed_at < until,
        )
        with self._snapshot() as connection:
            return [execution_of(row) for row in connection.execute(query.order_by(table.c.executed_at, table.c.seq))]

    def fees(self, book: str, since: dt.datetime, until: dt.datetime) -> dict[str, float]:
        """Cash flows of kind FEE since..until (exclusive) by id: USD, negative when paid."""
        table = CASH_FLOWS
        query = select(table.c.flow_id, table.c.amount_usd).where(
            table.c.book == book, table.c.kind == FEE, table.c.at >= since, table.c.at < until
        )
        with self._snapshot() as connection:
            return {row.flow_id: float(row.amount_usd) for row in connection.execute(query.order_by(table.c.flow_id))}

    def tiers_of(self, book: str, session: dt.date) -> list[Raised]:
        """Tiers raised in the session, after it was opened or by its opening, oldest first."""
        table = KILL_STATES
        query = select(table).where(table.c.book == book, table.c.session == session).order_by(table.c.id)
        with self._snapshot() as connection:
            return [
                Raised(row.at, Gate(KillTier(row.tier), row.reason), row.actor) for row in connection.execute(query)
            ]

    def confirmed_breaks(self, book: str, at: dt.datetime) -> int:
        """Confirmed breaks of the newest comparison with the broker up to an instant; 0 when there was none."""
        table = RECONCILIATIONS
        query = select(table.c.confirmed).where(table.c.book == book, table.c.at <= at).order_by(table.c.id.desc())
        with self._snapshot() as connection:
            return connection.execute(query.limit(1)).scalar_one_or_none() or 0

    def recorded_at(self, correlation_id: str, kind: str) -> dt.datetime | None:
        """When, by the database's clock, the newest leaf of this kind and id was written; null when there is none."""
        leaf, head = AUDIT_LEAVES.c, AUDIT_HEADS.c
        newest = select(leaf["index"]).where(leaf.correlation_id == correlation_id, leaf.kind == kind)
        with self._snapshot() as connection:
            index = connection.execute(newest.order_by(leaf["index"].desc()).limit(1)).scalar_one_or_none()
            if index is None:
                return None
            query = select(head.at).where(head.tree_size > index).order_by(head.tree_size).limit(1)
            return connection.execute(query).scalar_one_or_none()
