"""Gold against four moving averages: each votes when the price is clearly away from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.helpers import over
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import StrategyStatus

# `against` is what a vote keeps when its average slopes the other way
PARAMS: Mapping[str, Any] = {"ma": [20, 50, 100, 200], "band": 0.005, "slope_days": 10, "against": 0.5}


def _vote(days: int, params: Mapping[str, Any]) -> pl.Expr:
    gap = pl.col(f"average_gap_{days}")
    slope = pl.col(f"average_slope_{days}_{params['slope_days']}")
    weight = pl.when(gap.sign() * slope.sign() < 0).then(float(params["against"])).otherwise(1.0)
    return pl.when(gap.abs() >= params["band"]).then(gap.sign()).otherwise(0.0) * weight


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the mean vote of the moving averages."""
    votes = [_vote(days, params) for days in params["ma"]]
    return panel.select(score=over(pl.sum_horizontal(votes), len(votes)), quality=pl.lit(1.0))


STRATEGY = Strategy(
    id="gold_multi_ma_trend",
    number=19,
    category="momentum",
    status=StrategyStatus.PAPER,
    cadence=Cadence.DAILY,
    horizon_sessions=20,
    symbols=("GLD",),
    inputs=(
        Input(
            "trend",
            (
                *(f"average_gap_{n}" for n in PARAMS["ma"]),
                *(f"average_slope_{n}_10" for n in PARAMS["ma"]),
            ),
            name="gld",
            warmup=210,
            data=("prices[symbol=GLD].adj_close",),
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="High",
    exposures=("GOLD±",),
    source="Brock, Lakonishok & LeBaron 1992",
    rationale="A price above many of its averages is in a broad trend; a band keeps small crossings from trading.",
    formula="score = mean over n in {20, 50, 100, 200} of the vote sign(P / SMA_n - 1); none within 0.5 %, half of one "
    "against the 10-day slope of SMA_n",
    differs={
        "tsmom": "votes of averages on one asset, daily; that one is the sign of twelve months on five, monthly",
        "carver_trend": "discrete votes with a band; that one is a continuous forecast of crossovers",
        "gold_tsmom": "price against averages; that one averages t-statistics of returns",
    },
)
