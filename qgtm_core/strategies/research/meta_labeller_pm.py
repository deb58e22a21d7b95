"""Other strategies' signals, kept, halved or dropped by the probability that they make money."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from qgtm_core.models import meta
from qgtm_core.strategies.spec import EVERY, Cadence, Input, Strategy
from qgtm_core.types import Reason, StrategyStatus
from qgtm_core.universe import TRADED

FloatArray = NDArray[np.float64]

# `max_age_d` is the age at which features/meta drops a fit
PARAMS: Mapping[str, Any] = {"keep": 0.55, "reject": 0.45, "reduce_mult": 0.5, "max_age_d": 31, "q_floor": 0.2}


@dataclass(frozen=True, slots=True)
class Decided:
    """What becomes of the views that a fit may judge: place among the views, p (NaN = flat), score, quality."""

    view: NDArray[np.int64]
    p: FloatArray
    score: FloatArray
    quality: FloatArray


def apply_meta(score: FloatArray, p: FloatArray, params: Mapping[str, Any]) -> FloatArray:
    """The primary's score times 1, `reduce_mult` or 0, by its probability of success; NaN without one."""
    multiplier = np.where(p >= params["keep"], 1.0, np.where(p >= params["reject"], params["reduce_mult"], 0.0))
    return np.where(np.isnan(p), np.nan, score * multiplier)


def decided(panel: pl.DataFrame, views: meta.Views, params: Mapping[str, Any]) -> Decided:
    """Judge every view that the fit of its session knows. A flat one stays, with the least quality."""
    names = meta.primaries_of(panel)
    fit = panel["fitted"].cast(pl.Int32).cast(pl.Float64).fill_null(np.nan).to_numpy()[views.row]
    allowed, p = np.zeros(len(fit), dtype=bool), np.full(len(fit), np.nan)
    edges = np.flatnonzero(np.diff(fit, prepend=np.nan, append=np.nan) != 0.0)  # NaN equals nothing
    for start, stop in pairwise(edges.tolist()):
        text = panel["payload"][int(views.row[start])] if np.isfinite(fit[start]) else None
        model = None if text is None else meta.from_packed(text)
        if model is not None:
            known = np.isin(names, model.primaries)
            allowed[start:stop] = known[views.primary[start:stop]]
            bets = start + np.flatnonzero(allowed[start:stop] & (views.score[start:stop] != 0.0))
            p[bets] = model.learner.probability(views.x[bets])
    at = np.flatnonzero(allowed)
    score, p = views.score[at], p[at]
    kept = np.where(score == 0.0, 0.0, apply_meta(score, p, params))
    sure = np.where(np.isnan(p), params["q_floor"], np.clip(np.abs(2.0 * p - 1.0), params["q_floor"], 1.0))
    return Decided(at, p, kept, sure)


def decisions(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """What becomes of every primary: `session, symbol, primary, primary_score, p, score, quality`.

    Only primaries that the session's fit may judge have rows. A flat view (score 0) is no bet: it stays, with p null
    and the least quality.
    """
    views, names = meta.views_of(panel), pl.Series(meta.primaries_of(panel), dtype=pl.String)
    made = decided(panel, views, params)
    return panel.select(pl.col("session", "symbol").gather(views.row[made.view])).with_columns(
        names.gather(views.primary[made.view]).alias("primary"),
        pl.Series("primary_score", views.score[made.view]),
        pl.Series("p", made.p, nan_to_null=True),
        pl.Series("score", made.score),
        pl.Series("quality", made.quality),
    )


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the mean of the decided scores of each symbol; MISSING where no primary could be judged."""
    views = meta.views_of(panel)
    made = decided(panel, views, params)
    row = views.row[made.view]
    count = np.bincount(row, minlength=panel.height)
    judged = np.where(count > 0, count, np.nan)
    score, quality = (np.bincount(row, values, panel.height) / judged for values in (made.score, made.quality))
    frame = pl.DataFrame({"score": score, "quality": quality}, nan_to_null=True)
    missing = pl.when(pl.col("score").is_null()).then(pl.lit(Reason.MISSING.value))
    return frame.with_columns(reason=missing)


STRATEGY = Strategy(
    id="meta_labeller_pm",
    number=62,
    category="research",
    status=StrategyStatus.RESEARCH,
    cadence=Cadence.DAILY,
    horizon_sessions=0,  # that of the primaries
    symbols=TRADED,
    inputs=(
        Input(
            "meta",
            ("fitted", "payload"),
            name="model",
            staleness="monthly",
            warmup=1,  # a fit; what it was trained on is held by its ModelSpec
            optional=("fitted", "payload"),  # null once the fit is too old
            data=("meta_models[model_id=meta_labeller_pm].payload",),
        ),
        Input("prices", meta.STATE["prices"], warmup=500, data=("prices[symbol={symbol}].adj_close",)),
        Input("volatility", meta.STATE["volatility"], name="vix", warmup=252, data=("macro[series_id=VIXCLS].value",)),
        Input(
            "regime",
            meta.STATE["regime"],
            name="model",
            staleness="quarterly",
            warmup=1,
            data=("models[model_id=regime_classifier_pm].payload",),
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="High",
    exposures=("inherits",),
    source="López de Prado 2018; Joubert 2022",
    rationale="Whether a signal works depends on the state it is given in; a second model may learn when to listen.",
    consumes=(EVERY,),
    formula="per primary: score × 1 if p ≥ .55, × .5 if .45 ≤ p < .55, × 0 if p < .45; a symbol gets the mean; "
    "Q = max(|2p − 1|, .2)",
    differs={"ml_ensemble": "judges the signals of others; has no view of its own"},
)
