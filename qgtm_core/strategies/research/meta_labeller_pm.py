"""Other strategies' signals, kept, halved or dropped by the probability that they make money."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.models import meta
from qgtm_core.strategies.spec import EVERY, Cadence, Input, Strategy
from qgtm_core.types import Reason, StrategyStatus
from qgtm_core.universe import TRADED

# `max_age_d` is the age at which features/meta drops a fit
PARAMS: Mapping[str, Any] = {"keep": 0.55, "reject": 0.45, "reduce_mult": 0.5, "max_age_d": 31, "q_floor": 0.2}
_ROW = ("session", "symbol")


def apply_meta(score: pl.Expr, p: pl.Expr, params: Mapping[str, Any]) -> pl.Expr:
    """The primary's score times 1, `reduce_mult` or 0, by its probability of success."""
    multiplier = (
        pl.when(p >= params["keep"])
        .then(1.0)
        .when(p >= params["reject"])
        .then(params["reduce_mult"])
        .when(p.is_not_null())
        .then(0.0)
    )
    return score * multiplier


def decisions(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """What becomes of every primary: `session, symbol, primary, primary_score, p, score, quality`.

    Only primaries that the session's fit may judge have rows. A flat view (score 0) is no bet: it stays, with p null
    and the least quality.
    """
    parts = [_decided(part, str(text), params) for (text,), part in panel.group_by("payload") if text is not None]
    keys = {"session": pl.Date, "symbol": pl.String, "primary": pl.String}
    numbers = dict.fromkeys(("primary_score", "p", "score", "quality"), pl.Float64)
    return pl.concat([pl.DataFrame(schema={**keys, **numbers}), *parts]).sort("session", "symbol", "primary")


def _decided(panel: pl.DataFrame, text: str, params: Mapping[str, Any]) -> pl.DataFrame:
    """The decisions of the sessions that share a fit."""
    model = meta.from_packed(text)
    judged_by = set(model.primaries) if model else set()
    primaries = [name for name in meta.primaries_of(panel) if name in judged_by]
    judged = meta.signals_judged(panel, primaries)
    p, score = pl.col("p"), pl.col("primary_score")
    bets = judged.select(*_ROW, "primary", primary_score="score")
    bets = bets.with_columns(meta.probabilities(model, judged) if model else pl.lit(None, pl.Float64).alias("p"))
    bets = bets.with_columns(
        score=apply_meta(score, p, params),
        quality=(2.0 * p - 1.0).abs().clip(params["q_floor"], 1.0),
    )
    flat = [
        panel.filter(pl.col(meta.SCORE + name) == 0.0).select(
            *_ROW,
            primary=pl.lit(name),
            primary_score=pl.lit(0.0),
            p=pl.lit(None, pl.Float64),
            score=pl.lit(0.0),
            quality=pl.lit(params["q_floor"], pl.Float64),
        )
        for name in primaries
    ]
    return pl.concat([bets, *flat])


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the mean of the decided scores of each symbol; MISSING where no primary could be judged."""
    made = decisions(panel, params)
    each = made.group_by(_ROW, maintain_order=True).agg(pl.col("score", "quality").mean())
    rows = panel.select(_ROW).join(each, on=list(_ROW), how="left", maintain_order="left")
    missing = pl.when(pl.col("score").is_null()).then(pl.lit(Reason.MISSING.value))
    return rows.select("score", "quality", reason=missing)


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
            ("payload",),
            name="model",
            staleness="monthly",
            warmup=500,
            data=("meta_models[model_id=meta_labeller_pm].payload",),
        ),
        Input("prices", meta.STATE["prices"], warmup=252, data=("prices[symbol={symbol}].adj_close",)),
        Input("volatility", meta.STATE["volatility"], name="vix", warmup=252, data=("macro[series_id=VIXCLS].value",)),
        Input(
            "regime",
            meta.STATE["regime"],
            name="model",
            staleness="quarterly",
            warmup=500,
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
