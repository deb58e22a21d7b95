"""A squeeze in silver: more paper on less metal, and the lease rate tells how tight borrowing is. Long only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.helpers import lin, over
from qgtm_core.strategies.spec import Cadence, Input, Leg, Strategy
from qgtm_core.types import StrategyStatus

PARAMS: Mapping[str, Any] = {
    "k": 20,
    "win": 252,
    "w": [0.5, 0.3, 0.2],
    "x_min": 1.25,
    "full": 2.5,
    "lot": 5000,  # behind features/inventory.coverage
    "q_no_lease": 0.8,
    "q_weekly": 0.6,
}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the tightness of stocks and borrowing beyond its threshold; of stocks alone without a curve."""
    cover, shrinkage, borrowing = params["w"]
    stocks = -cover * pl.col(f"coverage_z_{params['win']}")
    stocks -= shrinkage * pl.col(f"registered_flow_{params['k']}_z_{params['win']}")
    lease = pl.col(f"lease_z_{params['win']}")
    tightness = pl.coalesce(stocks + borrowing * lease, over(stocks, cover + shrinkage))
    quality = pl.when(lease.is_null()).then(params["q_no_lease"]).otherwise(1.0)
    return panel.select(
        score=pl.when(tightness >= params["x_min"]).then(lin(tightness, params["full"])).otherwise(0.0),
        quality=pl.when(pl.col("weekly_interest")).then(params["q_weekly"]).otherwise(quality),
    )


_REGISTERED = "inventory[metal=silver,depository=ALL,category=total_registered].total_oz"

STRATEGY = Strategy(
    id="silver_comex_squeeze",
    number=36,
    category="flow",
    status=StrategyStatus.PAPER,
    cadence=Cadence.DAILY,
    horizon_sessions=15,
    symbols=("SLV",),
    legs=(Leg("SLV", market="silver"),),
    inputs=(
        Input(
            "inventory",
            ("registered_flow_20_z_252", "lease_z_252"),
            name="registered",
            warmup=273,
            optional=("lease_z_252",),
            data=(_REGISTERED,),
        ),
        Input(
            "inventory",
            ("coverage_z_252", "weekly_interest"),
            name="coverage",
            warmup=252,
            # of the two figures of open interest either will do
            data=(_REGISTERED, "open_interest[root=SI].open_interest", "positioning[cftc_code=084691].open_interest"),
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="Med",
    exposures=("SILVER_REL+", "LIQ_CROWD-"),
    source="Working 1949; Gorton, Hayashi & Rouwenhorst 2013; practitioners' rule",
    rationale="As in gold, with more paper to the metal and tighter borrowing.",
    formula=(
        "coverage = registered / (5000 OI); x = -0.5 Z(ln coverage) - 0.3 Z(ln reg_t / reg_t-20) + 0.2 Z(lease), Z "
        "over 252; without a lease rate the first two over 0.8; score = lin(x, 2.5) if x >= 1.25 else 0"
    ),
    differs={
        "gold_comex_squeeze": "silver, a higher threshold, and the lease rate implied by the curve",
        "comex_warehouse": "deliverable metal against open interest, long only; not the trend of all metal",
    },
)
