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


def apart(view: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """The finite, positive values of each part of a stack, by day; a part without any is left out."""
    value = pl.col("value")
    usable = view.filter(value.is_finite() & (value > 0)).sort("event_date")
    parts = usable.partition_by("part", as_dict=True, include_key=False)
    return {str(key[0]): rows.drop("revision").rename({"value": str(key[0])}) for key, rows in parts.items()}


def same_day(view: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Days on which every part has a finite, positive value: `event_date`, the latest stamps, one column a part."""
    parts = apart(view)
    empty = view.clear().drop("part", "revision")
    return together([parts.get(name, empty.rename({"value": name})) for name in names])


def together(parts: Sequence[pl.DataFrame], by: Sequence[str] = ()) -> pl.DataFrame:
    """Days, for each group of `by`, that all parts have: `<by...>, event_date`, the latest stamps and all values."""
    joined = parts[0]
    for part in parts[1:]:
        both = joined.join(part, on=[*by, "event_date"], how="inner", maintain_order="left")
        later = {name: pl.max_horizontal(name, f"{name}_right") for name in STAMPS}
        joined = both.with_columns(**later).drop(f"{name}_right" for name in STAMPS)
    return joined
