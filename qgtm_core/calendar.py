"""NYSE sessions, early closes and decision times: the only authority on "which session".

Nothing else in QGTM may ask Dagster, the broker or the wall clock what session it is.
"""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from zoneinfo import ZoneInfo

import exchange_calendars
import numpy as np
import polars as pl

NEW_YORK = ZoneInfo("America/New_York")
LONDON = ZoneInfo("Europe/London")
UTC = dt.UTC

FIRST_SESSION = dt.date(2000, 1, 3)  # first partition of every asset
DECISION_LEAD = dt.timedelta(minutes=30)  # before the close
WINDOW = dt.timedelta(minutes=10)  # a rebalance later than this is worse than none
BAR_DELAY = dt.timedelta(minutes=15)  # daily bar known after the close


@lru_cache(maxsize=1)
def _schedule() -> pl.DataFrame:
    calendar = exchange_calendars.get_calendar("XNYS", start=FIRST_SESSION.isoformat())
    sessions = calendar.schedule.index.to_numpy().astype("datetime64[D]")
    opens = calendar.schedule["open"].dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
    closes = calendar.schedule["close"].dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
    frame = pl.DataFrame(
        {
            "session": sessions,
            "open_at": opens.astype("datetime64[us]"),
            "close_at": closes.astype("datetime64[us]"),
        }
    )
    return frame.with_columns(
        pl.col("session").cast(pl.Date),
        pl.col("open_at", "close_at").dt.replace_time_zone("UTC"),
    ).with_columns(
        decided_at=pl.col("close_at") - DECISION_LEAD,
        early_close=(pl.col("close_at").dt.convert_time_zone("America/New_York").dt.hour() < 16),
    )


def schedule(first: dt.date | None = None, last: dt.date | None = None) -> pl.DataFrame:
    """Return `session, open_at, close_at, decided_at, early_close`, oldest first, both ends included."""
    frame = _schedule()
    if first is not None:
        frame = frame.filter(pl.col("session") >= first)
    if last is not None:
        frame = frame.filter(pl.col("session") <= last)
    return frame


@lru_cache(maxsize=1)
def _session_days() -> np.ndarray:
    return _schedule()["session"].to_numpy()


@lru_cache(maxsize=1)
def _rows() -> dict[dt.date, tuple[dt.datetime, dt.datetime, dt.datetime]]:
    return {
        row[0]: (row[1], row[2], row[3])
        for row in _schedule().select("session", "open_at", "close_at", "decided_at").iter_rows()
    }


def is_session(day: dt.date) -> bool:
    """True when the NYSE trades on `day`."""
    return day in _rows()


def open_at(session: dt.date) -> dt.datetime:
    """Opening instant of a session, UTC."""
    return _rows()[session][0]


def close_at(session: dt.date) -> dt.datetime:
    """Closing instant of a session, UTC (13:00 New York on early closes)."""
    return _rows()[session][1]


def decision_time(session: dt.date) -> dt.datetime:
    """Decision instant: 30 minutes before the close, UTC."""
    return _rows()[session][2]


def session_on_or_before(day: dt.date) -> dt.date:
    """Newest session not after `day`."""
    return _at(int(np.searchsorted(_session_days(), np.datetime64(day, "D"), side="right")) - 1)


def session_on_or_after(day: dt.date) -> dt.date:
    """Oldest session not before `day`."""
    return _at(int(np.searchsorted(_session_days(), np.datetime64(day, "D"), side="left")))


def next_session(session: dt.date) -> dt.date:
    """The session after `session`."""
    return session_on_or_after(session + dt.timedelta(days=1))


def previous_session(session: dt.date) -> dt.date:
    """The session before `session`."""
    return session_on_or_before(session - dt.timedelta(days=1))


def offset_session(session: dt.date, by: int) -> dt.date:
    """The session `by` sessions later (negative: earlier), clamped to the calendar."""
    here = int(np.searchsorted(_session_days(), np.datetime64(session, "D")))
    return _at(min(max(here + by, 0), len(_session_days()) - 1))


def sessions_since(first: dt.date, last: dt.date) -> int:
    """Number of sessions after `first` up to and including `last`; 0 when there is none."""
    here, there = np.searchsorted(_session_days(), np.array([first, last], dtype="datetime64[D]"), side="right")
    return max(int(there - here), 0)


def _at(index: int) -> dt.date:
    days = _session_days()
    if not 0 <= index < len(days):
        raise ValueError(f"outside the calendar, which runs from {days[0]} to {days[-1]}")
    day: dt.date = days[index].astype(object)
    return day


def session_at(now: dt.datetime) -> dt.date | None:
    """The session whose New York date is today, or None on a day without one."""
    day = now.astimezone(NEW_YORK).date()
    return day if is_session(day) else None


def rebalance_window(session: dt.date) -> tuple[dt.datetime, dt.datetime]:
    """Instants between which the session's rebalance may start; it shuts ten minutes after the decision."""
    decided = decision_time(session)
    return decided, decided + WINDOW


def holidays(first: dt.date, last: dt.date) -> list[dt.date]:
    """Weekdays without a session, for excluding partitions."""
    days = np.arange(np.datetime64(first, "D"), np.datetime64(last, "D") + 1)
    weekdays = days[np.is_busday(days)]
    return [day.astype(object) for day in weekdays[~np.isin(weekdays, _session_days())]]


def last_known_session() -> dt.date:
    """Last session the calendar holds (about a year ahead)."""
    return _at(len(_session_days()) - 1)


def with_session(frame: pl.DataFrame, available: str = "available_at") -> pl.DataFrame:
    """Add `session`: the first session whose decision can see the row (`available_at <= decided_at`).

    This makes `session <= t` and `available_at <= decision_time(t)` the same condition. Rows known before the
    first session belong to the first one; rows known after the last session of the calendar get null.
    """
    decisions = _schedule().select("session", "decided_at")
    return (
        frame.with_row_index("_row")
        .sort(available)
        .join_asof(decisions, left_on=available, right_on="decided_at", strategy="forward")
        .sort("_row")
        .drop("_row", "decided_at")
    )
