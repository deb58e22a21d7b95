"""Time-series momentum: the sign of the last twelve months, sized by volatility."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.helpers import clip_score
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import StrategyStatus

# `com` is the centre of mass behind features/prices.vol_mop
PARAMS: Mapping[str, Any] = {"look": 252, "com": 60, "vol_target": 0.15, "min_symbols": 3}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the sign of the return times target over own volatility, at most one."""
    volatility = pl.col("vol_mop")
    size = pl.when(volatility > 0.0).then((params["vol_target"] / volatility).clip(0.0, 1.0))
    return panel.select(
        score=clip_score(pl.col(f"log_return_{params['look']}").sign() * size),
        quality=pl.lit(1.0),
    )


STRATEGY = Strategy(
    id="tsmom",
    number=12,
    category="momentum",
    status=StrategyStatus.PAPER,
    cadence=Cadence.MONTHLY,
    horizon_sessions=21,
    symbols=("GLD", "SLV", "PPLT", "PALL", "GDX"),
    inputs=(Input("prices", ("log_return_252", "vol_mop"), warmup=273),),
    params=PARAMS,
    rule=rule,
    capacity="High",
    exposures=("GOLD±", "SILVER_REL±", "MINERS_REL±"),
    source="Moskowitz, Ooi & Pedersen 2012",
    rationale="Returns over the last twelve months tend to persist over the next one.",
    min_symbols=PARAMS["min_symbols"],
)
