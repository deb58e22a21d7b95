"""Releases around which the intraday sleeve does not enter, as each tick knows them."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from qgtm_core.intraday import clock
from qgtm_core.schemas.pit import PIT_TABLES

KINDS = ("FOMC_DECISION", "CPI", "NFP")
COVER_DAYS = 35  # the known dates must reach this far beyond the tick


def releases(pit: Mapping[str, pl.DataFrame], days: pl.DataFrame) -> pl.DataFrame:
    """What each tick of `days` (`decided_at`, oldest first) knows of the releases: `decided_at, quiet, covered,
    releases_available_at`.

    `quiet` is true farther than 30 minutes from every known FOMC decision, CPI and payroll release, on both sides.
    `covered` is null when no date is known, and true when some date lies 35 days ahead and each kind has one ahead.
    """
    events = pit.get("events", PIT_TABLES["events"].empty())
    known = events.filter(pl.col("category").is_in(KINDS)).select("category", "event_at", "available_at")
    near = days.join_where(
        known.select("event_at", "available_at"),
        pl.col("available_at") <= pl.col("decided_at"),
        pl.col("event_at") >= pl.col("decided_at") - clock.EVENT_WINDOW,
        pl.col("event_at") <= pl.col("decided_at") + clock.EVENT_WINDOW,
    )
    rows = days.select("decided_at").with_columns(
        quiet=~pl.col("decided_at").is_in(near["decided_at"].unique().implode())
    )
    for kind in KINDS:
        reach = known.filter(category=kind).sort("available_at").with_columns(pl.col("event_at").cum_max())
        rows = rows.join_asof(
            reach.select(
                pl.col("available_at").alias("decided_at"),
                pl.col("event_at").alias(kind),
                pl.col("available_at").alias(f"{kind}_known"),
            ),
            on="decided_at",
            strategy="backward",
        )
    at = pl.col("decided_at")
    covered = (pl.max_horizontal(*KINDS) >= at + pl.duration(days=COVER_DAYS)) & (pl.min_horizontal(*KINDS) > at)
    every = pl.all_horizontal(*(pl.col(kind).is_not_null() for kind in KINDS))
    return rows.select(
        "decided_at",
        "quiet",
        covered=pl.when(every).then(covered),
        releases_available_at=pl.max_horizontal(*(f"{kind}_known" for kind in KINDS)),
    )
