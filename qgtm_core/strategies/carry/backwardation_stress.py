"""Stress in the vaults: long while a metal is dear to borrow or its curve is inverted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.helpers import over
from qgtm_core.strategies.spec import Cadence, Input, Leg, Strategy
from qgtm_core.types import StrategyStatus

PARAMS: Mapping[str, Any] = {
    "lease_lo": 0.005,
    "lease_span": 0.015,
    "w_lease": 0.7,
    "w_inv": 0.3,
    "inv_tol": 0.0005,
    "inv_days": 3,
}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the lease beyond its usual height, and a step while the curve was inverted for `inv_days` sessions."""
    height = over(pl.col("lease") - params["lease_lo"], params["lease_span"]).clip(0.0, 1.0)
    premium = pl.col(f"front_premium_min_{params['inv_days']}")
    inverted = pl.when(premium > params["inv_tol"]).then(1.0).when(premium.is_not_null()).then(0.0)
    score = params["w_lease"] * height + params["w_inv"] * inverted
    return panel.select(score=score.clip(0.0, 1.0), quality=pl.lit(1.0))


STRATEGY = Strategy(
    id="backwardation_stress",
    number=52,
    category="carry",
    status=StrategyStatus.PAPER,
    cadence=Cadence.DAILY,
    horizon_sessions=15,
    symbols=("GLD", "SLV"),
    legs=(Leg("GLD", market="gold"), Leg("SLV", market="silver")),
    inputs=(
        Input("lease", ("lease",), warmup=3, data=("curve.close", "macro[series_id=SOFR].value")),
        Input("curve", ("front_premium_min_3",), warmup=3, data=("curve.close",)),
    ),
    params=PARAMS,
    rule=rule,
    capacity="Low",
    exposures=("GOLD+", "LIQ_CROWD-"),
    source="Barone-Adesi, Geman & Theal 2010; Gorton, Hayashi & Rouwenhorst 2013",
    rationale="A metal that lies in vaults is backwardated only when what lies there is not for hire.",
    formula="b = 1 if F1 > 1.0005 F2 on 3 sessions in a row; score = 0.7 clip((lease - 0.005) / 0.015, 0, 1) + 0.3 b",
    differs={
        "carver_carry": "a long-only event, not a standing forecast",
        "gc_term_structure": "the level of lease and slope in stress, not the change of the slope",
        "cross_carry": "each metal on its own and long only, not a rank",
    },
)
