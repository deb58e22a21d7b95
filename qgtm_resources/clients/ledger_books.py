"""Books of the PostgreSQL ledger: opening them, the state each session starts from, what they hold now."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, select
from sqlalchemy.dialects.postgresql import insert

from qgtm_core import calendar
from qgtm_core.audit import decimal_text
from qgtm_core.errors import InvariantError
from qgtm_core.execution import leaves
from qgtm_core.types import BookState, KillTier
from qgtm_resources.clients.ledger_base import LedgerBase, lock_book, require_book
from qgtm_resources.clients.ledger_rows import state_of
from qgtm_resources.clients.ledger_tables import BOOKS, CASH, KILL_STATES, POSITIONS, SESSIONS_OPENED


class LedgerBooks(LedgerBase):
    """Opening and reading books."""

    def open_book(self, book: str, cash_usd: Decimal, feed: str) -> None:
        """Create the book; InvariantError when it exists with other cash or another feed."""
        with self._transaction() as transaction:
            created = transaction.connection.execute(
                insert(BOOKS)
                .values(book=book, cash_usd=cash_usd, feed=feed)
                .on_conflict_do_nothing()
                .returning(BOOKS.c.book)
            ).one_or_none()
            if created is not None:
                transaction.leaves.append(leaves.book_opened(book, cash_usd, feed))
                return
            known = transaction.connection.execute(select(BOOKS).where(BOOKS.c.book == book)).one()
            if (known.cash_usd, known.feed) != (cash_usd, feed):
                raise InvariantError(f"book {book} was opened with {known.cash_usd} USD on {known.feed}")

    def books(self) -> list[tuple[str, Decimal, str]]:
        """Name, starting cash and feed of every book, by name."""
        with self._snapshot() as connection:
            rows = connection.execute(select(BOOKS.c.book, BOOKS.c.cash_usd, BOOKS.c.feed).order_by(BOOKS.c.book))
            return [(row.book, row.cash_usd, row.feed) for row in rows]

    def last_session(self, book: str) -> dt.date | None:
        """Newest session that was opened in this book."""
        with self._snapshot() as connection:
            require_book(connection, book)
            newest = _newest_opening(connection, book)
            return None if newest is None else newest.session

    def opening_state(self, book: str, session: dt.date) -> BookState | None:
        """The state recorded when the session was first opened, or None."""
        with self._snapshot() as connection:
            require_book(connection, book)
            return _opening(connection, book, session)

    def record_opening(self, session: dt.date, state: BookState) -> BookState:
        """Record the state a session starts from, once; a later call returns the first record."""
        with self._transaction() as transaction:
            connection = transaction.connection
            lock_book(connection, state.book)
            require_book(connection, state.book)
            known = _opening(connection, state.book, session)
            if known is not None:
                return known
            newest = _newest_opening(connection, state.book)
            leaves.check_opening(session, state, None if newest is None else newest.session)
            transaction.leaves.append(leaves.session_opened(session, state, calendar.decision_time(session)))
            connection.execute(insert(SESSIONS_OPENED).values(**_opening_row(session, state)))
            return state

    def book_state(self, book: str) -> BookState:
        """Cash and positions now, equity and peak of the last opening, latched tier."""
        with self._snapshot() as connection:
            cash = connection.execute(select(CASH.c.cash_usd).where(CASH.c.book == book)).scalar_one_or_none()
            if cash is None:
                raise InvariantError(f"there is no book {book!r}")
            opening = _newest_opening(connection, book)
            latched = newest_kill_state(connection, book)
            held = select(POSITIONS.c.symbol, POSITIONS.c.quantity_shares).where(POSITIONS.c.book == book)
            return BookState(
                book=book,
                cash_usd=cash,
                positions={row.symbol: row.quantity_shares for row in connection.execute(held.order_by("symbol"))},
                session=opening.session if opening else None,
                equity_usd=opening.equity_usd if opening else None,
                peak_equity_usd=opening.peak_equity_usd if opening else None,
                latched=KillTier(latched.tier) if latched else KillTier.NORMAL,
                latched_reason=latched.reason if latched else "",
                latched_session=latched.session if latched else None,
                previous_equity_usd=opening.previous_equity_usd if opening else None,
            )


def newest_kill_state(connection: Connection, book: str) -> Row[Any] | None:
    """The kill state in force, or None before the first."""
    query = select(KILL_STATES).where(KILL_STATES.c.book == book).order_by(KILL_STATES.c.id.desc()).limit(1)
    return connection.execute(query).one_or_none()


def _newest_opening(connection: Connection, book: str) -> Row[Any] | None:
    table = SESSIONS_OPENED
    query = select(table).where(table.c.book == book).order_by(table.c.session.desc()).limit(1)
    return connection.execute(query).one_or_none()


def _opening(connection: Connection, book: str, session: dt.date) -> BookState | None:
    table = SESSIONS_OPENED
    row = connection.execute(select(table).where(table.c.book == book, table.c.session == session)).one_or_none()
    return None if row is None else state_of(row)


def _opening_row(session: dt.date, state: BookState) -> dict[str, Any]:
    return {
        "book": state.book,
        "session": session,
        "state_session": state.session,
        "cash_usd": state.cash_usd,
        "positions": {symbol: decimal_text(quantity) for symbol, quantity in state.positions.items()},
        "equity_usd": state.equity_usd,
        "peak_equity_usd": state.peak_equity_usd,
        "latched": int(state.latched),
        "latched_reason": state.latched_reason,
        "latched_session": state.latched_session,
        "previous_equity_usd": state.previous_equity_usd,
    }
