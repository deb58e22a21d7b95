"""The seams between deciding and acting. Adapters live in `qgtm_resources`; memory versions in `qgtm_core`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Protocol

import polars as pl

from qgtm_core.types import (
    BookState,
    BrokerAccount,
    BrokerOrder,
    BrokerPosition,
    Execution,
    FeedMode,
    Gate,
    KillTier,
    OrderIntent,
    OrderState,
    Quote,
)


class Clock(Protocol):
    """The only source of "now"."""

    def now(self) -> dt.datetime:
        """Current instant, UTC."""
        ...


class Feed(Protocol):
    """A source of raw rows in the declared schemas; which one it is changes nothing downstream."""

    mode: FeedMode

    def last_session(self) -> dt.date:
        """Newest session this feed can drive a rebalance for."""
        ...

    def rows(self, table: str, first: dt.date, last: dt.date) -> pl.DataFrame:
        """Rows of `raw/<table>` that became known in sessions first..last, in the declared schema.

        `first == FIRST_SESSION` includes everything known before it. Raises DataError (bad input, named) or
        TransientError (try again). An absent optional table is an empty frame.
        """
        ...

    def market(self, session: dt.date, symbols: Iterable[str]) -> pl.DataFrame:
        """What happened in the session, for the *venue and TCA only*, never for a decision.

        Columns: symbol, mid (USD, between decision and close), half_spread_bp, volume_shares, adv_shares (mean of
        the 20 sessions before), daily_vol (decimal), vwap (USD or null), close (USD). A symbol that did not trade is
        absent.
        """
        ...

    def market_range(self, first: dt.date, last: dt.date) -> pl.DataFrame:
        """`market` of many sessions at once, with a `session` column; for backtests."""
        ...

    def rejected(self, table: str) -> pl.DataFrame:
        """Rows of a raw table that were set aside: `table, file, row, column, problem, key`."""
        ...


class Broker(Protocol):
    """One brokerage account. Every method may raise TransientError; `submit` may raise UnknownOutcome."""

    def submit(self, intent: OrderIntent) -> BrokerOrder:
        """Send once. An order already known by its client id is returned, not duplicated.

        Raises UnknownOutcome when the effect is not known; the caller must then look the id up.
        """
        ...

    def order(self, client_order_id: str) -> BrokerOrder | None:
        """The order with this client id, or None when the broker has never seen it."""
        ...

    def open_orders(self) -> list[BrokerOrder]:
        """Orders that can still execute."""
        ...

    def cancel(self, client_order_id: str) -> None:
        """Ask for cancellation; the outcome arrives as an order state."""
        ...

    def executions(self, after: dt.datetime | None = None) -> list[Execution]:
        """Fills since `after` (inclusive), oldest first."""
        ...

    def positions(self) -> list[BrokerPosition]:
        """Open positions."""
        ...

    def account(self) -> BrokerAccount:
        """Cash and equity."""
        ...

    def quotes(self, symbols: Iterable[str]) -> dict[str, Quote]:
        """Latest top of book by symbol; a symbol without a quote is absent."""
        ...


class Ledger(Protocol):
    """The durable books. Every method is one transaction; each change writes its audit leaf in the same transaction."""

    def open_book(self, book: str, cash_usd: Decimal, feed: str) -> None:
        """Create the book with its starting cash; a second call with the same arguments changes nothing."""
        ...

    def last_session(self, book: str) -> dt.date | None:
        """Newest session that was opened in this book."""
        ...

    def opening_state(self, book: str, session: dt.date) -> BookState | None:
        """The state recorded when the session was first opened, or None."""
        ...

    def record_opening(self, session: dt.date, state: BookState) -> BookState:
        """Record the state a session starts from, once; a later call returns the first record.

        This is what makes a second run of a session plan the very same orders.
        """
        ...

    def book_state(self, book: str) -> BookState:
        """Current cash and positions (from executions), last opening's equity and peak, latched tier."""
        ...

    def save_intents(self, intents: Sequence[OrderIntent]) -> list[OrderIntent]:
        """Make intents durable in one transaction, before anything is sent; returns them as stored.

        An intent whose id is stored already is left as it was (insert once).
        """
        ...

    def orders(self, book: str, session: dt.date | None = None) -> list[tuple[OrderIntent, OrderState]]:
        """Intents with their present state, in order of creation."""
        ...

    def set_order_state(
        self, client_order_id: str, state: OrderState, at: dt.datetime, *, reason: str = "", broker_order_id: str = ""
    ) -> None:
        """Move an order along its life-cycle; raises InvariantError on an illegal transition. Repeating is a no-op."""
        ...

    def book_executions(self, executions: Sequence[Execution]) -> int:
        """Book fills once each (by execution id); returns how many were new.

        Raises InvariantError for an unknown order.
        """
        ...

    def executions(self, book: str, session: dt.date | None = None) -> list[Execution]:
        """Booked fills, oldest first."""
        ...

    def gate(self, book: str) -> Gate:
        """The latched kill-switch tier of the book."""
        ...

    def raise_tier(self, book: str, tier: KillTier, reason: str, session: dt.date, at: dt.datetime, actor: str) -> Gate:
        """Latch a higher tier; a lower one changes nothing. Returns the tier in force."""
        ...

    def record(self, kind: str, correlation_id: str, body: dict[str, Any], at: dt.datetime) -> int:
        """Append one audit leaf; returns its index."""
        ...
