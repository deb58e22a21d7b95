"""Feature tables of implied and realised volatility."""

from __future__ import annotations

from qgtm_core.schemas.features.common import feature_table, health, measure
from qgtm_core.schemas.spec import Table

TABLES: tuple[Table, ...] = (
    feature_table(
        "volatility",
        ("session",),
        {
            **health("vix_"),
            "vix": measure("vol points", "newest usable close"),
            "vix_pr_252": measure("share", "M4 percentile rank in 252 observations", low=0, high=1),
            **health("spy_"),
            "spy_return_5d": measure("decimal", "simple total return over 5 bars"),
        },
        "Equity stress: implied volatility and the S&P 500",
    ),
)
