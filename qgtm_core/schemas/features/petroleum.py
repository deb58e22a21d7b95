"""Feature tables of petroleum stocks."""

from __future__ import annotations

import polars as pl

from qgtm_core.schemas.features.common import feature_table, health, measure
from qgtm_core.schemas.spec import Column, Table

TABLES: tuple[Table, ...] = (
    feature_table(
        "petroleum",
        ("session",),
        {
            **health("crude_"),
            "crude_change": measure("thousand barrels", "weekly change of US commercial crude stocks"),
            "crude_expected": measure(
                "thousand barrels", "mean change of the same ISO week in 5 earlier years; null = fewer than 4 known"
            ),
            "crude_surprise": measure("sd", "change less expected, over the deviation of 260 earlier surprises"),
            "crude_age": Column(pl.Int32, "sessions", note="since the session that first knew the newest change"),
        },
        "Weekly crude stocks against the usual change of the week",
    ),
)
