"""Metal that flows into and out of trusts: creations and redemptions persist for weeks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.helpers import lin
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import StrategyStatus

PARAMS: Mapping[str, Any] = {"k": 20, "win": 252, "z0": 2.0, "q_derived": 0.6}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the standardised flow of a month; less sure where holdings are computed from the shares."""
    z = pl.col(f"flow_{params['k']}_z_{params['win']}")
    return panel.select(
        score=lin(z, params["z0"]),
        quality=pl.when(pl.col("derived")).then(params["q_derived"]).otherwise(1.0),
    )


STRATEGY = Strategy(
    id="etf_flow_pm",
    number=28,
    category="flow",
    status=StrategyStatus.PAPER,
    cadence=Cadence.DAILY,
    horizon_sessions=15,
    symbols=("GLD", "SLV", "PPLT", "PALL"),
    inputs=(
        Input(
            "flows",
            ("flow_20_z_252", "derived"),
            name="held",
            warmup=272,
            data=("flows[symbol={symbol}].tonnes",),  # or shares and ounces a share of the same rows
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="Med",
    exposures=("GOLD+", "LIQ_CROWD-"),
    source="O'Connor, Lucey, Batten & Baur 2015 (background); practitioners' rule",
    rationale="Creations and redemptions of trusts persist for weeks.",
    formula="f = ln(T_t / T_t-20), T = tonnes held; score = lin(Z_252(f), 2)",
    differs={"gold_etf_flow": "20-day persistence in four metals, followed; 29 fades 5-day extremes of gold"},
)
