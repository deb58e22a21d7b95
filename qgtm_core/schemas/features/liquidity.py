"""Feature tables of central bank liquidity."""

from __future__ import annotations

from qgtm_core.schemas.features.common import feature_table, health, measure
from qgtm_core.schemas.spec import Table

TABLES: tuple[Table, ...] = (
    feature_table(
        "liquidity",
        ("session",),
        {
            **health("net_liquidity_"),
            "net_liquidity": measure("USD billion", "Fed assets less Treasury account less reverse repos, newest week"),
            "net_liquidity_growth_13": measure("decimal", "change over 13 weeks; null where that week is missing"),
            "net_liquidity_growth_13_z_156": measure("sd", "M2 over 156 weeks"),
            "net_liquidity_acceleration_13_z_156": measure("sd", "M2 over 156 weeks of the 13-week change of growth"),
        },
        "Liquidity the Federal Reserve leaves with the markets; a value in an unknown unit counts as unknown",
    ),
)
