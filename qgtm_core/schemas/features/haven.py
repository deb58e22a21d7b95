"""Feature tables of gold as a haven."""

from __future__ import annotations

from qgtm_core.schemas.features.common import feature_table, health, measure
from qgtm_core.schemas.spec import Table

TABLES: tuple[Table, ...] = (
    feature_table(
        "haven",
        ("session",),
        {
            **health("vix_slope_"),
            "vix_slope": measure("ratio", "VIX over its 3-month sister, newest day that has both", low=0),
            "vix_slope_z_252": measure("sd", "M2 over 252 common days"),
            **health("gld_vix_"),
            "gld_vix_corr_63": measure(
                "correlation", "gold's log return and the change of the VIX over 63 common days", low=-1, high=1
            ),
        },
        "The slope of the VIX curve and gold's correlation with the VIX",
    ),
)
