"""Feature tables of yields, inflation and credit."""

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
            "real_10y_chg_60": measure("percentage points", "change over 60 observations"),
            **health("breakeven_10y_"),
            "breakeven_10y": measure("percent", "10-year breakeven inflation, newest usable"),
            "breakeven_10y_zchg_20": measure("sd", "M3 over 252 observations"),
            "breakeven_10y_zchg_60": measure("sd", "M3 over 252 observations"),
            "breakeven_10y_chg_20": measure("percentage points", "change over 20 observations"),
            "breakeven_10y_chg_60": measure("percentage points", "change over 60 observations"),
            **health("nominal_2y_"),
            "nominal_2y": measure("percent", "2-year Treasury yield, newest usable"),
            "nominal_2y_zchg_63": measure("sd", "M3 over 504 observations"),
            **health("slope_"),
            "slope_10y2y": measure("percentage points", "10-year less 2-year yield, newest day that has both"),
            "slope_10y2y_zchg_60": measure("sd", "M3 over 504 common days"),
            "slope_2y_chg_60": measure("percentage points", "change of the 2-year yield over 60 common days"),
            **health("high_yield_spread_"),
            "high_yield_spread": measure("percent", "option-adjusted spread of US high yield, newest usable"),
            "high_yield_spread_chg_60": measure("percentage points", "change over 60 observations"),
        },
        "Yields, breakevens and credit spreads on their own observation axis, as known at each decision",
    ),
)
