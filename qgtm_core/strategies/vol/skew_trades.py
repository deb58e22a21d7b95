"""Metals by realised skewness: negative skew is bought, positive skew is sold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.helpers import rank
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import StrategyStatus

PARAMS: Mapping[str, Any] = {"win": 252, "min_symbols": 3}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return minus the rank of each metal's skewness among those usable; the sum is zero."""
    return panel.select(score=-rank(pl.col(f"skew_{params['win']}")), quality=pl.lit(1.0))


STRATEGY = Strategy(
    id="skew_trades",
    number=42,
    category="vol",
    status=StrategyStatus.PAPER,
    cadence=Cadence.MONTHLY,
    horizon_sessions=21,
    symbols=("GLD", "SLV", "PPLT", "PALL"),
    inputs=(Input("skewness", ("skew_252",), warmup=253, data=("prices[symbol={symbol}].adj_close",)),),
    params=PARAMS,
    rule=rule,
    capacity="Med",
    exposures=("SILVER_REL±",),
    source="Fernandez-Perez, Frijns, Fuertes & Miffre 2018",
    rationale="Investors overpay for the chance of a jump up, so commodities with negative skew outperform.",
    formula="score_i = -rank(sample skewness of 252 daily log returns)_i",
    min_symbols=PARAMS["min_symbols"],
    differs={
        "gold_options_skew": "realised skewness across metals; that one reads quoted 25-delta risk reversals of gold",
        "xsmom": "ranks the third moment; that one ranks the return",
    },
)
