"""Extreme flows into the gold trust within a week are not fundamental and revert."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.helpers import clip_score, dead
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import StrategyStatus

PARAMS: Mapping[str, Any] = {"k": 5, "win": 252, "dead": 1.5, "full": 3.0, "q": 0.8}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return minus the standardised flow of a week beyond its dead zone."""
    z = pl.col(f"issuer_flow_{params['k']}_z_{params['win']}")
    return panel.select(score=clip_score(-dead(z, params["dead"], params["full"])), quality=pl.lit(params["q"]))


STRATEGY = Strategy(
    id="gold_etf_flow",
    number=29,
    category="flow",
    status=StrategyStatus.DEAD,
    cadence=Cadence.DAILY,
    horizon_sessions=10,
    symbols=("GLD",),
    inputs=(
        Input(
            "flows",
            ("issuer_flow_5_z_252",),
            name="issuer",
            warmup=257,
            data=("flows[symbol=GLD].tonnes",),
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="Med",
    exposures=("GOLD∓",),
    source="Brown, Davies & Ringgenberg 2021",
    rationale="Extreme short-run flows are demand without news, and revert. Needs the issuer's own tonnes.",
    formula="f = ln(T_t / T_t-5), T = the issuer's tonnes; score = -dead(Z_252(f), 1.5, 3)",
    differs={"etf_flow_pm": "5 days instead of 20, extremes only, contrarian, gold only, the issuer's figure only"},
)
