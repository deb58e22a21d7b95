"""The clock of the intraday sleeve: its ticks, when it may enter and when it must be flat. Early closes shift the end.

A tick is 5 seconds after each 5-minute bar ends: the instant from which the bar may be used.
"""

from __future__ import annotations

import datetime as dt
from functools import lru_cache

import numpy as np
import polars as pl

from qgtm_core import calendar, publication
from qgtm_core.errors import DataError
from qgtm_core.schemas.spec import INSTANT

TICK = dt.timedelta(minutes=5)
LAG: dt.timedelta = publication.INTRADAY_DELAY  # a bar is known this long after its end
ENTRY_AFTER_OPEN = dt.timedelta(minutes=15)  # 09:45
ENTRY_BEFORE_CLOSE = dt.timedelta(minutes=30)  # 15:30, the decision of the daily sleeve
FLAT_BEFORE_CLOSE = dt.timedelta(minutes=15)  # 15:45
EVENT_WINDOW = dt.timedelta(minutes=30)  # on each side of a release: no entries
MAX_ENTRIES = 3  # a session and strategy


@lru_cache(maxsize=64)
def ticks(first: dt.date, last: dt.date) -> pl.DataFrame:
    """Every tick of sessions first..last: `session, decided_at, tick, in_hours, may_enter, may_hold, close_at`.

    `tick` counts from 0. The last tick before the book must be flat may hold nothing any more; one more follows it,
    to close what the last one could not.
    """
    days = calendar.schedule(first, last)
    longest = 78
    grid = days.select("session", "open_at", "close_at").join(
        pl.DataFrame({"tick": np.arange(longest, dtype=np.int32)}), how="cross", maintain_order="left_right"
    )
    decided = pl.col("open_at") + pl.duration(minutes=5) * (pl.col("tick") + 1) + LAG
    grid = grid.with_columns(decided_at=decided.cast(INSTANT))
    at, flat_by = pl.col("decided_at"), pl.col("close_at") - FLAT_BEFORE_CLOSE
    return grid.filter(at <= flat_by + LAG).select(
        "session",
        "decided_at",
        "tick",
        in_hours=at >= pl.col("open_at") + ENTRY_AFTER_OPEN,
        may_enter=(at >= pl.col("open_at") + ENTRY_AFTER_OPEN) & (at <= pl.col("close_at") - ENTRY_BEFORE_CLOSE),
        may_hold=at + TICK <= flat_by,
        close_at="close_at",
    )


def newest_tick(now: dt.datetime) -> dt.datetime | None:
    """The newest tick of today's session that is not after `now`; None outside the sleeve's hours."""
    session = calendar.session_at(now)
    if session is None:
        return None
    known = ticks(session, session)["decided_at"]
    past = known.filter(known <= now.astimezone(dt.UTC))
    return None if past.is_empty() or now >= calendar.close_at(session) else past[-1]


def require_ticks(asked: pl.DataFrame) -> pl.DataFrame:
    """All ticks of the asked sessions up to the last one asked in each; DataError when an asked instant is no tick.

    `asked` has `session` and `decided_at`, at least one row.
    """
    until = asked.group_by("session", maintain_order=True).agg(_until=pl.col("decided_at").max())
    sessions = asked["session"].sort()
    grid = ticks(sessions[0], sessions[-1])
    unknown = asked.join(grid, on=["session", "decided_at"], how="anti")
    if unknown.height:
        raise DataError("ticks", f"{unknown['decided_at'][0]} is no tick of {unknown['session'][0]}")
    return (
        grid.join(until, on="session", how="inner", maintain_order="left")
        .filter(pl.col("decided_at") <= pl.col("_until"))
        .drop("_until")
    )
