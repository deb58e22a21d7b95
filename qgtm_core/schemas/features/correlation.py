"""Feature tables of correlations between symbols."""

from __future__ import annotations

from qgtm_core.schemas.features.common import feature_table, health, measure
from qgtm_core.schemas.spec import Table

TABLES: tuple[Table, ...] = (
    feature_table(
        "correlation",
        ("session", "symbol_a", "symbol_b"),
        {**health(), "corr_126": measure("correlation", "daily log returns over 126 common bars", low=-1, high=1)},
        "Pairwise correlations (symbol_a < symbol_b) of GLD, SLV, PPLT, PALL, GDX",
    ),
)
