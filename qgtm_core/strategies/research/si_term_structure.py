"""Basis momentum of silver: the rule of gold on the silver curve."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.carry.gc_term_structure import momentum_score
from qgtm_core.strategies.spec import Cadence, Input, Leg, Strategy
from qgtm_core.types import StrategyStatus

PARAMS: Mapping[str, Any] = {"look": 252, "sd_win": 504, "sd_floor": 0.002, "z0": 2.0}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return basis momentum over its own standard deviation, which counts as no less than `sd_floor`."""
    spread = pl.col(f"basis_momentum_sd_{params['sd_win']}").clip(lower_bound=params["sd_floor"])
    return panel.select(score=momentum_score(spread, params), quality=pl.lit(1.0))


STRATEGY = Strategy(
    id="si_term_structure",
    number=63,
    category="research",
    status=StrategyStatus.RESEARCH,
    cadence=Cadence.MONTHLY,
    horizon_sessions=21,
    symbols=("SLV",),
    legs=(Leg("SLV", market="silver"),),
    inputs=(
        Input(
            "curve",
            ("nearby_return_252", "next_return_252", "basis_momentum_sd_504"),
            warmup=756,
            data=("curve[root=SI].close",),
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="Low",
    exposures=("SILVER_REL±",),
    source="Boons & Prado 2019",
    rationale="A nearby that outruns the next contract shows intermediaries who cannot clear the market.",
    formula="R1, R2 = 252-day returns of the rolled first and second nearby; BM = R1 - R2; "
    "score = lin(BM / max(sd_504(BM), 0.002))",
    differs={"gc_term_structure": "silver, not gold, with a floor under the standard deviation"},
)
