"""Feature tables of yields and inflation."""

from __future__ import annotations

from qgtm_core.schemas.features.common import feature_table, health, measure
from qgtm_core.schemas.spec import Table

TABLES: tuple[Table, ...] = (
    feature_table(
        "macro",
        ("session",),
        {
            **health("real_10y_"),
            "real_10y": measure("percent", "10-year real yield, newest usable"),
            "real_10y_zchg_5": measure("sd", "M3 over 504 observations"),
            "real_10y_zchg_20": measure("sd", "M3 over 504 observations"),
            "real_10y_zchg_60": measure("sd", "M3 over 504 observations"),
            "real_10y_z_504": measure("sd", "M2 of the level"),
            "real_10y_chg_20": measure("percentage points", "change over 20 observations"),
            **health("breakeven_10y_"),
            "breakeven_10y": measure("percent", "10-year breakeven inflation, newest usable"),
            "breakeven_10y_zchg_20": measure("sd", "M3 over 252 observations"),
            "breakeven_10y_zchg_60": measure("sd", "M3 over 252 observations"),
            "breakeven_10y_chg_20": measure("percentage points", "change over 20 observations"),
        },
        "Real yields and breakevens on their own observation axis, as known at each decision",
    ),
)
