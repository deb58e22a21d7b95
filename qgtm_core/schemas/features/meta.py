"""Feature table of the meta-labeller."""

from __future__ import annotations

import polars as pl

from qgtm_core.schemas.features.common import feature_table, health
from qgtm_core.schemas.spec import Column, Table

TABLES: tuple[Table, ...] = (
    feature_table(
        "meta",
        ("session",),
        {
            **health("model_"),
            "fitted": Column(pl.Date, note="session of the fit in use; null = none younger than 31 days"),
            "payload": Column(pl.String, note="the fit in use, packed JSON; null = none younger than 31 days"),
        },
        "The meta-labeller's fit in use. `obs` counts the outcomes of the primary that has the fewest, "
        "`available_at` is the decision of the first session that may use the fit",
    ),
)
