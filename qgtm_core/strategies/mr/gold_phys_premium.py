"""The premium of the closed-end gold fund over its net asset value is sentiment and reverts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.helpers import lin
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import StrategyStatus

PARAMS: Mapping[str, Any] = {"win": 252, "w_dir": 0.0, "z0": 2.0, "pi_max": 0.05, "q_wide": 0.5}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the score of the fund against its premium, hedged on GLD but for the directional weight."""
    score = -lin(pl.col(f"premium_z_{params['win']}"), params["z0"])
    usual = pl.col("premium").abs() < params["pi_max"]
    return panel.select(
        score=pl.when(pl.col("symbol") == "PHYS").then(score).otherwise(-score * (1.0 - params["w_dir"])),
        quality=pl.when(usual).then(1.0).otherwise(params["q_wide"]),
    )


STRATEGY = Strategy(
    id="gold_phys_premium",
    number=27,
    category="mr",
    status=StrategyStatus.PAPER,
    cadence=Cadence.DAILY,
    horizon_sessions=15,
    symbols=("PHYS", "GLD"),
    inputs=(
        Input(
            "premium",
            ("premium", "premium_z_252"),
            name="premium",
            warmup=252,
            data=("flows[symbol=PHYS].nav_usd", "prices[symbol=PHYS].close"),
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="Med",
    exposures=("LIQ_CROWD",),
    source="Pontiff 1995",
    rationale="The premium of a closed-end fund is sentiment and reverts to net asset value.",
    formula="p = close/NAV - 1 of the same day, z = Z_252(p), s = -lin(z, 2); PHYS = s, GLD = -(1 - w_dir)*s",
    differs={"gold_sge_premium": "a fund against its net asset value, not Shanghai against London"},
)
