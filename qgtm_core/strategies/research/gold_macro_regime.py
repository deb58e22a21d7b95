"""Four votes on gold: real yields, the dollar, expected inflation and credit, each by its move of 60 sessions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.helpers import clip_score
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import StrategyStatus

# `bands`: percentage points of the real yield, return of the dollar, percentage points of breakeven and of spread
PARAMS: Mapping[str, Any] = {"k": 60, "w": [0.4, 0.3, 0.2, 0.1], "bands": [0.10, 0.01, 0.10, 0.25]}
_ROUNDING = 1e-9  # yields come in hundredths; a difference of two may fall short of a band by rounding alone


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the weighted sum of the votes; a move inside its band abstains."""
    k = params["k"]
    moves = (
        -pl.col(f"real_10y_chg_{k}"),
        -pl.col(f"uup_return_{k}"),
        pl.col(f"breakeven_10y_chg_{k}"),
        pl.col(f"high_yield_spread_chg_{k}"),
    )
    votes = [
        w * pl.when(move.abs() >= band - _ROUNDING).then(move.sign()).when(move.is_not_null()).then(0.0)
        for w, move, band in zip(params["w"], moves, params["bands"], strict=True)
    ]
    return panel.select(score=clip_score(sum(votes[1:], start=votes[0])), quality=pl.lit(1.0))


STRATEGY = Strategy(
    id="gold_macro_regime",
    number=66,
    category="research",
    status=StrategyStatus.RESEARCH,
    cadence=Cadence.WEEKLY,
    horizon_sessions=40,
    symbols=("GLD",),
    inputs=(
        Input("macro", ("real_10y_chg_60",), name="real_10y", warmup=61, data=("macro[series_id=DFII10].value",)),
        Input("cross_asset", ("uup_return_60",), name="uup", warmup=61, data=("prices[symbol=UUP].adj_close",)),
        Input(
            "macro", ("breakeven_10y_chg_60",), name="breakeven_10y", warmup=61, data=("macro[series_id=T10YIE].value",)
        ),
        Input(
            "macro",
            ("high_yield_spread_chg_60",),
            name="high_yield_spread",
            warmup=61,
            data=("macro[series_id=BAMLH0A0HYM2].value",),
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="High",
    exposures=("REAL_RATE+", "USD-"),
    source="Practitioner rule; no paper",
    rationale="Four plain questions about the regime, each answered yes, no or nothing.",
    formula="v1 = -sign(change of real yield) if at least 0.10, v2 = -sign(R_UUP) if 1 %, "
    "v3 = sign(change of breakeven) if 0.10, v4 = sign(change of spread) if 0.25, over 60 observations; "
    "score = 0.4 v1 + 0.3 v2 + 0.2 v3 + 0.1 v4",
    differs={
        "real_rate_gold": "a vote by the week, no z-score",
        "gold_real_rate_residual": "a vote on changes, not a level",
        "dxy_gold": "a vote by the week, no z-score and no correlation gate",
        "breakeven_inflation_gold": "a vote by the week, no z-score",
        "precious_metals": "one of its children; never live beside it",
    },
)
