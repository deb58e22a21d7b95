"""Feature table of gold's fair value."""

from __future__ import annotations

from qgtm_core.schemas.features.common import feature_table, health, measure
from qgtm_core.schemas.spec import Table

TABLES: tuple[Table, ...] = (
    feature_table(
        "fair_value",
        ("session",),
        {
            **health("gold_fair_"),
            "gold_fair_z_504": measure("sd", "newest residual of M9 over 504 common days"),
            "gold_fair_r2_504": measure("share", "M9 over 504 common days", low=0, high=1),
            "gold_fair_yield_slope_504": measure("log points per percentage point", "M9 over 504 common days"),
            "gold_fair_dollar_slope_504": measure("log points per log point", "M9 over 504 common days"),
            "gold_fair_half_life_504": measure("days", "M10 of the residuals; null when not mean-reverting", low=0),
            "gold_fair_adf_504": measure("t", "M11 of the residuals, three variables, lags by AIC up to 5"),
        },
        "ln GLD on the 10-year real yield and ln UUP, on the days that all three have",
    ),
)
