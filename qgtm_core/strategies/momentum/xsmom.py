"""Cross-sectional momentum: metals ranked by their return over twelve months without the last one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.helpers import rank
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import StrategyStatus

PARAMS: Mapping[str, Any] = {"look": 252, "skip": 21, "min_symbols": 3}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the rank of each metal among those usable, from -1 (weakest) to 1; the sum is zero."""
    value = pl.col(f"log_return_{params['look']}_{params['skip']}")
    return panel.select(score=rank(value), quality=pl.lit(1.0))


STRATEGY = Strategy(
    id="xsmom",
    number=13,
    category="momentum",
    status=StrategyStatus.PAPER,
    cadence=Cadence.MONTHLY,
    horizon_sessions=21,
    symbols=("GLD", "SLV", "PPLT", "PALL"),
    inputs=(Input("momentum", ("log_return_252_21",), warmup=253, data=("prices[symbol={symbol}].adj_close",)),),
    params=PARAMS,
    rule=rule,
    capacity="High",
    exposures=("SILVER_REL±", "GOLD~0"),
    source="Miffre & Rallis 2007; Asness, Moskowitz & Pedersen 2013",
    rationale="Relative winners among metals keep winning for a month; neutral to the group by construction.",
    formula="score_i = rank(ln P_{t-21} / P_{t-252})_i over the metals, in [-1, 1]",
    min_symbols=PARAMS["min_symbols"],
    differs={
        "tsmom": "ranks metals against each other and sums to zero; that one takes each asset's own sign",
        "skew_trades": "ranks the return; that one ranks the skewness",
    },
)
