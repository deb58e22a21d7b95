"""The simulated market as a feed: every raw table, the same for everyone who uses the same seed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

import polars as pl

from qgtm_core import calendar
from qgtm_core.errors import ConfigError
from qgtm_core.schemas.raw import RAW_TABLES
from qgtm_core.simulation.intraday import hour_bars, short_bars_known
from qgtm_core.simulation.market import Market, origin_for
from qgtm_core.simulation.prices import late_prices
from qgtm_core.simulation.tables import BUILDERS
from qgtm_core.types import FeedMode
from qgtm_core.universe import INSTRUMENTS
from qgtm_resources.feeds import row_checks, venue_prices

RUN_UP = dt.timedelta(days=183)  # so that rules which look back all the years speak for a while
_LARGE = "bars_intraday"  # short bars are made by range, never held whole
CONSTANT = frozenset({"seasonal_calendar", "fund_terms"})
DEFAULT_LAST_SESSION = dt.date(2024, 6, 28)


class SimulatedFeed:
    """Feed over a simulated market; tables are built on first use and held.

    Rows begin `years` and a run-up before the last session, but not before the market's origin. An earlier row never
    changes when the last session moves on.
    """

    mode = FeedMode.SIMULATED

    def __init__(self, seed: int = 7, last_session: dt.date | None = None, years: int = 10) -> None:
        last = DEFAULT_LAST_SESSION if last_session is None else last_session
        if not calendar.is_session(last):
            raise ConfigError(
                f"{last} is not a trading session; the one before is {calendar.session_on_or_before(last)}"
            )
        if years < 1:
            raise ConfigError(f"years must be at least 1, not {years}")
        first = max(calendar.session_on_or_after(_years_before(last, years)), calendar.FIRST_SESSION)
        self._market = Market(seed, origin_for(first), last)
        self._first = max(first - RUN_UP, self._market.origin)
        self._tables: dict[str, pl.DataFrame] = {}
        self._hours: pl.DataFrame | None = None
        self._venue: pl.DataFrame | None = None

    def last_session(self) -> dt.date:
        """Newest session of the simulated market."""
        return self._market.last

    def rows(self, table: str, first: dt.date, last: dt.date) -> pl.DataFrame:
        """Rows of `raw/<table>` that became known in sessions first..last."""
        if table == _LARGE:
            return self._intraday(first, last)
        return self._table(table).filter(pl.col("session").is_between(first, last))

    def rejected(self, table: str) -> pl.DataFrame:
        """No row of the simulation is unfit."""
        if table not in RAW_TABLES:
            raise ConfigError(f"no raw table {table!r}; there are {', '.join(RAW_TABLES)}")
        return row_checks.empty_rejections()

    def market(self, session: dt.date, symbols: Iterable[str]) -> pl.DataFrame:
        """What happened in the session (see the port); for the venue and TCA only."""
        return venue_prices.one_session(self._venue_frame(), session, symbols)

    def market_range(self, first: dt.date, last: dt.date, symbols: Iterable[str] | None = None) -> pl.DataFrame:
        """`market` of many sessions at once, with a `session` column, sorted by session and symbol."""
        return venue_prices.many_sessions(self._venue_frame(), first, last, symbols)

    def _table(self, name: str) -> pl.DataFrame:
        if name not in RAW_TABLES:
            raise ConfigError(f"no raw table {name!r}; there are {', '.join(RAW_TABLES)}")
        if name not in self._tables:
            built = BUILDERS[name](self._market) if name in BUILDERS else RAW_TABLES[name].empty()
            self._tables[name] = self._shown(name, built)
        return self._tables[name]

    def _shown(self, name: str, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows known from the first session on; constant tables keep what was known before, as history does."""
        return rows if name in CONSTANT else rows.filter(pl.col("session") >= self._first)

    def _intraday(self, first: dt.date, last: dt.date) -> pl.DataFrame:
        """Hourly bars are held; shorter ones are made for the sessions asked for, the same whatever the span."""
        if self._hours is None:
            self._hours = hour_bars(self._market)
        since = max(first, self._first)
        if since > min(last, self._market.last):
            return RAW_TABLES[_LARGE].empty()
        hours = self._hours.filter(pl.col("session").is_between(since, last))
        rows = pl.concat([hours, short_bars_known(self._market, since, last)])
        return rows.sort("session", *RAW_TABLES[_LARGE].unique)

    def _venue_frame(self) -> pl.DataFrame:
        """Venue prices: `mid` lies soon after the decision, `vwap` between decision and close."""
        if self._venue is None:
            bars = self._table("bars_daily").filter(pl.col("symbol").is_in(list(INSTRUMENTS)))
            frame = venue_prices.market_frame(bars, RAW_TABLES[_LARGE].empty())  # the simulation knows its own vwap
            self._venue = (
                frame.join(late_prices(self._market), on=["session", "symbol"], how="left")
                .with_columns(mid=pl.col("late_mid"), vwap=pl.col("late_vwap"))
                .select(list(venue_prices.MARKET_COLUMNS))
                .sort("session", "symbol")
            )
        return self._venue


def _years_before(day: dt.date, years: int) -> dt.date:
    """The same day `years` earlier (28 February for the 29th)."""
    return (
        day.replace(year=day.year - years, day=28)
        if (day.month, day.day) == (2, 29)
        else day.replace(year=day.year - years)
    )
