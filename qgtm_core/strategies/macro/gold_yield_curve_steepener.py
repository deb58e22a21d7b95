"""Gold and the yield curve: a steepening led by the front end means easing, a flattening led by it tightening."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.helpers import lin
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import StrategyStatus

# `win` names the window behind features/macro.slope_10y2y_zchg_60
PARAMS: Mapping[str, Any] = {
    "k": 60,
    "win": 504,
    "bull_steep": 1.0,
    "bear_steep": 0.5,
    "bear_flat": 1.0,
    "bull_flat": 0.25,
    "z0": 2.0,
}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the z-scored change of the slope, weighted by whether the front end led it."""
    z, front = pl.col(f"slope_10y2y_zchg_{params['k']}"), pl.col(f"slope_2y_chg_{params['k']}")
    steeper = pl.when(front < 0.0).then(params["bull_steep"]).otherwise(params["bear_steep"])
    flatter = pl.when(front > 0.0).then(params["bear_flat"]).otherwise(params["bull_flat"])
    weight = pl.when(z >= 0.0).then(steeper).otherwise(flatter)
    return panel.select(score=weight * lin(z, params["z0"]), quality=pl.lit(1.0))


STRATEGY = Strategy(
    id="gold_yield_curve_steepener",
    number=4,
    category="macro",
    status=StrategyStatus.PAPER,
    cadence=Cadence.DAILY,
    horizon_sessions=40,
    symbols=("GLD",),
    inputs=(
        Input(
            "macro",
            ("slope_10y2y_zchg_60", "slope_2y_chg_60"),
            name="slope",
            warmup=564,
            data=("macro[series_id=DGS2].value", "macro[series_id=DGS10].value"),
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="Med",
    exposures=("REAL_RATE+", "USD-"),
    source="Practitioner rule; related: Fama & French 1988",
    rationale="A front end that falls faster than the long end prices easing; one that rises faster prices tightening.",
    formula="z = zchg(10y - 2y, 60, 504); score = k lin(z), "
    "k = 1 (z >= 0 and 2y down), 0.5 (z >= 0 otherwise), 1 (z < 0 and 2y up), 0.25 (z < 0 otherwise)",
    differs={
        "gold_druckenmiller_delta": "reads the slope of the curve, not the front end with liquidity",
        "real_rate_gold": "reads the nominal curve, not the real yield",
    },
)
