"""Feature tables of overnight returns."""

from __future__ import annotations

from qgtm_core.schemas.features.common import feature_table, health, measure
from qgtm_core.schemas.spec import Table

TABLES: tuple[Table, ...] = (
    feature_table(
        "overnight",
        ("session",),
        {
            **health("gld_"),
            "overnight_mean_60": measure("decimal", "mean log return of GLD, close to open, 60 nights, dividends in"),
            "overnight_sd_60": measure("decimal", "sample standard deviation of the same", low=0),
        },
        "Overnight returns of gold from the opens and closes of GLD",
    ),
)
