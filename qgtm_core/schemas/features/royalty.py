"""Feature table of royalty companies against miners."""

from __future__ import annotations

from qgtm_core.schemas.features.common import feature_table, health, measure
from qgtm_core.schemas.spec import Table

ROYALTIES: tuple[str, ...] = ("FNV", "RGLD", "WPM")

TABLES: tuple[Table, ...] = (
    feature_table(
        "royalty",
        ("session",),
        {
            **health("royalty_"),
            "royalty_gap_60": measure("decimal", "sum of the last 60 daily residual returns, royalties less miners"),
            "royalty_gap_z_252": measure("sd", "M2 of that sum over 252 days"),
        },
        "Equal-weight royalty basket less GDX, both net of gold; one observation is a day with GLD, GDX and two "
        "royalties at least",
    ),
)
