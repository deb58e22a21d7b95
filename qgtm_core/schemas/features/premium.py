"""Feature table of the closed-end gold fund."""

from __future__ import annotations

from qgtm_core.schemas.features.common import feature_table, health, measure
from qgtm_core.schemas.spec import Table

TABLES: tuple[Table, ...] = (
    feature_table(
        "premium",
        ("session",),
        {
            **health("premium_"),
            "premium": measure("decimal", "close over net asset value of the same day, less one"),
            "premium_z_252": measure("sd", "M2 over 252 days that have both"),
        },
        "Premium of PHYS over its net asset value",
    ),
)
