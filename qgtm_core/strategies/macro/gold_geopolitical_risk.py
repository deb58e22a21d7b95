"""Gold and silver against geopolitical risk: long while newspapers write more of threats and acts than usual."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.helpers import clip_score, dead
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import StrategyStatus

# `fast`, `slow`, `w_threat` and `w_act` name the means and weights behind features/geopolitics.gpr_heat
PARAMS: Mapping[str, Any] = {
    "fast": 7,
    "slow": 90,
    "w_threat": 0.6,
    "w_act": 0.4,
    "win": 756,
    "dead": 0.5,
    "full": 2.5,
    "slv": 0.4,
    "q": 0.8,
}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the heat beyond its dead zone on gold and a part of it on silver; never below zero."""
    heat = dead(pl.col(f"gpr_heat_z_{params['win']}"), params["dead"], params["full"]).clip(lower_bound=0.0)
    share = pl.when(pl.col("symbol") == "SLV").then(params["slv"]).otherwise(1.0)
    return panel.select(score=clip_score(share * heat), quality=pl.lit(params["q"]))


STRATEGY = Strategy(
    id="gold_geopolitical_risk",
    number=5,
    category="macro",
    status=StrategyStatus.PAPER,
    cadence=Cadence.DAILY,
    horizon_sessions=15,
    symbols=("GLD", "SLV"),
    inputs=(
        Input(
            "geopolitics",
            ("gpr_heat_z_756",),
            name="gpr",
            staleness="weekly",
            warmup=845,
            data=("macro[series_id=GPRD_THREAT].value", "macro[series_id=GPRD_ACT].value"),
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="Med",
    exposures=("GOLD+", "VOL+", "EQUITY-"),
    source="Caldara & Iacoviello 2022; Baur & Smales 2020",
    rationale="Gold, and less so silver, hedges geopolitical risk; threats matter more than acts.",
    formula="x = 0.6 ln(MA7/MA90 of threats) + 0.4 ln(MA7/MA90 of acts); z = Z_756(x); "
    "GLD = max(0, dead(z, 0.5, 2.5)), SLV = 0.4 GLD",
    differs={"vix_haven": "fears read from newspapers, not from the price of equity options"},
)
