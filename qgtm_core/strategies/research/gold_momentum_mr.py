"""Gold's twelve-month momentum without the last month, less what it ran in the last week."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.helpers import clip_score, lin
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import StrategyStatus

PARAMS: Mapping[str, Any] = {"look": 252, "skip": 21, "rev": 5, "w": [0.7, 0.3], "z0": 2.0}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return weighted momentum minus weighted reversal."""
    momentum = lin(pl.col(f"momentum_t_{params['look']}_{params['skip']}"), params["z0"])
    week = lin(pl.col(f"reversal_t_{params['rev']}"), params["z0"])
    follow, fade = (float(weight) for weight in params["w"])
    return panel.select(score=clip_score(follow * momentum - fade * week), quality=pl.lit(1.0))


STRATEGY = Strategy(
    id="gold_momentum_mr",
    number=68,
    category="research",
    status=StrategyStatus.RESEARCH,
    cadence=Cadence.DAILY,
    horizon_sessions=10,
    symbols=("GLD",),
    inputs=(
        Input(
            "trend",
            ("momentum_t_252_21", "reversal_t_5"),
            name="gld",
            warmup=273,
            data=("prices[symbol=GLD].adj_close",),
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="High",
    exposures=("GOLD±",),
    source="Moskowitz, Ooi & Pedersen 2012; Balvers & Wu 2006",
    rationale="Returns persist over a year and revert over a week; together they enter trends on pullbacks.",
    formula="score = clip(0.7 * lin(t) - 0.3 * lin(z5)), t = R_{252 to 21} / (sigma_d * sqrt(231)), "
    "z5 = R_5 / (sigma_d * sqrt(5))",
    differs={
        "tsmom": "continuous, daily, fades the last week; that one is the sign of twelve months, monthly",
        "xsmom": "gold against its own past; that one ranks metals against each other",
        "carver_trend": "one look-back of returns; that one crosses moving averages at three speeds",
        "gold_tsmom": "skips the last month and fades the last week; that one follows every horizon",
        "precious_metals": "a child of that composite; the two are never live together",
    },
)
