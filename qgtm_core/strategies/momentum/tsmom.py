"""Time-series momentum: the sign of the last twelve months, sized by volatility."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.maths.trend import time_series_momentum
from qgtm_core.strategies.helpers import clip_score
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import StrategyStatus

# `com` is the centre of mass behind features/momentum.vol_mop
PARAMS: Mapping[str, Any] = {"look": 252, "com": 60, "vol_target": 0.15, "min_symbols": 3}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the sign of the return times target over own volatility, at most one."""
    look_back = pl.col(f"log_return_{params['look']}")
    score = time_series_momentum(look_back, pl.col("vol_mop"), params["vol_target"])
    return panel.select(score=clip_score(score), quality=pl.lit(1.0))


STRATEGY = Strategy(
    id="tsmom",
    number=12,
    category="momentum",
    status=StrategyStatus.PAPER,
    cadence=Cadence.MONTHLY,
    horizon_sessions=21,
    symbols=("GLD", "SLV", "PPLT", "PALL", "GDX"),
    inputs=(
        Input("prices", ("log_return_252",), warmup=273, data=("prices[symbol={symbol}].adj_close",)),
        Input("momentum", ("vol_mop",), warmup=273, data=("prices[symbol={symbol}].adj_close",)),
    ),
    params=PARAMS,
    rule=rule,
    capacity="High",
    exposures=("GOLD±", "SILVER_REL±", "MINERS_REL±"),
    source="Moskowitz, Ooi & Pedersen 2012",
    rationale="Returns over the last twelve months tend to persist over the next one.",
    formula="score_i = sign(R_252) * min(1, 0.15 / sigma_i), sigma_i the ex-ante volatility of centre of mass 60 days",
    min_symbols=PARAMS["min_symbols"],
    differs={
        "gold_tsmom": "five assets, sign of twelve months, monthly; that one is gold at four horizons, weekly",
        "xsmom": "each asset against its own past; that one ranks metals against each other",
        "carver_trend": "one look-back and a sign; that one is a continuous forecast at three speeds, daily",
        "gold_multi_ma_trend": "the sign of a return; that one counts votes of moving averages of gold",
    },
)
