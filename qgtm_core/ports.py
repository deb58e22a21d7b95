"""The seams between deciding and acting. Adapters live in `qgtm_resources`; memory versions in `qgtm_core`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Protocol

import polars as pl

from qgtm_core.types import (
    BrokerAccount,
    BrokerOrder,
    BrokerPosition,
    Execution,
    FeedMode,
    OrderIntent,
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
        the 20 sessions before), daily_vol (decimal), vwap (USD or null), close (USD). A symbol that did not trade is absent.
        """
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
