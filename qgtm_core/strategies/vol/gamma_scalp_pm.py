"""A synthetic straddle on gold, traded by its delta while realised volatility beats implied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from qgtm_core.maths.options import straddle_delta
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import StrategyStatus

# `rv` is the window behind features/straddle.vol_yz_5, `tenor` the sessions between its strikes
PARAMS: Mapping[str, Any] = {"tenor": 21, "rv": 5, "margin": 1.1, "q": 0.6, "days_a_year": 252}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the straddle's delta while realised exceeds implied volatility by the margin, else zero."""
    sigma = panel["gvz"].to_numpy() * 0.01
    left = np.maximum(1.0, params["tenor"] - panel["strike_age_sessions"].cast(pl.Float64).to_numpy())
    years = left * (1.0 / params["days_a_year"])
    moneyness = panel["log_moneyness"].to_numpy()
    delta = straddle_delta(moneyness, years, sigma)
    realised = panel[f"vol_yz_{params['rv']}"].to_numpy()
    score = np.where(realised > params["margin"] * sigma, delta, 0.0 * (delta + realised))  # NaN where one is missing
    return pl.DataFrame([pl.Series("score", score, nan_to_null=True)]).with_columns(quality=pl.lit(params["q"]))


STRATEGY = Strategy(
    id="gamma_scalp_pm",
    number=41,
    category="vol",
    status=StrategyStatus.PAPER,
    cadence=Cadence.DAILY,
    horizon_sessions=21,
    symbols=("GLD",),
    inputs=(
        Input(
            "straddle",
            ("strike_age_sessions", "log_moneyness", "vol_yz_5"),
            name="gld",
            warmup=30,
            data=tuple(f"prices[symbol=GLD].{name}" for name in ("open", "high", "low", "adj_close")),
        ),
        Input("straddle", ("gvz",), name="gvz", warmup=1, data=("macro[series_id=GVZCLS].value",)),
    ),
    params=PARAMS,
    rule=rule,
    capacity="High",
    exposures=("VOL+", "GOLD±"),
    source="Sinclair 2013; Bakshi & Kapadia 2003",
    rationale="When realised volatility exceeds implied, long gamma pays: a straddle is copied by trading its delta.",
    formula="score = 2 N(d1) - 1 of a 21-session straddle if YZ_5 > 1.1 * GVZ/100, else 0",
    differs={"gold_gamma_scalp": "one strike a month and daily bars; that one strikes anew each day, flat overnight"},
)
