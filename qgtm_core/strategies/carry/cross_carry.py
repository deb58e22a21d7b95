"""Carry across metals: long those that are dear to borrow, short those that are cheap."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.schemas.features.curve import METALS
from qgtm_core.strategies.helpers import clip_score, rank
from qgtm_core.strategies.spec import Cadence, Input, Leg, Strategy
from qgtm_core.types import StrategyStatus

# `min_metals` is the declaration's `min_symbols`
PARAMS: Mapping[str, Any] = {"median_d": 5, "min_metals": 3}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the rank of each metal's implied lease rate among those known."""
    return panel.select(score=clip_score(rank(pl.col(f"lease_median_{params['median_d']}"))), quality=pl.lit(1.0))


STRATEGY = Strategy(
    id="cross_carry",
    number=51,
    category="carry",
    status=StrategyStatus.PAPER,
    cadence=Cadence.WEEKLY,
    horizon_sessions=30,
    symbols=tuple(fund for _, fund in METALS.values()),
    legs=tuple(Leg(fund, market=market) for market, (_, fund) in METALS.items()),
    inputs=(
        Input(
            "lease",
            ("lease_median_5",),
            warmup=5,
            data=("curve.close", "macro[series_id=SOFR].value"),
        ),
    ),
    params=PARAMS,
    rule=rule,
    min_symbols=PARAMS["min_metals"],
    capacity="Low",
    exposures=("SILVER_REL±", "LIQ_CROWD-"),
    source="Koijen, Moskowitz, Pedersen & Vrugt 2018; Gorton, Hayashi & Rouwenhorst 2013",
    rationale="A metal that is dear to borrow is scarce; scarce metals outrun plentiful ones.",
    formula="lease = SOFR + ln(F1 / F2) / (T2 - T1); score = rank of its 5-day median among the metals",
    differs={
        "carver_carry": "metals against each other, not each on its own",
        "gc_term_structure": "the level of four leases, not the change of one slope",
        "backwardation_stress": "a rank of either sign, not a long-only event",
    },
)
