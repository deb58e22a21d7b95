"""Bars of the regular session, stamped with the tick that first sees them; and how features are read at ticks.

The tick takes the place of the session in the point-in-time machinery: a row is seen by the first tick at which it is
known, of the session it belongs to or a later one. Bars known after the daily decision belong to the next session, so
the last ticks of a day see none that is newer: live and replayed ticks read the same rows.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import polars as pl

from qgtm_core import calendar, publication
from qgtm_core.intraday import clock
from qgtm_core.pit import Compute, point_in_time
from qgtm_core.schemas.spec import INSTANT

STAMPS = ("session", "event_at", "known_at")


def tick_instants(days: pl.DataFrame) -> pl.DataFrame:
    """The ticks of `days` in the shape the point-in-time machinery reads: one column `session`, an instant."""
    return days.select(session="decided_at")


def seen_from(rows: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    """Replace `session` and `available_at` by the tick that first sees each row; `known_at` keeps the true instant.

    `day` keeps the PIT session. Rows that no tick up to the last session of `days` sees are left out. `days` are ticks,
    oldest first, at least one.
    """
    rows = rows.rename({"session": "day", "available_at": "known_at"})
    if rows.is_empty():
        return rows.with_columns(session=pl.lit(None, INSTANT), available_at=pl.lit(None, INSTANT))
    last = days["session"][-1]
    earliest: dt.date = min(rows["day"].min(), days["session"][0])
    grid = clock.ticks(earliest, last).select("session", tick_at="decided_at")
    opening = grid.group_by("session").agg(_opening=pl.col("tick_at").min())
    known = rows.sort("known_at").join_asof(
        grid.select("tick_at").set_sorted("tick_at"), left_on="known_at", right_on="tick_at", strategy="forward"
    )
    stamped = known.join(opening, left_on="day", right_on="session", how="inner", maintain_order="left").filter(
        pl.col("tick_at").is_not_null()
    )
    seen = pl.max_horizontal("tick_at", "_opening")
    return stamped.with_columns(session=seen, available_at=seen).drop("tick_at", "_opening")


def regular_bars(bars: pl.DataFrame, symbols: Sequence[str], interval: str, days: pl.DataFrame) -> pl.DataFrame:
    """PIT bars of one interval inside regular sessions, with `day` (the session traded in), `start` and `end`.

    `event_at` becomes the end of the bar: what the bar says is true of that instant.
    """
    span = publication.INTERVALS[interval]
    rows = bars.filter((pl.col("interval") == interval) & pl.col("symbol").is_in(list(symbols)))
    rows = (
        seen_from(rows, days)
        .drop("day")
        .with_columns(
            day=pl.col("event_at").dt.convert_time_zone("America/New_York").dt.date(),
            start=pl.col("event_at"),
            event_at=pl.col("event_at") + span,
        )
    )
    hours = calendar.schedule().select("session", "open_at", "close_at")
    inside = (pl.col("start") >= pl.col("open_at")) & (pl.col("event_at") <= pl.col("close_at"))
    return rows.join(hours, left_on="day", right_on="session", how="inner", maintain_order="left").filter(inside)


def usable(view: pl.DataFrame, symbol: str, *also: str) -> pl.DataFrame:
    """Bars of one symbol with a finite, positive close (and finite `also`), oldest first."""
    good = [pl.col("close").is_finite() & (pl.col("close") > 0), *(pl.col(c).is_finite() for c in also)]
    return view.filter((pl.col("symbol") == symbol) & pl.all_horizontal(good)).sort("event_at")


def common(view: pl.DataFrame, a: str, b: str) -> pl.DataFrame:
    """Bars that both symbols have: `day, start, end...`, stamps of the later leg, closes `a` and `b`, oldest first."""
    left, right = (usable(view, s).select("start", "day", *STAMPS, "close") for s in (a, b))
    both = left.join(right.drop("day"), on="start", how="inner", maintain_order="left")
    later = {name: pl.max_horizontal(name, f"{name}_right") for name in STAMPS}
    return both.with_columns(**later).select("start", "day", *STAMPS, a="close", b="close_right")


def opens_day() -> pl.Expr:
    """True in the first bar of each session of a column in time order."""
    return (pl.col("day") != pl.col("day").shift(1)).fill_null(value=True)


def counted(rows: pl.DataFrame) -> pl.DataFrame:
    """Add `obs`, the number of rows so far."""
    return rows.with_columns(obs=pl.int_range(1, pl.len() + 1, dtype=pl.Int32))


def read_at_ticks(rows: pl.DataFrame, key: Sequence[str], days: pl.DataFrame, compute: Compute) -> pl.DataFrame:
    """Run a causal `compute` over the rows each tick knows; `decided_at` and the columns of the newest row.

    `compute(view)` returns observations with `session` (the tick that first sees each), oldest first.
    """
    found = point_in_time(rows, key, tick_instants(days), compute, order="start", together=True)
    return found.rename({"session": "decided_at", "known_at": "available_at"})
