"""Feature tables of the auctions of London and Shanghai."""

from __future__ import annotations

from qgtm_core.schemas.features.common import feature_table, health, measure
from qgtm_core.schemas.spec import Table

TABLES: tuple[Table, ...] = (
    feature_table(
        "fixes",
        ("session",),
        {
            **health("auctions_"),
            "am_to_pm": measure("log change", "London gold, morning to afternoon auction of the newest day with both"),
            "am_to_pm_t_20": measure("t-statistic", "mean over its standard error, 20 days"),
            **health("shanghai_"),
            "shanghai_premium": measure(
                "share", "Shanghai afternoon benchmark over the London morning auction, less 1"
            ),
            "shanghai_premium_mean_5": measure("share", "mean over 5 days"),
            "shanghai_premium_mean_5_z_252": measure("sd", "M2 of the 5-day mean over 252 days"),
        },
        "Gold auctions: London against itself, and Shanghai against London on the same day",
    ),
)
