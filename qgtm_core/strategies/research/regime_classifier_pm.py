"""Gold by regime: with the trend while it trends, long in a crisis, flat while it reverts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.helpers import clip_score, over
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import StrategyStatus

# `states` and `hazard` are those of the models behind features/regime
PARAMS: Mapping[str, Any] = {
    "states": 3,
    "m": [0.6, 0.0, 0.4],
    "trend_h": 63,
    "hazard": 0.004,
    "cp_runs": 10,
    "cp_max": 0.5,
    "cp_q": 0.5,
}
PROBABILITIES = ("p_trending", "p_mean_reverting", "p_crisis")


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return Σ p m with the sign of the trend on the first term; less sure when the states are even or have changed."""
    trending, reverting, crisis = (pl.col(name) for name in PROBABILITIES)
    m_trending, m_reverting, m_crisis = params["m"]
    direction = pl.col(f"gld_t_{params['trend_h']}").sign()
    score = trending * m_trending * direction + reverting * m_reverting + crisis * m_crisis
    terms = [pl.when(p > 0.0).then(p * p.log()).otherwise(0.0) for p in (trending, reverting, crisis)]
    entropy = -(terms[0] + terms[1] + terms[2])
    sure = (1.0 - over(entropy, math.log(params["states"]))).clip(0.0, 1.0)
    changed = pl.col(f"change_probability_{params['cp_runs']}") > params["cp_max"]
    return panel.select(
        score=clip_score(score),
        quality=pl.when(changed).then(sure * params["cp_q"]).otherwise(sure),
    )


STRATEGY = Strategy(
    id="regime_classifier_pm",
    number=60,
    category="research",
    status=StrategyStatus.RESEARCH,
    cadence=Cadence.DAILY,
    horizon_sessions=10,
    symbols=("GLD",),
    inputs=(
        Input(
            "regime",
            ("gld_t_63", "change_probability_10"),
            name="gld",
            warmup=1260,
            data=("prices[symbol=GLD].adj_close",),
        ),
        Input("regime", (), name="real_10y", warmup=524, data=("macro[series_id=DFII10].value",)),
        Input("regime", (), name="uup", warmup=272, data=("prices[symbol=UUP].adj_close",)),
        Input("regime", (), name="vix", warmup=252, data=("macro[series_id=VIXCLS].value",)),
        Input("regime", (), name="gvz", warmup=252, data=("macro[series_id=GVZCLS].value",)),
        Input(
            "regime",
            PROBABILITIES,
            name="model",
            staleness="quarterly",
            warmup=1,  # a fit; what it was trained on is held by its ModelSpec
            data=("models[model_id=regime_classifier_pm].payload",),
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="High",
    exposures=("GOLD±",),
    source="Hamilton 1989; Rabiner 1989; Adams & MacKay 2007",
    rationale="Exposure depends on the state of the market; the state is inferred, never looked up afterwards.",
    formula="score = .6·p_trending·sign(t_63) + 0·p_mean_reverting + .4·p_crisis; Q = 1 − H(p)/ln 3, halved while "
    "P(run < 10 bars) > .5",
    differs={
        "gold_macro_regime": "a hidden state inferred from five standardised inputs, not a vote of thresholds",
        "tsmom": "the trend counts only as far as the state is a trending one",
    },
)
