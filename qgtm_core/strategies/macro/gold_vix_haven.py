"""Gold and the slope of the VIX curve: a haven premium as far as gold has moved with the VIX lately."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.helpers import clip_score, lin, over
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import StrategyStatus

PARAMS: Mapping[str, Any] = {"win": 252, "rho_win": 63, "rho_full": 0.3, "q_floor": 0.3, "z0": 2.0}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the z-scored slope, scaled by gold's correlation with the VIX; zero while that is not positive."""
    strength = over(pl.col(f"gld_vix_corr_{params['rho_win']}"), params["rho_full"]).clip(0.0, 1.0)
    return panel.select(
        score=clip_score(strength * lin(pl.col(f"vix_slope_z_{params['win']}"), params["z0"])),
        quality=strength.clip(lower_bound=params["q_floor"]),
    )


STRATEGY = Strategy(
    id="gold_vix_haven",
    number=10,
    category="macro",
    status=StrategyStatus.PAPER,
    cadence=Cadence.DAILY,
    horizon_sessions=10,
    symbols=("GLD",),
    inputs=(
        Input(
            "haven",
            ("vix_slope_z_252",),
            name="vix_slope",
            warmup=252,
            data=("macro[series_id=VIXCLS].value", "macro[series_id=VXVCLS].value"),
        ),
        Input(
            "haven",
            ("gld_vix_corr_63",),
            name="gld_vix",
            warmup=64,
            data=("prices[symbol=GLD].adj_close", "macro[series_id=VIXCLS].value"),
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="Med",
    exposures=("VOL+", "EQUITY-"),
    source="Baur & Lucey 2010; Johnson 2017",
    rationale="An inverted VIX curve is acute fear; gold profits from it only while it behaves as a haven.",
    formula="z = Z_252(VIX / VIX3M); g = clip(corr(r_GLD, change of VIX; 63) / 0.3, 0, 1); score = g lin(z)",
    differs={
        "vix_haven": "slope times realised correlation, continuous and two-sided; no level trigger and no decay",
    },
)
