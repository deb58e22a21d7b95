"""Feature tables of gold's trend."""

from __future__ import annotations

from qgtm_core.schemas.features.common import feature_table, health, measure
from qgtm_core.schemas.spec import Table

TABLES: tuple[Table, ...] = (
    feature_table(
        "trend",
        ("session",),
        {
            **health("gld_"),
            **{
                f"trend_t_{h}": measure("sd", f"M8: log return of GLD over {h} bars over M5 volatility of log returns")
                for h in (21, 63, 126, 252)
            },
            "momentum_t_252_21": measure("sd", "M8 of the log return of GLD from 252 to 21 bars ago"),
            "reversal_t_5": measure("sd", "M8 of the log return of GLD over 5 bars"),
            **{
                f"average_gap_{n}": measure("decimal", f"adjusted close of GLD over its mean of {n} bars, minus one")
                for n in (20, 50, 100, 200)
            },
            **{
                f"average_slope_{n}_10": measure("decimal", f"change of the mean of {n} bars over 10 bars")
                for n in (20, 50, 100, 200)
            },
        },
        "Trend of gold at several horizons from daily bars of GLD",
    ),
)
