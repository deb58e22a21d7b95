"""Observations that need several PIT tables or series on the same day, read at each session.

A joint observation exists once all its parts do: its stamps are those of the latest part, so it is known no sooner
than any of them, and it goes stale with the first of them that stops.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from qgtm_core.features.common import STAMPS
from qgtm_core.pit import Compute, point_in_time

_KEYS = ("symbol", "series_id", "root", "series", "contract_rank", "contract")  # of prices, macro and curve
_VALUES = ("value", "unit", "close", "adj_close", "expiry_month")


def observe_joint(tables: Sequence[pl.DataFrame], sessions: pl.DataFrame, compute: Compute) -> pl.DataFrame:
    """Read at each session `compute(view)`, where the view holds the rows of all the tables one below the other.

    The tables are PIT rows of prices, macro or curve; columns that a table does not have are null in its rows.
    """
    kept = (*_KEYS, "event_date", *_VALUES, *STAMPS, "revision")
    rows = pl.concat([t.select(name for name in kept if name in t.columns) for t in tables], how="diagonal")
    key = [name for name in _KEYS if name in rows.columns]
    return point_in_time(rows, [*key, "event_date"], sessions, compute, together=True)


def observe_series(
    macro: pl.DataFrame, series: Mapping[str, str], sessions: pl.DataFrame, columns: Mapping[str, pl.Expr]
) -> pl.DataFrame:
    """Read at each session expressions over the days that all the macro series have, one column a name of `series`."""

    def compute(view: pl.DataFrame) -> pl.DataFrame:
        return same_days([one_series(view, name, series_id) for name, series_id in series.items()]).select(
            *STAMPS, "obs", **columns
        )

    return observe_joint([macro.filter(pl.col("series_id").is_in(list(series.values())))], sessions, compute)


def one_series(view: pl.DataFrame, name: str, series_id: str) -> pl.DataFrame:
    """Finite values of one macro series under `name`, oldest first, with the day and the stamps."""
    rows = view.filter((pl.col("series_id") == series_id) & pl.col("value").is_finite())
    return rows.sort("event_date").select("event_date", *STAMPS, pl.col("value").alias(name))


def same_days(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Days that every part has, oldest first: `event_date`, stamps of the latest part, `obs` and all values."""
    joined = parts[0]
    for part in parts[1:]:
        joined = meet(joined, part, pl.col("event_date"))
    return joined.with_columns(obs=pl.int_range(1, pl.len() + 1, dtype=pl.Int32))


def meet(left: pl.DataFrame, right: pl.DataFrame, day: pl.Expr) -> pl.DataFrame:
    """Rows of `left` for which `right` has the day that `day` names; stamps of the later one."""
    renamed = right.rename({"event_date": "_day", **{name: f"_{name}" for name in STAMPS}})
    both = left.with_columns(_day=day).join(renamed, on="_day", how="inner", maintain_order="left")
    later = {name: pl.max_horizontal(name, f"_{name}") for name in STAMPS}
    return both.with_columns(**later).drop("_day", *(f"_{name}" for name in STAMPS))
