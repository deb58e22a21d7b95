"""Carry of metals as a forecast: the slope of the futures curve against the metal's volatility, smoothed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.schemas.features.curve import METALS
from qgtm_core.strategies.helpers import over
from qgtm_core.strategies.spec import Cadence, Input, Leg, Strategy
from qgtm_core.types import StrategyStatus

PARAMS: Mapping[str, Any] = {"scalar": 30, "span": 90, "cap": 20}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the smoothed carry times its scalar, capped, over the cap."""
    cap = float(params["cap"])
    forecast = pl.col(f"carry_ewma_{params['span']}") * float(params["scalar"])
    return panel.select(score=over(forecast.clip(-cap, cap), cap), quality=pl.lit(1.0))


STRATEGY = Strategy(
    id="carver_carry",
    number=16,
    category="momentum",
    status=StrategyStatus.PAPER,
    cadence=Cadence.DAILY,
    horizon_sessions=60,
    symbols=tuple(fund for _, fund in METALS.values()),
    legs=tuple(Leg(fund, market=market) for market, (_, fund) in METALS.items()),
    inputs=(
        Input(
            "carry",
            ("carry_ewma_90",),
            warmup=100,
            data=("curve.close", "prices[symbol={symbol}].adj_close"),
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="Low",
    exposures=("GOLD-", "LIQ_CROWD-"),
    source="Carver 2015; Koijen, Moskowitz, Pedersen & Vrugt 2018",
    rationale="What a position earns when nothing moves; gold pays it away whenever interest exceeds the lease rate.",
    formula="raw = [(F1 - F2) / (T2 - T1)] / (annual sd of F1); score = clip(30 EWMA_90(raw), -20, 20) / 20",
    differs={
        "gc_term_structure": "the level of the slope, not its change",
        "cross_carry": "each metal on its own, not ranked against the others",
        "backwardation_stress": "a standing forecast of either sign, not a long-only event",
    },
)
