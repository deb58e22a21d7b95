"""Feature tables of the official sector."""

from __future__ import annotations

from qgtm_core.schemas.features.common import feature_table, health, measure
from qgtm_core.schemas.spec import Table

TABLES: tuple[Table, ...] = (
    feature_table(
        "official",
        ("session",),
        {
            **health("official_"),
            "official_tonnes_3m": measure("tonnes", "net purchases over 3 months; null across a missing month"),
            "official_tonnes_3m_z_60": measure("sd", "M2 over 60 months"),
            "official_buying_share_6m": measure("share", "months of net buying in the last 6", low=0, high=1),
        },
        "Reported gold purchases of central banks, known about six weeks after the month",
    ),
)
