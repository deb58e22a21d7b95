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
            "uup_return_60": measure("decimal", "simple total return over 60 bars"),
            **health("gld_"),
            "gld_uup_corr_126": measure("correlation", "daily log returns over 126 common bars", low=-1, high=1),
            **health("btc_"),
            "btc_zchg_20": measure("sd", "M3 of ln price over 252 bars of New York sessions (each a UTC day)"),
            **health("gld_btc_"),
            "gld_btc_corr_60": measure("correlation", "daily log returns over 60 common bars", low=-1, high=1),
        },
        "Gold against the dollar and against bitcoin",
    ),
)
