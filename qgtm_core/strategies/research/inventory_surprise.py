"""A surprise in crude stocks moves energy at once and, weakly, inflation expectations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.helpers import lin
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import Reason, StrategyStatus

PARAMS: Mapping[str, Any] = {"years": 5, "z0": 2.0, "w_gld": 0.15, "max_age": 2, "q": 0.5}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return minus the surprise, a fraction of it in gold; OUT_OF_WINDOW once the report is old."""
    size = pl.when(pl.col("symbol") == "GLD").then(params["w_gld"]).otherwise(1.0)
    old = pl.col("crude_age") > params["max_age"]
    return panel.select(
        score=-size * lin(pl.col("crude_surprise"), params["z0"]),
        quality=pl.lit(params["q"]),
        reason=pl.when(old).then(pl.lit(Reason.OUT_OF_WINDOW.value)),
    )


STRATEGY = Strategy(
    id="inventory_surprise",
    number=59,
    category="research",
    status=StrategyStatus.RESEARCH,
    cadence=Cadence.EVENT,
    horizon_sessions=2,
    symbols=("USO", "GLD"),
    inputs=(
        Input(
            "petroleum",
            ("crude_surprise", "crude_age"),
            name="crude",
            staleness="weekly",
            warmup=312,
            data=("macro[series_id=WCESTUS1].value",),
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="Low",
    exposures=("REAL_RATE+",),
    source="Halova, Kurov & Kucher 2014",
    rationale="Crude stocks above what the season brings push energy down and, weakly, inflation expectations.",
    formula=(
        "s = (change - mean change of the ISO week in 5 earlier years) / sd of 260 earlier surprises; "
        "USO = -lin(s, 2), GLD = -0.15 lin(s, 2), for 2 sessions"
    ),
)
