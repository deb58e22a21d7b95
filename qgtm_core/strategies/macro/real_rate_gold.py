"""Gold against the 10-year real yield: long when real yields fall fast or stand low."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.helpers import clip_score, lin
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import StrategyStatus

PARAMS: Mapping[str, Any] = {
    "k": [5, 20, 60],
    "w": [0.2, 0.5, 0.3],
    "w_trend": 0.8,
    "w_level": 0.2,
    "win": 504,
    "z0": 2.0,
}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the score from the z-scored changes over `k` observations and the z-score of the level."""
    changes = [w * pl.col(f"real_10y_zchg_{k}") for k, w in zip(params["k"], params["w"], strict=True)]
    trend = -sum(changes[1:], start=changes[0])
    level = -lin(pl.col(f"real_10y_z_{params['win']}"), params["z0"])
    score = params["w_trend"] * lin(trend, params["z0"]) + params["w_level"] * level
    return panel.select(score=clip_score(score), quality=pl.lit(1.0))


STRATEGY = Strategy(
    id="real_rate_gold",
    number=1,
    category="macro",
    status=StrategyStatus.PAPER,
    cadence=Cadence.DAILY,
    horizon_sessions=20,
    symbols=("GLD",),
    inputs=(
        Input(
            "macro",
            ("real_10y_zchg_5", "real_10y_zchg_20", "real_10y_zchg_60", "real_10y_z_504"),
            name="real_10y",
            warmup=566,
            data=("macro[series_id=DFII10].value",),
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="High",
    exposures=("REAL_RATE+", "GOLD+", "USD-"),
    source="Erb & Harvey 2013; Jermann 2023",
    rationale="Gold has no coupon; falling real yields cut its opportunity cost.",
    formula="m = -(0.2 z_5 + 0.5 z_20 + 0.3 z_60), z_k = zchg(y, k, 504); L = -lin(Z_504(y)); "
    "score = 0.8 lin(m) + 0.2 L",
    differs={
        "gold_real_rate_residual": "trades changes of the yield, not gold's distance from what the yield explains",
        "gold_macro_regime": "continuous and daily, not a vote by the week",
    },
)
