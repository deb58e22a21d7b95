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
            "long_gap": measure("contracts", "open interest minus longs and spreads; null = a category not reported"),
            "short_gap": measure("contracts", "open interest minus shorts and spreads; null = a category not reported"),
            **health("hedgers_"),
            "hedging_pressure": measure("share of hedgers", "producers and swap dealers, short minus long", -1.0, 1.0),
            "hedging_pressure_mean_52": measure("share of hedgers", "mean over 52 weeks", -1.0, 1.0),
            **health("legacy_"),
            "commercial_net": measure("contracts", "commercials long minus short, legacy report"),
            "commercial_index_26": measure("percent", "M19 COT index over 26 weeks", 0.0, 100.0),
            "commercial_index_156": measure("percent", "M19 COT index over 156 weeks", 0.0, 100.0),
        },
        "CFTC positioning by metal: gold, silver, platinum, palladium",
    ),
)
