"""Real history from a folder of Parquet files (docs/archive.md). The one place that knows the folder; no decisions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from pathlib import Path

import polars as pl

from qgtm_core import calendar, festivals, fund_terms, publication
from qgtm_core.errors import ConfigError, DataError
from qgtm_core.schemas.raw import RAW_TABLES
from qgtm_core.types import FeedMode
from qgtm_core.universe import INSTRUMENTS
from qgtm_resources.feeds import archive_prepare, row_checks, venue_prices
from qgtm_resources.feeds.archive_file import collect, scan
from qgtm_resources.feeds.archive_layout import FILES

_LARGE = "bars_intraday"  # read by range, never held whole


class ArchiveFeed:
    """Feed over a folder. Each file is read on first use and held prepared; the intraday file is read by range."""

    mode = FeedMode.ARCHIVE

    def __init__(self, path: Path | str) -> None:
        self._folder = Path(path)
        if not self._folder.is_dir():
            raise ConfigError(f"no archive folder at {self._folder}; set QGTM_ARCHIVE to a folder of Parquet files")
        self._good: dict[str, pl.DataFrame] = {}
        self._bad: dict[str, pl.DataFrame] = {}
        self._market: pl.DataFrame | None = None
        self._last: dt.date | None = None

    def last_session(self) -> dt.date:
        """Newest session with a daily bar of a tradable instrument."""
        if self._last is None:
            bars = self._table("bars_daily").filter(pl.col("symbol").is_in(list(INSTRUMENTS)))
            newest = bars["event_date"].max()
            if not isinstance(newest, dt.date):
                raise DataError(
                    FILES["bars_daily"].file,
                    "no usable daily bar of a known instrument",
                    column="symbol",
                    remedy=f"the archive must hold this file with some of {', '.join(INSTRUMENTS)}",
                )
            self._last = calendar.session_on_or_before(newest)
        return self._last

    def rows(self, table: str, first: dt.date, last: dt.date) -> pl.DataFrame:
        """Rows of `raw/<table>` that became known in sessions first..last; unfit rows are left out (see `rejected`)."""
        within = pl.col("session").is_between(first, last)
        if table == _LARGE:
            return self._intraday(first, last)[0]
        return self._table(table).filter(within)

    def rejected(self, table: str) -> pl.DataFrame:
        """Rows set aside: `table, file, row, column, problem, key`; `row` counts from 0 in the file."""
        if table == _LARGE and table not in self._bad:
            self._bad[table] = self._intraday(calendar.FIRST_SESSION, calendar.last_known_session())[1]
        elif table not in self._bad:
            self._table(table)
        return self._bad[table]

    def market(self, session: dt.date, symbols: Iterable[str]) -> pl.DataFrame:
        """What happened in the session (see the port); for the venue and TCA only."""
        return venue_prices.one_session(self._market_frame(), session, symbols)

    def market_range(self, first: dt.date, last: dt.date, symbols: Iterable[str] | None = None) -> pl.DataFrame:
        """`market` of many sessions at once, with a `session` column, sorted by session and symbol."""
        return venue_prices.many_sessions(self._market_frame(), first, last, symbols)

    def _market_frame(self) -> pl.DataFrame:
        if self._market is None:
            self._market = venue_prices.market_frame(self._table("bars_daily"), self._universe_intraday())
        return self._market

    def _table(self, name: str) -> pl.DataFrame:
        if name not in self._good:
            self._good[name], self._bad[name] = self._prepare(name)
        return self._good[name]

    def _prepare(self, name: str) -> tuple[pl.DataFrame, pl.DataFrame]:
        if name not in RAW_TABLES:
            raise ConfigError(f"no raw table {name!r}; there are {', '.join(RAW_TABLES)}")
        if name == "seasonal_calendar":
            return festivals.rows(), row_checks.empty_rejections()
        if name == "fund_terms":
            return fund_terms.rows(), row_checks.empty_rejections()
        if name == "decision_quotes":
            return self._quotes(), row_checks.empty_rejections()
        frame = self._read(name)
        if frame is None:
            return RAW_TABLES[name].empty(), row_checks.empty_rejections()
        if name == "macro":
            vintages = self._read("macro_vintages")
            if vintages is not None:
                frame = archive_prepare.with_level_vintages(frame, vintages)
        return self._check(name, frame)

    def _check(self, name: str, frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        table = RAW_TABLES[name]
        dated = calendar.with_session(
            frame.with_columns(
                pl.col("source").fill_null("archive"),
                retrieved_at=pl.lit(self._retrieved_at(name), dtype=pl.Datetime("us", "UTC")),
            )
        )
        good, bad = row_checks.split(table, dated, FILES[name].file)
        return good.sort("session", "available_at", *table.key), bad

    def _read(self, name: str) -> pl.DataFrame | None:
        layout = FILES.get(name)
        if layout is None:
            return None  # the archive has no such file: the feed is empty, and what needs it says MISSING
        lazy = scan(self._folder, layout)
        return None if lazy is None else collect(archive_prepare.PREPARE[name](lazy), layout.file)

    def _retrieved_at(self, name: str) -> dt.datetime:
        written = (self._folder / FILES[name].file).stat().st_mtime
        return dt.datetime.fromtimestamp(int(written), tz=dt.UTC)

    def _intraday(self, first: dt.date, last: dt.date) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Intraday rows known in sessions first..last, and the unfit ones among them."""
        layout = FILES[_LARGE]
        lazy = scan(self._folder, layout)
        if lazy is None:
            return RAW_TABLES[_LARGE].empty(), row_checks.empty_rejections()
        after = None if first <= calendar.FIRST_SESSION else calendar.decision_time(calendar.previous_session(first))
        until = calendar.decision_time(calendar.session_on_or_before(last))
        longest = max(publication.INTERVALS.values()) + publication.INTRADAY_DELAY
        if after is not None:
            lazy = lazy.filter(pl.col("event_at") > after - longest)
        if last < calendar.last_known_session():
            lazy = lazy.filter(pl.col("event_at") <= until)
        frame = collect(archive_prepare.PREPARE[_LARGE](lazy), layout.file)
        good, bad = self._check(_LARGE, frame)
        return good.filter(pl.col("session").is_between(first, last)), bad

    def _universe_intraday(self) -> pl.DataFrame:
        """Intraday bars of the universe, all sessions: a small part of the file."""
        layout = FILES[_LARGE]
        lazy = scan(self._folder, layout)
        if lazy is None:
            return RAW_TABLES[_LARGE].empty()
        known = lazy.filter(pl.col("symbol").is_in(list(INSTRUMENTS)))
        return self._check(_LARGE, collect(archive_prepare.PREPARE[_LARGE](known), layout.file))[0]

    def _quotes(self) -> pl.DataFrame:
        bars = self._table("bars_daily")
        if bars.is_empty():
            return RAW_TABLES["decision_quotes"].empty()
        return venue_prices.decision_quotes(
            bars, self._universe_intraday(), self._retrieved_at("bars_daily"), source="archive"
        )
