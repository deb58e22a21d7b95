"""Miners' residual to gold reverts. Declared DEAD: kept for research, silent in production."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from qgtm_core.strategies.helpers import over, pair_leg
from qgtm_core.strategies.replay import by_leg, flat, hysteresis
from qgtm_core.strategies.spec import Cadence, Input, Leg, Strategy
from qgtm_core.types import Reason, StrategyStatus

PARAMS: Mapping[str, Any] = {
    "win": 252,
    "adf_max": -3.05,
    "z_in": 2.0,
    "z_out": 0.5,
    "z_stop": 4.0,
    "full": 3.0,
    "r2_full": 0.7,
    "state_sessions": 252,
}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the score of each leg while in the trade, 0 while flat; GATE while the pair is not cointegrated."""
    z = by_leg(panel, f"miners_z_{params['win']}")
    side = hysteresis(z, params["z_in"], params["z_out"], params["z_stop"], params["state_sessions"])
    score = flat("score", side * np.minimum(1.0, np.abs(z) / params["full"]))
    slope, r2, adf = (pl.col(f"miners_{name}_{params['win']}") for name in ("slope", "r2", "adf"))
    return panel.with_columns(score).select(
        score=pair_leg(pl.col("score"), slope),
        quality=over(r2, params["r2_full"]).clip(0.0, 1.0),
        reason=pl.when(adf > params["adf_max"]).then(pl.lit(Reason.GATE.value)),
    )


STRATEGY = Strategy(
    id="miners_vs_metal",
    number=21,
    category="mr",
    status=StrategyStatus.DEAD,
    cadence=Cadence.DAILY,
    horizon_sessions=20,
    symbols=("GDX", "GLD"),
    legs=(Leg("GDX", pair="GDX/GLD", side="y"), Leg("GLD", pair="GDX/GLD", side="x")),
    inputs=(
        Input(
            "residuals",
            ("miners_z_252", "miners_slope_252", "miners_r2_252", "miners_adf_252"),
            name="miners",
            warmup=252,
            data=("prices[symbol=GDX].adj_close", "prices[symbol=GLD].adj_close"),
        ),
    ),
    params=PARAMS,
    rule=rule,
    rule_lookback=PARAMS["state_sessions"] - 1,
    capacity="Med",
    exposures=("MINERS_REL±",),
    source="Tufano 1998",
    rationale="Miners' residual to gold, net of their beta, reverts.",
    formula="ln GDX = a + b*ln GLD + u over 252 bars, z = u/sd(u), s = hyst(z; 2, 0.5, 4) * min(1, |z|/3); GDX = "
    "s/max(1, |b|), GLD = -b*s/max(1, |b|); GATE unless ADF t <= -3.05",
    differs={
        "gold_royalty_divergence": "the price residual of miners to the metal, not royalties against miners",
        "gold_miner_aisc_margin": "prices alone, no costs of production",
        "mvg_v1": "daily bars and overnight positions, not 30-minute bars",
        "miners_leverage": "both legs, hedged; not a direction of miners alone",
    },
)
