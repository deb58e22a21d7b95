"""Gold, silver and miners by three learners on the same features, each calibrated on purged folds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.helpers import clip_score, over
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import Reason, StrategyStatus

# pt, sl, h and embargo are those of the labels and folds behind features/learning
PARAMS: Mapping[str, Any] = {
    "w": [0.5, 0.25, 0.25],
    "pt": 1.5,
    "sl": 1.5,
    "h": 5,
    "embargo": 21,
    "cov_min": 0.90,
    "auc_0": 0.5,
    "auc_span": 0.05,
}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return 2p − 1 for the weighted probability p; MISSING while too few of the features are usable."""
    gbm, logit, ridge = (w * pl.col(name) for w, name in zip(params["w"], ("p_gbm", "p_logit", "p_ridge"), strict=True))
    skill = over(pl.col("auc") - params["auc_0"], params["auc_span"])
    return panel.select(
        score=clip_score(2.0 * (gbm + logit + ridge) - 1.0),
        quality=skill.clip(0.0, 1.0),
        reason=pl.when(pl.col("coverage") < params["cov_min"]).then(pl.lit(Reason.MISSING.value)),
    )


STRATEGY = Strategy(
    id="ml_ensemble",
    number=61,
    category="research",
    status=StrategyStatus.RESEARCH,
    cadence=Cadence.DAILY,
    horizon_sessions=5,
    symbols=("GLD", "SLV", "GDX"),
    inputs=(
        Input("learning", ("coverage",), warmup=1500, data=("prices[symbol={symbol}].adj_close",)),
        Input(
            "learning",
            ("p_gbm", "p_logit", "p_ridge", "auc"),
            name="model",
            staleness="quarterly",
            warmup=1,  # a fit; what it was trained on is held by its ModelSpec
            data=("models[model_id=ml_ensemble].payload",),
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="High",
    exposures=("GOLD±",),
    source="Gu, Kelly & Xiu 2020; López de Prado 2018",
    rationale="Many weak features may add up, if they are combined without looking ahead.",
    formula="p = .5·p_gbm + .25·p_logit + .25·p_ridge; score = 2p − 1; Q = (AUC out of sample − .5)/.05 in [0, 1]",
    differs={"meta_labeller_pm": "forecasts the market itself, not the success of other signals"},
)
