"""Whether the newest session of a table looks like its own history. It warns; it never decides."""

from __future__ import annotations

import datetime as dt

import polars as pl

from qgtm_core.schemas.spec import Table

ROBUST_Z = 12.0  # medians of absolute deviations, scaled to a standard deviation
MAD_TO_SD = 1.4826
COUNT_BAND = (0.5, 2.0)  # of the median row count
MIN_SESSIONS = 60  # of history; below it nothing is judged
_HEALTH = ("obs", "event_at", "available_at")  # counters and instants grow by nature


def unusual(table: Table, history: pl.DataFrame) -> list[str]:
    """What is odd about the newest session in `history` (rows of many sessions), in words; empty when nothing is.

    Row count: outside half to twice the median of the sessions before. Values: a numeric column's median over the
    session's rows more than 12 robust standard deviations from the median of earlier sessions (Hampel, 1974). Columns
    that are levels of prices drift by nature and are left out.
    """
    counts = history.group_by("session").len().sort("session")
    if counts.height <= MIN_SESSIONS:
        return []
    newest: dt.date = counts["session"][-1]
    return [*_odd_count(counts), *_odd_values(table, history, newest)]


def _odd_count(counts: pl.DataFrame) -> list[str]:
    usual, now = _median(counts["len"][:-1].cast(pl.Float64)), int(counts["len"][-1])
    low, high = COUNT_BAND
    return [] if low * usual <= now <= high * usual else [f"{now} rows, usually {usual:.0f}"]


def _median(values: pl.Series) -> float:
    """Median of a float column that holds at least one value."""
    found = values.median()
    assert isinstance(found, float)
    return found


def _odd_values(table: Table, history: pl.DataFrame, newest: dt.date) -> list[str]:
    columns = [
        name
        for name, column in table.columns.items()
        if column.dtype == pl.Float64 and column.unit not in {"USD", "percent", "shares"} and not name.endswith(_HEALTH)
    ]
    if not columns:
        return []
    daily = history.group_by("session").agg(pl.col(columns).median()).sort("session")
    before, now = daily.filter(pl.col("session") < newest), daily.filter(pl.col("session") == newest)
    found = []
    for name in columns:
        past, value = before[name].drop_nulls(), now[name][0]
        if value is None or past.len() < MIN_SESSIONS:
            continue
        middle = _median(past)
        spread = _median((past - middle).abs()) * MAD_TO_SD
        if spread > 0.0 and abs(value - middle) > ROBUST_Z * spread:
            found.append(f"{name} is {value:.4g}, usually {middle:.4g} ± {spread:.2g}")
    return found
