"""Gold's own trend: four horizons, each a t-statistic, averaged; computed on the last session of the week."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.helpers import over
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import StrategyStatus

# `full` is the t-statistic at which one horizon is fully long
PARAMS: Mapping[str, Any] = {"horizons": [21, 63, 126, 252], "full": 1.0}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the mean over horizons of the trend's t-statistic, each held within one."""
    votes = [over(pl.col(f"trend_t_{h}"), params["full"]).clip(-1.0, 1.0) for h in params["horizons"]]
    return panel.select(
        score=over(pl.sum_horizontal(votes, ignore_nulls=False), len(votes)),
        quality=pl.lit(1.0),
    )


STRATEGY = Strategy(
    id="gold_tsmom",
    number=17,
    category="momentum",
    status=StrategyStatus.PAPER,
    cadence=Cadence.WEEKLY_LAST,
    horizon_sessions=10,
    symbols=("GLD",),
    inputs=(
        Input(
            "trend",
            ("trend_t_21", "trend_t_63", "trend_t_126", "trend_t_252"),
            name="gld",
            warmup=273,
            data=("prices[symbol=GLD].adj_close",),
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="High",
    exposures=("GOLD±",),
    source="Moskowitz, Ooi & Pedersen 2012; Baltas & Kosowski 2020",
    rationale="Trends of gold persist; several horizons, each over its noise, change sides less often than one.",
    formula="score = mean over h in {21, 63, 126, 252} of clip(t_h, -1, 1), t_h = R_h / (sigma_d * sqrt(h))",
    differs={
        "tsmom": "one asset, four horizons, continuous, weekly; that one is the sign of twelve months on five, monthly",
        "carver_trend": "t-statistics of returns; that one crosses moving averages of five assets",
        "gold_multi_ma_trend": "t-statistics of returns; that one counts votes of moving averages",
    },
)
