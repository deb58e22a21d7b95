"""Pairs of metals and miners around an adaptive hedge ratio: against the surprise in the spread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.schemas.features import PAIRS
from qgtm_core.strategies.helpers import lin, pair_leg
from qgtm_core.strategies.spec import Cadence, Input, Leg, Strategy
from qgtm_core.types import StrategyStatus

# `delta` and `v` are the filter's noise parameters behind features/pairs.kalman_*
PARAMS: Mapping[str, Any] = {
    "delta": 1.0e-4,
    "v": 1.0e-3,
    "z_min": 1.0,
    "z0": 2.0,
    "win": 252,
    "slope_sd_max": 3.0,
    "q_unstable": 0.5,
}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return one score a leg: minus the surprise on y, hedged on x; less sure while the slope is far from usual."""
    z, slope = pl.col("kalman_z"), pl.col("kalman_slope")
    usual, spread = pl.col(f"kalman_slope_mean_{params['win']}"), pl.col(f"kalman_slope_sd_{params['win']}")
    score = pl.when(z.abs() >= params["z_min"]).then(-lin(z, params["z0"])).when(z.is_not_null()).then(0.0)
    stable = (slope - usual).abs() <= params["slope_sd_max"] * spread
    return panel.select(
        score=pair_leg(score, slope),
        quality=pl.when(stable).then(1.0).otherwise(params["q_unstable"]),
    )


_COLUMNS = ("kalman_z", "kalman_slope", "kalman_slope_mean_252", "kalman_slope_sd_252")

STRATEGY = Strategy(
    id="kalman_pairs",
    number=22,
    category="mr",
    status=StrategyStatus.PAPER,
    cadence=Cadence.DAILY,
    horizon_sessions=10,
    symbols=("GLD", "SLV", "GDX", "SIL", "PPLT", "PALL"),
    legs=tuple(Leg(symbol, pair=f"{y}/{x}", side=side) for y, x in PAIRS for symbol, side in ((y, "y"), (x, "x"))),
    inputs=(Input("pairs", _COLUMNS, warmup=252, data=("prices[symbol={symbol}].adj_close",)),),
    params=PARAMS,
    rule=rule,
    capacity="High",
    exposures=("SILVER_REL±", "MINERS_REL±"),
    source="Elliott, van der Hoek & Malcolm 2005; Chan 2013",
    rationale="A hedge ratio that adapts keeps the spread stationary enough to revert.",
    formula="ln y = b*ln x + a with [b, a] a random walk (Kalman); z = e/sqrt(Q); s = -lin(z, 2) if |z| >= 1 else 0; "
    "y = s/max(1, |b|), x = -b*s/max(1, |b|), mean over a symbol's pairs",
    differs={
        "pairs_mr": "an adaptive hedge ratio updated with every bar; no formation and no entry or exit",
        "gold_silver_ratio": "the surprise of the day against a moving relation, not the level of the ratio",
        "gold_silver_ratio_intraday": "daily bars and an adaptive hedge ratio",
        "miners_vs_metal": "an adaptive slope instead of a year's regression, and no gate",
        "silver_ratio_spread": "shares, not an option structure",
    },
)
