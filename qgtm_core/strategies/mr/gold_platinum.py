"""Extremes of gold against platinum revert slowly. Declared DEAD: kept for research, silent in production."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.helpers import dead
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import StrategyStatus

PARAMS: Mapping[str, Any] = {"win": 756, "dead": 1.5, "full": 3.0, "q": 0.4}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the score of platinum, and its opposite of gold."""
    score = dead(pl.col(f"platinum_z_{params['win']}"), params["dead"], params["full"])
    return panel.select(
        score=pl.when(pl.col("symbol") == "PPLT").then(score).otherwise(-score), quality=pl.lit(params["q"])
    )


STRATEGY = Strategy(
    id="gold_platinum",
    number=23,
    category="mr",
    status=StrategyStatus.DEAD,
    cadence=Cadence.WEEKLY,
    horizon_sessions=60,
    symbols=("GLD", "PPLT"),
    inputs=(
        Input(
            "residuals",
            ("platinum_z_756",),
            name="platinum",
            warmup=756,
            data=("prices[symbol=GLD].adj_close", "prices[symbol=PPLT].adj_close"),
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="Med",
    exposures=("EQUITY+", "GOLD-"),
    source="Huang & Kilic 2019 (the ratio as a predictor of equities; the pair trade is our own)",
    rationale="The ratio of gold to platinum is a variable of risk; its extremes revert over years.",
    formula="z = Z_756(ln GLD/PPLT), s = dead(z, 1.5, 3); PPLT = s, GLD = -s",
    differs={"pairs_mr": "gold against platinum over three years; that one trades platinum with palladium only"},
)
