"""Feature tables of exchange warehouses."""

from __future__ import annotations

import polars as pl

from qgtm_core.schemas.features.common import feature_table, health, measure
from qgtm_core.schemas.spec import Column, Table

TABLES: tuple[Table, ...] = (
    feature_table(
        "inventory",
        ("session", "market"),
        {
            **health("registered_"),
            "registered_oz": measure("troy oz", "deliverable metal, the report's total", low=0.0),
            "registered_flow_20_z_252": measure("sd", "M2 over 252 days of the log change over 20 days"),
            **health("total_"),
            "total_oz": measure("troy oz", "registered and eligible metal, the report's totals", low=0.0),
            "total_flow_60_z_252": measure("sd", "M2 over 252 days of the log change over 60 days"),
            **health("coverage_"),
            "coverage": measure("share", "registered metal over the metal of all open contracts", low=0.0),
            "coverage_z_252": measure("sd", "M2 of ln coverage over 252 days"),
            "weekly_interest": Column(
                pl.Boolean, note="open interest is the weekly CFTC one; false = the exchange's of the same day"
            ),
            "lease_z_252": measure("sd", "silver: M2 over 252 days of the lease rate implied by the curve; else null"),
        },
        "COMEX warehouse stocks of gold and silver, alone and against open interest",
    ),
)
