"""Falling stocks of all metal in the warehouses, slowly and in both directions: the theory of storage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.helpers import lin
from qgtm_core.strategies.spec import Cadence, Input, Leg, Strategy
from qgtm_core.types import StrategyStatus

PARAMS: Mapping[str, Any] = {"k": 60, "win": 252, "z0": 2.0, "cap": 0.5, "q": 0.6}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return minus the standardised change of stocks over a quarter, capped."""
    z = pl.col(f"total_flow_{params['k']}_z_{params['win']}")
    return panel.select(score=-params["cap"] * lin(z, params["z0"]), quality=pl.lit(params["q"]))


STRATEGY = Strategy(
    id="comex_warehouse",
    number=57,
    category="research",
    status=StrategyStatus.RESEARCH,
    cadence=Cadence.WEEKLY,
    horizon_sessions=40,
    symbols=("GLD", "SLV"),
    legs=(Leg("GLD", market="gold"), Leg("SLV", market="silver")),
    inputs=(
        Input(
            "inventory",
            ("total_flow_60_z_252",),
            name="total",
            warmup=312,
            data=(
                "inventory[depository=ALL,category=total_registered].total_oz",
                "inventory[depository=ALL,category=total_eligible].total_oz",
            ),
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="Low",
    exposures=("GOLD+",),
    source="Working 1949; Gorton, Hayashi & Rouwenhorst 2013",
    rationale="Falling stocks mean higher prices; a slow signal without the logic of a squeeze.",
    formula="g = ln(total_t / total_t-60), total = registered + eligible; score = -0.5 lin(Z_252(g), 2)",
    differs={
        "gold_comex_squeeze": "the trend of all metal, two-sided, no open interest",
        "silver_comex_squeeze": "the trend of all metal, two-sided, no open interest, no lease rate",
    },
)
