"""Feature tables of the day of the week."""

from __future__ import annotations

import polars as pl

from qgtm_core.schemas.features.common import feature_table, health, measure
from qgtm_core.schemas.spec import Column, Table

TABLES: tuple[Table, ...] = (
    feature_table(
        "weekday",
        ("session",),
        {
            **health("gld_"),
            "next_weekday": Column(pl.Int32, "1 = Monday", note="of the next session of the exchange calendar"),
            "weekday_n": measure("returns", "one-session returns on that weekday within 750 bars", low=0),
            "weekday_mean": measure("decimal", "their mean"),
            "weekday_sd": measure("decimal", "their sample standard deviation", low=0),
            "weekday_mean_early": measure("decimal", "their mean in the older 375 of the 750 bars"),
            "weekday_mean_late": measure("decimal", "their mean in the newer 375 bars"),
        },
        "One-session returns of GLD on the weekday of the next session",
    ),
)
