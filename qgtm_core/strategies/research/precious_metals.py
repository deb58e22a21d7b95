"""The legacy bundle: the weighted mean of five older strategies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.spec import Cadence, Strategy
from qgtm_core.types import Reason, StrategyStatus

PARAMS: Mapping[str, Any] = {
    "w": {
        "gold_macro_regime": 0.30,
        "gold_momentum_mr": 0.25,
        "silver_industrial": 0.20,
        "miners_leverage": 0.15,
        "gold_seasonality": 0.10,
    },
    "min_children": 3,
}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the weighted mean of the children that speak on a symbol, sure in proportion to their weight.

    MISSING where fewer than `min_children` speak at all in the session, or none on the symbol.
    """
    said = {child: pl.col(f"score@{child}") for child in params["w"] if f"score@{child}" in panel.columns}
    weight = pl.sum_horizontal(
        pl.lit(0.0), *(pl.when(s.is_not_null()).then(params["w"][child]).otherwise(0.0) for child, s in said.items())
    )
    total = pl.sum_horizontal(pl.lit(0.0), *(params["w"][child] * s for child, s in said.items()))
    children = pl.sum_horizontal(
        pl.lit(0), *(s.is_not_null().any().over("session").cast(pl.Int32) for s in said.values())
    )
    few = (children < params["min_children"]) | (weight <= 0.0)
    return panel.select(
        score=pl.when(weight > 0.0).then(total / weight),
        quality=weight.clip(0.0, 1.0),
        reason=pl.when(few).then(pl.lit(Reason.MISSING.value)),
    )


STRATEGY = Strategy(
    id="precious_metals",
    number=65,
    category="research",
    status=StrategyStatus.RESEARCH,
    cadence=Cadence.DAILY,
    horizon_sessions=20,
    symbols=("GLD", "SLV", "GDX", "GDXJ"),
    inputs=(),
    params=PARAMS,
    rule=rule,
    capacity="Med",
    exposures=("GOLD+",),
    source="practitioner rule",
    rationale="Five older strategies in one bundle; never to run live together with its parts.",
    formula="score = sum(w * score) / sum(w) over the children that speak; at least three of five must",
    consumes=tuple(PARAMS["w"]),
    differs=dict.fromkeys(PARAMS["w"], "the bundle; never live together with its part"),
)
