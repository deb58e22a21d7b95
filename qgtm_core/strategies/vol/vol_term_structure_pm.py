"""Realised-volatility term structure of the cyclical metals: out when the short end is unusually high."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.schemas.features.range_volatility import CYCLICALS
from qgtm_core.strategies.helpers import lin
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import StrategyStatus

# `short` and `long` are the windows behind features/range_volatility
PARAMS: Mapping[str, Any] = {"short": 10, "long": 60, "win": 252, "z0": 2.0, "cap": 0.5, "q": 0.7}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return minus the cap times the saturated z-score of the log ratio of short to long volatility."""
    z = pl.col(f"vol_yz_slope_z_{params['win']}")
    return panel.select(score=-params["cap"] * lin(z, params["z0"]), quality=pl.lit(params["q"]))


STRATEGY = Strategy(
    id="vol_term_structure_pm",
    number=40,
    category="vol",
    status=StrategyStatus.PAPER,
    cadence=Cadence.DAILY,
    horizon_sessions=10,
    symbols=CYCLICALS,
    inputs=(
        Input(
            "range_volatility",
            ("vol_yz_slope_z_252",),
            warmup=315,
            data=tuple(f"prices[symbol={{symbol}}].{name}" for name in ("open", "high", "low", "adj_close")),
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="Med",
    exposures=("VOL-", "SILVER_REL+"),
    source="practitioner rule; cf. Moreira & Muir 2017",
    rationale="An inverted term structure of realised volatility precedes drawdowns in the cyclical metals.",
    formula="score = -0.5 * clip(Z_252(ln(YZ_10 / YZ_60)) / 2), YZ the Yang-Zhang volatility",
    differs={"gold_vol_term_structure": "realised volatility of cyclicals; that one is implied volatility of gold"},
)
