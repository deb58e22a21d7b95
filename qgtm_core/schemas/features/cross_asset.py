"""Feature tables of gold against other markets."""

from __future__ import annotations

from qgtm_core.schemas.features.common import feature_table, health, measure
from qgtm_core.schemas.spec import Table

TABLES: tuple[Table, ...] = (
    feature_table(
        "cross_asset",
        ("session",),
        {
            **health("uup_"),
            "uup_zchg_20": measure("sd", "M3 of ln adj_close over 252 bars"),
            "uup_zchg_60": measure("sd", "M3 of ln adj_close over 252 bars"),
            **health("gld_"),
            "gld_uup_corr_126": measure("correlation", "daily log returns over 126 common bars", low=-1, high=1),
        },
        "Gold against the dollar",
    ),
)
