"""Feature tables of asymmetric betas."""

from __future__ import annotations

from qgtm_core.schemas.features.common import feature_table, health, measure
from qgtm_core.schemas.spec import Table

TABLES: tuple[Table, ...] = (
    feature_table(
        "convexity",
        ("session",),
        {
            **health("gdx_gld_"),
            "beta_up_252": measure("slope", "GDX on GLD on days GLD rises, 252 common bars, at least 60 such days"),
            "beta_down_252": measure("slope", "GDX on GLD on days GLD falls, 252 common bars, at least 60 such days"),
            "r2_252": measure("share", "squared correlation of GDX and GLD over all 252 bars", low=0, high=1),
        },
        "Beta of miners to gold on rising and on falling days",
    ),
)
