"""pit/option_points: the smile of each expiry of a snapshot in three points, made of its quotes once and for all."""

from __future__ import annotations

import polars as pl

from qgtm_core import calendar
from qgtm_core.maths import surface

DELIVERY = (*surface.EXPIRY, "session")


def option_points(quotes: pl.DataFrame) -> pl.DataFrame:
    """Make the rows of `option_points` from good rows of `options`.

    A delivery is the quotes of one snapshot that became known in one session (of each contract the newest revision);
    points are made of one delivery, and what comes in a later session makes a revision from its own quotes alone. So
    it does not matter which other sessions are made with it. Null = no usable quote where the point is read.
    """
    newest = quotes
    if newest["revision"].max() != 0:  # a key and a revision are unique together
        newest = quotes.sort("available_at", "revision").unique(["contract", "event_at", "session"], keep="last")
    stamps = newest.group_by(DELIVERY).agg(
        pl.col("available_at", "retrieved_at", "underlying_price", "source").max(),
    )
    points = surface.expiry_points(newest, DELIVERY).join(stamps, on=DELIVERY, how="left", maintain_order="left")
    return points.with_columns(
        *(pl.col(name).fill_nan(None) for name in surface.POINTS),
        pl.col("quotes", "passed").cast(pl.Int64),
        revision=_sessions_late(points),
    )


def _sessions_late(points: pl.DataFrame) -> pl.Series:
    """Sessions between the first decision after the quotes and the one that could see them.

    A number that the row itself tells, is never the same for two deliveries of a snapshot and grows from one to the
    next.
    """
    first = calendar.with_session(points.select("event_at"), "event_at")["session"]
    index = calendar.schedule()["session"]
    place, known = (index.search_sorted(days, side="left").cast(pl.Int32) for days in (first, points["session"]))
    return (known - place).alias("revision")
