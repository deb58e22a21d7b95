"""Observations that need several PIT tables or series on the same day, read at each session.

A joint observation exists once all its parts do: its stamps are those of the latest part, so it is known no sooner
than any of them, and it goes stale with the first of them that stops.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import polars as pl

from qgtm_core.features.common import STAMPS
from qgtm_core.features.known import macro_rows
from qgtm_core.pit import Compute, as_of, break_sessions, cut, observe

# What a row of prices, macro or curve belongs to, and what tells the rows of one day apart
_OWNERS = ("symbol", "series_id", "root")
_PARTS = ("series", "expiry_month")
_VALUES = ("value", "unit", "close", "adj_close")


def observe_joint(
    tables: Sequence[pl.DataFrame], sessions: pl.DataFrame, compute: Compute, group: Sequence[str] = ()
) -> pl.DataFrame:
    """Read at each session `compute(view)`, where the view holds the rows of all the tables one below the other.

    The tables are PIT rows of prices, macro or dated contracts; columns that a table does not have are null in its
    rows. `compute` is causal and whole-column as in `point_in_time`; `group` are key columns of what it returns.
    """
    kept = (*_OWNERS, *_PARTS, "event_date", *_VALUES, *STAMPS, "revision")
    rows = pl.concat([t.select(name for name in kept if name in t.columns) for t in tables], how="diagonal")
    if sessions.is_empty():
        return observe(sessions, compute(rows.clear()), group)
    rows = cut(rows, sessions["session"][-1])
    owners = [name for name in _OWNERS if name in rows.columns]
    key = [*owners, *(name for name in _PARTS if name in rows.columns), "event_date"]
    days = sessions["session"]
    edges = _edges(rows, [*owners, "event_date"], days)
    return pl.concat(
        observe(sessions.slice(start, stop - start), compute(as_of(rows, days[stop - 1], key)), group)
        for start, stop in pairwise(edges)
    )


def _edges(rows: pl.DataFrame, owned: Sequence[str], days: pl.Series) -> list[int]:
    """Where known history is rewritten: any row of an owner for a day not after the newest it had counts.

    A contract quoted late changes which are the first two of that day, though its own history only grew.
    """
    if len(days) == 1:
        return [0, 1]
    breaks = break_sessions(rows, owned)["session"].unique().sort()
    return sorted({0, len(days), *(int(index) for index in days.search_sorted(breaks, side="left"))})


def observe_series(
    pit: Mapping[str, pl.DataFrame], series: Mapping[str, str], sessions: pl.DataFrame, columns: Mapping[str, pl.Expr]
) -> pl.DataFrame:
    """Read at each session expressions over the days that all the macro series have, one column a name of `series`."""

    def compute(view: pl.DataFrame) -> pl.DataFrame:
        return same_days([one_series(view, name, series_id) for name, series_id in series.items()]).select(
            *STAMPS, "obs", **columns
        )

    return observe_joint([macro_rows(pit, *series.values())], sessions, compute)


def one_series(view: pl.DataFrame, name: str, series_id: str) -> pl.DataFrame:
    """Finite values of one macro series under `name`, oldest first, with the day and the stamps."""
    rows = view.filter((pl.col("series_id") == series_id) & pl.col("value").is_finite())
    return rows.sort("event_date").select("event_date", *STAMPS, pl.col("value").alias(name))


def same_days(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Days that every part has, oldest first: `event_date`, stamps of the latest part, `obs` and all values."""
    joined = parts[0]
    for part in parts[1:]:
        joined = meet(joined, part)
    return joined.with_columns(obs=pl.int_range(1, pl.len() + 1, dtype=pl.Int32))


def meet(left: pl.DataFrame, right: pl.DataFrame, day: str = "event_date", by: Sequence[str] = ()) -> pl.DataFrame:
    """Rows of `left` for which `right` has the day that the column `day` names; stamps of the later one."""
    renamed = right.rename({"event_date": "_day", **{name: f"_{name}" for name in STAMPS}})
    both = left.join(renamed, left_on=[*by, day], right_on=[*by, "_day"], how="inner", maintain_order="left")
    later = {name: pl.max_horizontal(name, f"_{name}") for name in STAMPS}
    return both.with_columns(**later).drop(f"_{name}" for name in STAMPS)
