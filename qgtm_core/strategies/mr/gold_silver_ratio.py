"""Extremes of the gold/silver ratio revert. Declared DEAD: kept for research, silent in production."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from qgtm_core.strategies.replay import by_leg, flat, hysteresis
from qgtm_core.strategies.spec import Cadence, Input, Leg, Strategy
from qgtm_core.types import Reason, StrategyStatus

PARAMS: Mapping[str, Any] = {
    "win": 252,
    "z_in": 2.0,
    "z_out": 0.5,
    "z_stop": 4.0,
    "hl": [5, 90],
    "full": 3.0,
    "q": 0.5,
    "state_sessions": 252,
}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the score of each leg while in the trade, 0 while flat; GATE without a usable half-life."""
    z = by_leg(panel, f"ratio_z_{params['win']}")
    side = hysteresis(z, params["z_in"], params["z_out"], params["z_stop"], params["state_sessions"])
    size = side * np.minimum(1.0, np.abs(z) / params["full"])
    reverting = pl.col(f"ratio_half_life_{params['win']}").is_between(*params["hl"])
    return panel.select(
        score=pl.when(pl.col("side") == "y").then(flat("size", size)).otherwise(-flat("size", size)),
        quality=pl.lit(params["q"]),
        reason=pl.when(~reverting.fill_null(value=False)).then(pl.lit(Reason.GATE.value)),
    )


STRATEGY = Strategy(
    id="gold_silver_ratio",
    number=20,
    category="mr",
    status=StrategyStatus.DEAD,
    cadence=Cadence.DAILY,
    horizon_sessions=40,
    symbols=("GLD", "SLV"),
    legs=(Leg("GLD", pair="GLD/SLV", side="y"), Leg("SLV", pair="GLD/SLV", side="x")),
    inputs=(
        Input(
            "pairs",
            ("ratio_z_252", "ratio_half_life_252"),
            warmup=252,
            optional=("ratio_half_life_252",),
            data=("prices[symbol=GLD].adj_close", "prices[symbol=SLV].adj_close"),
        ),
    ),
    params=PARAMS,
    rule=rule,
    rule_lookback=PARAMS["state_sessions"] - 1,
    capacity="Med",
    exposures=("SILVER_REL±",),
    source="Lucey & Tully 2006; Wahab, Cohn & Lashgari 1994",
    rationale="Extremes of the gold/silver ratio revert.",
    formula="z = Z_252(ln GLD/SLV), s = hyst(z; 2, 0.5, 4) * min(1, |z|/3); GLD = s, SLV = -s; GATE unless the "
    "half-life of the ratio is in [5, 90]",
    differs={
        "gold_silver_ratio_intraday": "daily bars, a year's window, positions held overnight",
        "kalman_pairs": "the plain ratio with entry and exit; no adaptive hedge ratio",
        "pairs_mr": "one fixed pair across metals; no monthly formation",
        "silver_ratio_spread": "a trade of the ratio in shares, not an option structure",
    },
)
