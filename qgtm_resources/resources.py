"""Dagster resources: configured handles on warehouse, feed, ledger, broker and desk; opened where used."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from pathlib import Path

import dagster as dg
import polars as pl
from pydantic import Field

from qgtm_core import calendar
from qgtm_core.errors import ConfigError
from qgtm_core.policy import Policy, PortfolioPolicy
from qgtm_core.ports import Broker, Clock, Feed
from qgtm_core.risk.killswitch import KillLimits
from qgtm_core.schemas.registry import table_for
from qgtm_core.types import FeedMode
from qgtm_resources.clients.alpaca import AlpacaBroker
from qgtm_resources.clients.hotstate import HotState
from qgtm_resources.clients.ledger import PostgresLedger
from qgtm_resources.clients.ledger_trials import TrialLedger
from qgtm_resources.clients.warehouse import Warehouse
from qgtm_resources.clock import SystemClock
from qgtm_resources.venue.control import VenueControl


class WarehouseResource(dg.ConfigurableResource):
    """The DuckDB files, read by table and session."""

    folder: str

    @property
    def client(self) -> Warehouse:
        """A handle; it opens a file only for the length of one read or write."""
        return Warehouse(Path(self.folder))

    def read(
        self,
        group: str,
        name: str,
        first: dt.date | None = None,
        last: dt.date | None = None,
        *,
        columns: Sequence[str] | None = None,
        where: Mapping[str, str] | None = None,
    ) -> pl.DataFrame:
        """Rows of `<group>/<name>` in sessions first..last."""
        return self.client.read(table_for(group, name), first, last, columns, where)

    def read_many(
        self, group: str, names: Sequence[str], first: dt.date | None = None, last: dt.date | None = None
    ) -> dict[str, pl.DataFrame]:
        """Rows of several tables of one group, by name."""
        frames = self.client.read_many([table_for(group, name) for name in names], first, last)
        return dict(zip(names, frames, strict=True))


@lru_cache(maxsize=4)
def _feed(mode: str, archive: str, seed: int, years: int, last_session: str) -> Feed:
    from qgtm_resources.feeds.factory import open_feed

    return open_feed(
        FeedMode(mode),
        archive=Path(archive) if archive else None,
        seed=seed,
        years=years,
        last_session=dt.date.fromisoformat(last_session) if last_session else None,
    )


class FeedResource(dg.ConfigurableResource):
    """The feed of this installation; one instance a process, since opening one may simulate a market."""

    mode: str
    archive: str = ""
    seed: int = 7
    years: int = 10
    last_session: str = ""

    @property
    def feed(self) -> Feed:
        """The opened feed."""
        return _feed(self.mode, self.archive, self.seed, self.years, self.last_session)


@lru_cache(maxsize=4)
def _ledger(url: str) -> PostgresLedger:
    return PostgresLedger(url)


class LedgerResource(dg.ConfigurableResource):
    """The durable books in PostgreSQL."""

    url: str

    @property
    def ledger(self) -> PostgresLedger:
        """The ledger; its connections are pooled a process."""
        return _ledger(self.url)


@lru_cache(maxsize=4)
def _trials(url: str) -> TrialLedger:
    return TrialLedger(url)


class TrialsResource(dg.ConfigurableResource):
    """Every parameter set ever evaluated, in PostgreSQL: all that research may know of the ledger. It has no books."""

    url: str

    @property
    def trials(self) -> TrialLedger:
        """The trial ledger; its connections are pooled a process."""
        return _trials(self.url)


class HotStateResource(dg.ConfigurableResource):
    """Valkey: heartbeats and announcements that may be lost at any time."""

    url: str

    @property
    def client(self) -> HotState:
        """A handle."""
        return HotState(self.url)


class BrokerResource(dg.ConfigurableResource):
    """The account: the paper venue by default, Alpaca when keys are set. Registered only where orders may go.

    `venue_cash_usd` is set for the paper venue only: it opens a new account with that cash, and is told the session.
    """

    url: str
    key: str
    secret: str
    live: bool = False
    venue_cash_usd: str = ""

    def open(self, session: dt.date) -> Broker:
        """The broker, in the session. Alpaca knows the session by itself."""
        if self.venue_cash_usd:
            VenueControl(self.url, self.key, self.secret).move_session(session, Decimal(self.venue_cash_usd))
        return AlpacaBroker(self.key, self.secret, self.url, live=self.live)


class DeskResource(dg.ConfigurableResource):
    """The book this installation runs and its house rules."""

    book: str
    feed_label: str
    mode: str
    as_of: str = ""
    start_cash_usd: str = "1000000"
    allow_short: bool = False
    annual_vol_target: float = 0.10
    daily_loss_limit: float = 0.02
    max_drawdown: float = 0.15
    simulated_reset_sessions: int = Field(default=5, description="backtests only")

    @property
    def policy(self) -> Policy:
        """House rules for live use: nothing resets a latched tier but two persons."""
        return Policy(
            portfolio=PortfolioPolicy(annual_vol_target=self.annual_vol_target, allow_short=self.allow_short),
            kill=KillLimits(daily_loss_limit=self.daily_loss_limit, max_drawdown=self.max_drawdown),
        )

    @property
    def cash_usd(self) -> Decimal:
        """Cash a new book starts with."""
        return Decimal(self.start_cash_usd)

    def current_session(self, feed: Feed, clock: Clock | None = None) -> dt.date:
        """The only session that may send orders: today in live mode, else `as_of` or the last session of the data."""
        if FeedMode(self.mode) is FeedMode.LIVE:
            today = calendar.session_at((clock or SystemClock()).now())
            if today is None:
                raise ConfigError("the exchange has no session today")
            return today
        if self.as_of:
            return calendar.session_on_or_before(dt.date.fromisoformat(self.as_of))
        return feed.last_session()
