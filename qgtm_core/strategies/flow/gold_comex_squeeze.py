"""Deliverable gold that shrinks against open interest raises the odds of a squeeze. Long only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.helpers import lin
from qgtm_core.strategies.spec import Cadence, Input, Leg, Strategy
from qgtm_core.types import StrategyStatus

PARAMS: Mapping[str, Any] = {
    "k": 20,
    "win": 252,
    "w": [0.6, 0.4],
    "x_min": 1.0,
    "full": 2.5,
    "lot": 100,  # behind features/inventory.coverage
    "q_weekly": 0.6,
}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the tightness of stocks beyond its threshold; less sure with the weekly open interest."""
    cover, shrinkage = params["w"]
    tightness = -cover * pl.col(f"coverage_z_{params['win']}")
    tightness -= shrinkage * pl.col(f"registered_flow_{params['k']}_z_{params['win']}")
    return panel.select(
        score=pl.when(tightness >= params["x_min"]).then(lin(tightness, params["full"])).otherwise(0.0),
        quality=pl.when(pl.col("weekly_interest")).then(params["q_weekly"]).otherwise(1.0),
    )


_REGISTERED = "inventory[metal=gold,depository=ALL,category=total_registered].total_oz"

STRATEGY = Strategy(
    id="gold_comex_squeeze",
    number=35,
    category="flow",
    status=StrategyStatus.PAPER,
    cadence=Cadence.DAILY,
    horizon_sessions=15,
    symbols=("GLD",),
    legs=(Leg("GLD", market="gold"),),
    inputs=(
        Input(
            "inventory",
            ("registered_flow_20_z_252",),
            name="registered",
            warmup=273,
            data=(_REGISTERED,),
        ),
        Input(
            "inventory",
            ("coverage_z_252", "weekly_interest"),
            name="coverage",
            warmup=252,
            # of the two figures of open interest either will do
            data=(_REGISTERED, "open_interest[root=GC].open_interest", "positioning[cftc_code=088691].open_interest"),
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="Med",
    exposures=("GOLD+", "LIQ_CROWD-"),
    source="Working 1949; Gorton, Hayashi & Rouwenhorst 2013; practitioners' rule",
    rationale="Shrinking deliverable stock relative to open interest raises the odds of a squeeze.",
    formula=(
        "coverage = registered / (100 OI); x = -0.6 Z_252(ln coverage) - 0.4 Z_252(ln reg_t / reg_t-20); "
        "score = lin(x, 2.5) if x >= 1 else 0"
    ),
    differs={
        "silver_comex_squeeze": "gold, a lower threshold, no lease rate",
        "comex_warehouse": "deliverable metal against open interest, long only; not the trend of all metal",
    },
)
