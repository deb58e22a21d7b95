"""Several PIT tables side by side: values of the same day, known when the last of them is. No table lives here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from qgtm_core.features.common import STAMPS

STACK_KEY = ("part", "event_date")


def stacked(parts: Mapping[str, pl.DataFrame], value: str = "value") -> pl.DataFrame:
    """Rows of several sources under one another: `part, event_date, value`, stamps and `revision`.

    Read them with `point_in_time(…, STACK_KEY, …, together=True)`, so that a late or revised row of any part counts
    from the session that knows it.
    """
    columns = ("event_date", pl.col(value).cast(pl.Float64), *STAMPS, "revision")
    return pl.concat([frame.select(pl.lit(name).alias("part"), *columns) for name, frame in parts.items()])


def same_day(view: pl.DataFrame, parts: Sequence[str], by: Sequence[str] = ()) -> pl.DataFrame:
    """Days, for each group of `by`, on which every part has a finite, positive value.

    Returns `<by...>, event_date`, the latest stamps and one column a part, in the order of `by` and day.
    """
    value = pl.col("value")
    usable = view.filter(value.is_finite() & (value > 0)).sort(*by, *STACK_KEY)
    joined = _one(usable, parts[0], by)
    for part in parts[1:]:
        both = joined.join(_one(usable, part, by), on=[*by, "event_date"], how="inner", maintain_order="left")
        later = {name: pl.max_horizontal(name, f"{name}_right") for name in STAMPS}
        joined = both.with_columns(**later).drop(f"{name}_right" for name in STAMPS)
    return joined


def _one(view: pl.DataFrame, part: str, by: Sequence[str]) -> pl.DataFrame:
    return view.filter(pl.col("part") == part).select(*by, "event_date", *STAMPS, pl.col("value").alias(part))
