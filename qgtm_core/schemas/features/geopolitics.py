"""Feature tables of geopolitical risk."""

from __future__ import annotations

from qgtm_core.schemas.features.common import feature_table, health, measure
from qgtm_core.schemas.spec import Table

TABLES: tuple[Table, ...] = (
    feature_table(
        "geopolitics",
        ("session",),
        {
            **health("gpr_"),
            "threat_ratio_7_90": measure("ratio", "mean threats over 7 days to that over 90 calendar days", low=0),
            "act_ratio_7_90": measure("ratio", "mean acts over 7 days to that over 90 calendar days", low=0),
            "gpr_heat": measure("log ratio", "0.6 ln(threat ratio) + 0.4 ln(act ratio)"),
            "gpr_heat_z_756": measure("sd", "M2 over 756 calendar days"),
        },
        "Geopolitical threats and acts against their own last quarter, as published on Mondays",
    ),
)
