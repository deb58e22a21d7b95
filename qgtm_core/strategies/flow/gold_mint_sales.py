"""Coins sold beyond the season: bargain hunting after a fall, euphoria after a rise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.helpers import clip_score, lin
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import StrategyStatus

PARAMS: Mapping[str, Any] = {
    "win_m": 60,
    "ret_days": 63,
    "ret_full": 0.10,
    "cap": 0.6,
    "z0": 2.0,
    "floor_oz": 1000,  # behind features/physical.mint_excess
    "q": 0.5,
}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return minus the product of the excess of coin sales and gold's return of a quarter, capped."""
    excess = lin(pl.col(f"mint_excess_over_sd_{params['win_m']}"), params["z0"])
    trend = lin(pl.col(f"gld_log_return_{params['ret_days']}"), params["ret_full"])
    return panel.select(score=clip_score(params["cap"] * (-excess * trend)), quality=pl.lit(params["q"]))


STRATEGY = Strategy(
    id="gold_mint_sales",
    number=33,
    category="flow",
    status=StrategyStatus.PAPER,
    cadence=Cadence.MONTHLY,
    horizon_sessions=40,
    symbols=("GLD",),
    inputs=(
        Input(
            "physical",
            ("mint_excess_over_sd_60",),
            name="mint",
            staleness="monthly",
            warmup=60,
            data=("mint.gold_oz",),
        ),
        Input(
            "physical",
            ("gld_log_return_63",),
            name="gld",
            warmup=64,
            data=("prices[symbol=GLD].adj_close",),
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="Low",
    exposures=("GOLD∓",),
    source="practitioners' rule",
    rationale="Retail demand for coins is bargain hunting when prices fall and euphoria when they rise.",
    formula=(
        "u = ln(oz + 1000) - its mean of the same month in 5 earlier years; "
        "score = -0.6 lin(u / sd_60(u), 2) lin(R_63, 0.10)"
    ),
    differs={"sge_withdrawals": "retail coins read against the price, not wholesale metal that is followed"},
)
