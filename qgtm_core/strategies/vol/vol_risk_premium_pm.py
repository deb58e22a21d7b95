"""Gold's variance premium: long while options are dear against what the metal does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.helpers import lin
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import StrategyStatus

# `rv` is the window behind features/variance_premium.vrp
PARAMS: Mapping[str, Any] = {"rv": 21, "win": 252, "z0": 2.0, "cap": 0.5, "q": 0.6}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the cap times the saturated z-score of the premium."""
    z = pl.col(f"vrp_z_{params['win']}")
    return panel.select(score=params["cap"] * lin(z, params["z0"]), quality=pl.lit(params["q"]))


STRATEGY = Strategy(
    id="vol_risk_premium_pm",
    number=39,
    category="vol",
    status=StrategyStatus.PAPER,
    cadence=Cadence.DAILY,
    horizon_sessions=20,
    symbols=("GLD",),
    inputs=(
        Input("variance_premium", ("vrp_z_252",), name="gvz", warmup=273, data=("macro[series_id=GVZCLS].value",)),
        Input("variance_premium", (), name="gld", warmup=273, data=("prices[symbol=GLD].adj_close",)),
    ),
    params=PARAMS,
    rule=rule,
    capacity="Med",
    exposures=("VOL-", "GOLD+"),
    source="Carr & Wu 2009; Bollerslev, Tauchen & Zhou 2009; Prokopczuk, Symeonidis & Wese Simen 2017",
    rationale="A rich variance premium marks priced fear; returns of the underlying after it are higher.",
    formula="score = 0.5 * clip(Z_252(VRP) / 2), VRP = (GVZ/100)^2 - realised variance of 21 days",
    differs={"vrp_harvester": "tilts GLD; that one sells options, sized by the premium"},
)
