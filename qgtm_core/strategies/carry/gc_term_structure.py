"""Basis momentum of gold: the first nearby's year against the second's shows who is short of balance sheet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.helpers import lin
from qgtm_core.strategies.spec import Cadence, Input, Leg, Strategy
from qgtm_core.types import StrategyStatus

PARAMS: Mapping[str, Any] = {"look": 252, "sd_win": 504, "z0": 2.0}


def momentum_score(spread: pl.Expr, params: Mapping[str, Any]) -> pl.Expr:
    """Return the year's return of the first nearby less that of the second, over `spread`, saturated."""
    look = params["look"]
    return lin((pl.col(f"nearby_return_{look}") - pl.col(f"next_return_{look}")) / spread, params["z0"])


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return basis momentum over its own standard deviation."""
    spread = pl.col(f"basis_momentum_sd_{params['sd_win']}")
    return panel.select(score=momentum_score(spread, params), quality=pl.lit(1.0))


STRATEGY = Strategy(
    id="gc_term_structure",
    number=50,
    category="carry",
    status=StrategyStatus.PAPER,
    cadence=Cadence.MONTHLY,
    horizon_sessions=21,
    symbols=("GLD",),
    legs=(Leg("GLD", market="gold"),),
    inputs=(
        Input(
            "curve",
            ("nearby_return_252", "next_return_252", "basis_momentum_sd_504"),
            warmup=756,
            data=("curve[root=GC].close",),
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="Low",
    exposures=("LIQ_CROWD±",),
    source="Boons & Prado 2019",
    rationale="A nearby that outruns the next contract shows intermediaries who cannot clear the market.",
    formula="R1, R2 = 252-day returns of the rolled first and second nearby; BM = R1 - R2; "
    "score = lin(BM / sd_504(BM))",
    differs={
        "carver_carry": "the change of the slope, not its level",
        "cross_carry": "the change of one metal's slope, not a rank of four",
        "backwardation_stress": "the change of the slope, not an event",
        "si_term_structure": "gold, not silver",
    },
)
