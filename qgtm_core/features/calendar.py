"""features/calendar: distance in sessions to the festivals that gold demand precedes."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from qgtm_core import calendar
from qgtm_core.features.spec import Feature

FESTIVALS = ("lunar_new_year", "diwali", "akshaya_tritiya")
LOOK_BACK_DAYS = 60
LOOK_AHEAD_DAYS = 365
LONGEST_GAP_DAYS = 400  # between two festivals of a kind (a leap month makes 385); more means one is missing
FAR_SESSIONS = 240  # distances end here: the exchange calendar is known about a year ahead


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a session from the first known festival on; a distance is null when no such date is known."""
    known = _known_dates(pit["festivals"], sessions)
    distances = known.group_by("session").agg(
        festivals_available_at=pl.col("available_at").max(),
        **{f"sessions_to_{name}": _until(name) for name in FESTIVALS},
        sessions_since_lunar_new_year=_since("lunar_new_year"),
    )
    covered = _covered(known)
    return distances.join(covered, on="session", how="left").with_columns(
        month=pl.col("session").dt.month(), covered=pl.col("covered").fill_null(value=False)
    )


def _known_dates(festivals: pl.DataFrame, sessions: pl.DataFrame) -> pl.DataFrame:
    """Every (session, festival date) known at the decision, with both places in the exchange calendar."""
    index = calendar.schedule().select("session").with_row_index("place").with_columns(pl.col("place").cast(pl.Int32))
    dates = (
        festivals.select("event", "event_date", "available_at", known_from="session")
        .sort("available_at")
        .unique(["event", "event_date"], keep="first", maintain_order=True)
        .sort("event_date")
        .join_asof(
            index.select(next_place="place", day="session"), left_on="event_date", right_on="day", strategy="forward"
        )
        .drop("day")
        .join_asof(
            index.select(last_place="place", day="session"), left_on="event_date", right_on="day", strategy="backward"
        )
    )
    days = sessions.select("session").join(index, on="session", how="left", maintain_order="left")
    return days.join(dates, how="cross").filter(pl.col("known_from") <= pl.col("session"))


def _until(name: str) -> pl.Expr:
    """Sessions until the next date; a date on a closed day counts as the session after it."""
    ahead = (pl.col("event") == name) & (pl.col("event_date") >= pl.col("session"))
    distance = (pl.col("next_place") - pl.col("place")).fill_null(FAR_SESSIONS)
    return distance.filter(ahead).min().clip(0, FAR_SESSIONS).cast(pl.Int32)


def _since(name: str) -> pl.Expr:
    """Sessions since the last date; a date on a closed day counts as the session before it."""
    behind = (pl.col("event") == name) & (pl.col("event_date") <= pl.col("session"))
    return (pl.col("place") - pl.col("last_place")).filter(behind).min().clip(0, FAR_SESSIONS).cast(pl.Int32)


def _covered(known: pl.DataFrame) -> pl.DataFrame:
    """`session, covered`: dates of each festival are known on both sides of the window and none between is missing."""
    day, session = pl.col("event_date"), pl.col("session")
    before = day <= session - pl.duration(days=LOOK_BACK_DAYS)
    after = day >= session + pl.duration(days=LOOK_AHEAD_DAYS)
    reach = pl.duration(days=LONGEST_GAP_DAYS)
    near = known.filter(
        (day >= session - pl.duration(days=LOOK_BACK_DAYS) - reach)
        & (day <= session + pl.duration(days=LOOK_AHEAD_DAYS) + reach)
    )
    each = (
        near.sort("event_date")
        .group_by("session", "event")
        .agg(whole=before.any() & after.any() & (day.diff().max() <= reach))
    )
    return each.group_by("session").agg(covered=(pl.col("whole").sum() == len(FESTIVALS)))


FEATURES = (Feature("calendar", ("festivals",), compute),)
