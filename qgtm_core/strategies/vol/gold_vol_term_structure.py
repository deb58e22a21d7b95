"""Gold by the slope of implied volatility: an inverted curve marks stress, a steep one calm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.helpers import lin
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import StrategyStatus

# `far_d` names the maturity behind features/option_surface.slope_z_126
PARAMS: Mapping[str, Any] = {"win": 126, "cap": 0.5, "z0": 2.0, "far_d": 90, "q": 0.7}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return half a score at most, with the sign of the slope against its half-year."""
    slope = lin(pl.col(f"slope_z_{params['win']}"), params["z0"])
    return panel.select(score=params["cap"] * slope, quality=pl.lit(params["q"]))


STRATEGY = Strategy(
    id="gold_vol_term_structure",
    number=45,
    category="vol",
    status=StrategyStatus.PAPER,
    cadence=Cadence.DAILY,
    horizon_sessions=10,
    symbols=("GLD",),
    inputs=(
        Input(
            "option_surface",
            ("slope_z_126",),
            name="slope",
            staleness="snapshot",
            warmup=126,
            data=("option_points[underlying=GLD].atm",),
        ),
        Input("variance_premium", ("gvz",), name="gvz", warmup=126, data=("macro[series_id=GVZCLS].value",)),
    ),
    params=PARAMS,
    rule=rule,
    capacity="Med",
    exposures=("VOL-", "GOLD+"),
    source="Johnson 2017; Vasquez 2017 (equities); for gold our own",
    rationale="An inverted implied curve marks stress; exposure is cut until it has normalised.",
    formula="s = 90-day at-the-money volatility - GVZ, in points; score = 0.5*lin(Z_126(s))",
    differs={
        "vol_term_structure_pm": "implied volatility of gold; that one reads realised volatility of cyclical metals",
        "gold_vix_haven": "the curve of gold's own options; that one reads the curve of the S&P 500",
    },
)
