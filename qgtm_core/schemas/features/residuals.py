"""Feature table of gold against its nearest relatives."""

from __future__ import annotations

from qgtm_core.schemas.features.common import feature_table, health, measure
from qgtm_core.schemas.spec import Table

TABLES: tuple[Table, ...] = (
    feature_table(
        "residuals",
        ("session",),
        {
            **health("miners_"),
            "miners_z_252": measure("sd", "newest residual of ln GDX on ln GLD, M9 over 252 common bars"),
            "miners_slope_252": measure("log points per log point", "slope on ln GLD, M9 over 252 common bars"),
            "miners_r2_252": measure("share", "M9 over 252 common bars", low=0, high=1),
            "miners_adf_252": measure("t", "M11 of the residuals, two variables, lags by AIC up to 5"),
            **health("platinum_"),
            "platinum_z_756": measure("sd", "M2 of ln(GLD/PPLT) over 756 common bars"),
        },
        "Miners and platinum against gold, each pair on its common bars",
    ),
)
