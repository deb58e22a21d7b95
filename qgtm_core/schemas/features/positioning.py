"""Feature tables of reports of positions."""

from __future__ import annotations

import polars as pl

from qgtm_core.schemas.features.common import feature_table, health, measure
from qgtm_core.schemas.spec import Column, Table

TABLES: tuple[Table, ...] = (
    feature_table(
        "positioning",
        ("session", "market"),
        {
            **health(),
            "mm_net_pct_oi": measure("share of open interest", "managed money long minus short"),
            "mm_net_pct_oi_z_156": measure("sd", "M2 over 156 weeks"),
            "backlog": Column(pl.Boolean, note="newest report came late (shutdown or outage)"),
        },
        "CFTC positioning by metal: gold, silver, platinum, palladium",
    ),
)
