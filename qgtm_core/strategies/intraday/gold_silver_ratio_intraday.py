"""Intraday dislocations of the gold/silver ratio revert within hours; flat overnight."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from qgtm_core.intraday.inputs import RELEASE_DATES, hold_ticks
from qgtm_core.intraday.replay import Places, trades
from qgtm_core.strategies.spec import Cadence, Input, Leg, Strategy
from qgtm_core.types import StrategyStatus

PARAMS: Mapping[str, Any] = {
    "bar": "15m",
    "win": 130,
    "z_in": 2.0,
    "z_out": 0.5,
    "z_stop": 3.5,
    "full": 3.0,
    "q": 0.7,
    "hold_bars": 13,
}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the score of each leg while in the trade, 0 while flat."""
    places = Places.of(panel)
    z = places.cube(panel[f"z_{params['win']}"])
    side = trades(
        z,
        places.cube(panel["may_enter"]),
        places.cube(panel["may_hold"]),
        enter=params["z_in"],
        leave=params["z_out"],
        stop=params["z_stop"],
        hold_ticks=hold_ticks(params),
    )
    size = places.flat("size", side * np.minimum(1.0, np.abs(z) / params["full"]))
    return panel.select(
        score=pl.when(pl.col("side") == "y").then(size).otherwise(-size),
        quality=pl.lit(params["q"]),
    )


STRATEGY = Strategy(
    id="gold_silver_ratio_intraday",
    number=53,
    category="intraday",
    status=StrategyStatus.PAPER,
    cadence=Cadence.INTRADAY,
    horizon_sessions=13,
    symbols=("GLD", "SLV"),
    legs=(Leg("GLD", pair="GLD/SLV", side="y"), Leg("SLV", pair="GLD/SLV", side="x")),
    inputs=(
        Input(
            "ratio_15m",
            ("z_130",),
            staleness="intraday",
            warmup=130,
            data=(
                "bars_intraday[symbol=GLD,interval=15m].close",
                "bars_intraday[symbol=SLV,interval=15m].close",
            ),
        ),
        RELEASE_DATES,
    ),
    params=PARAMS,
    rule=rule,
    rule_lookback=8,
    capacity="Med",
    exposures=("SILVER_REL±",),
    source="Batten et al. 2013",
    rationale="Gold and silver funds part within the day and come back.",
    formula="z = Z_130 of ln(GLD/SLV) on 15-minute bars without the session gaps; hyst(z; 2, 0.5, 3.5); "
    "SLV = sign(z)·min(1, |z|/3), GLD = −SLV; at most 13 bars, flat overnight",
    differs={
        "gold_silver_ratio": "15-minute bars and flat overnight, against daily closes held for weeks",
        "kalman_pairs": "no hedge ratio is estimated and nothing is held overnight",
    },
)
