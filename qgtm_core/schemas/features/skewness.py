"""Feature tables of realised skewness."""

from __future__ import annotations

from qgtm_core.schemas.features.common import feature_table, health, measure
from qgtm_core.schemas.spec import Table

METALS: tuple[str, ...] = ("GLD", "PALL", "PPLT", "SLV")

TABLES: tuple[Table, ...] = (
    feature_table(
        "skewness",
        ("session", "symbol"),
        {**health(), "skew_252": measure("skewness", "bias-adjusted, of 252 daily log returns")},
        "Realised skewness of metals",
    ),
)
