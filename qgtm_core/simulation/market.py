"""One simulated market over a span of sessions, and how its rows take the declared shape."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from qgtm_core import calendar, publication
from qgtm_core.errors import ConfigError
from qgtm_core.schemas.raw import RAW_TABLES
from qgtm_core.simulation.randomness import HORIZON, Array
from qgtm_core.simulation.world import World, simulate

SOURCE = "simulated"
# The market starts on one of these days; another start is another market
ORIGINS = (dt.date(2014, 1, 2), dt.date(2004, 1, 2), calendar.FIRST_SESSION)


@dataclass(frozen=True)
class Market:
    """The market of a seed, shown from `origin` to `last`; a later `last` only adds rows."""

    seed: int
    origin: dt.date
    last: dt.date

    @cached_property
    def world(self) -> World:
        """Latent state, `HORIZON` sessions."""
        return simulate(self.seed)

    @cached_property
    def sessions(self) -> pl.DataFrame:
        """`calendar.schedule` from the origin to the last session."""
        shown = calendar.schedule(self.origin, self.last)
        if shown.height > HORIZON:
            raise ConfigError(f"the simulated market has {HORIZON} sessions; {self.last} lies beyond them")
        return shown

    @property
    def count(self) -> int:
        """Sessions shown."""
        return self.sessions.height

    def shown(self, values: Array) -> Array:
        """The part of a `HORIZON` array that is shown."""
        return values[: self.count]

    def daily(self) -> pl.DataFrame:
        """One row a session with its day as `event_date`."""
        return self.sessions.select(event_date="session")


def origin_for(first: dt.date) -> dt.date:
    """The latest start of a market that has rows on `first`."""
    for origin in ORIGINS:
        if origin <= first:
            return origin
    raise ConfigError(f"the simulated market starts on {ORIGINS[-1]}; {first} lies before it")


def months(market: Market) -> pl.DataFrame:
    """First days of the months from the origin's to that of the last session, as `event_date`."""
    return pl.DataFrame({"event_date": pl.date_range(market.origin.replace(day=1), market.last, "1mo", eager=True)})


def nth_business_day(month: pl.Expr, ordinal: int) -> pl.Expr:
    """The n-th federal business day of the month after `month`."""
    start = month.dt.month_start().dt.offset_by("1mo")
    opening = publication.business_day(start, 0)
    return publication.business_day(opening, ordinal - 1) if ordinal > 1 else opening


def at_day(market: Market, values: Array, days: pl.Series) -> Array:
    """Value of a session array on each day: of the session on or before it (the first session for earlier days)."""
    known = market.sessions["session"].to_numpy()
    index = np.searchsorted(known, days.to_numpy(), side="right") - 1
    found: Array = values[np.maximum(index, 0)]
    return found


def series(
    days: pl.DataFrame, name: str, values: Array, available: pl.Expr, basis: str = "rule", unit: str | None = None
) -> pl.DataFrame:
    """Macro rows of one series, a value for each of `days` (`event_date`), about 16:00 New York."""
    return days.with_columns(
        series_id=pl.lit(name),
        value=pl.Series(values, dtype=pl.Float64),
        release_basis=pl.lit(basis),
        unit=pl.lit(unit, dtype=pl.String),
        event_at=publication.at(pl.col("event_date"), 16),
        available_at=available,
        revision=pl.lit(0, dtype=pl.Int32),
    )


def finish(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    """The frame as `raw/<name>`: contract columns added, declared order, sorted by session and key.

    Needs `event_at`, `available_at` and the table's own columns; `revision` is 0 unless given. Declared columns that
    the simulation does not know are null.
    """
    table = RAW_TABLES[name]
    if "revision" not in frame.columns:
        frame = frame.with_columns(revision=pl.lit(0, dtype=pl.Int32))
    unknown = [pl.lit(None, dtype=c.dtype).alias(n) for n, c in table.columns.items() if n not in frame.columns]
    stamped = calendar.with_session(
        frame.with_columns(*unknown, retrieved_at=pl.col("available_at"), source=pl.lit(SOURCE)).drop(
            "session", strict=False
        )
    ).filter(pl.col("session").is_not_null())  # beyond the calendar: not knowable yet
    cast = [pl.col(column).cast(dtype) for column, dtype in table.dtypes.items()]
    return stamped.select(cast).sort("session", *table.unique)
