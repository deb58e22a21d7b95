"""Feature tables of calendar months."""

from __future__ import annotations

from qgtm_core.schemas.features.common import feature_table, health, measure
from qgtm_core.schemas.spec import Table

METALS: tuple[str, ...] = ("GLD", "PALL", "PPLT", "SLV")

TABLES: tuple[Table, ...] = (
    feature_table(
        "seasonality",
        ("session", "symbol"),
        {
            **health(),
            "next_month_n": measure("years", "earlier years with a return in the month after the session's", low=0),
            "next_month_mean": measure("decimal", "mean of those returns, from month-end bar to month-end bar"),
            "next_month_sd": measure("decimal", "sample standard deviation of those returns", low=0),
        },
        "Returns of metals in the coming calendar month of earlier years",
    ),
)
