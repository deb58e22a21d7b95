"""Diversified trend: three speeds of moving-average crossover, followed only when the score moves enough."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.maths.trend import combined_forecast
from qgtm_core.strategies.helpers import over
from qgtm_core.strategies.replay import buffered, by_leg, flat
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import StrategyStatus

# `vol_span` is the span of the price volatility behind features/momentum.ewmac_*
PARAMS: Mapping[str, Any] = {
    "speeds": [[16, 64], [32, 128], [64, 256]],
    "scalars": [3.75, 2.65, 1.87],
    "fdm": 1.07,
    "cap": 20,
    "vol_span": 35,
    "buffer": 0.10,
    "buffer_sessions": 63,
}


def unbuffered(params: Mapping[str, Any]) -> pl.Expr:
    """Return the combined forecast over its cap, before the buffer."""
    cap = float(params["cap"])
    forecasts = [
        (pl.col(f"ewmac_{fast}_{slow}") * scalar).clip(-cap, cap)
        for (fast, slow), scalar in zip(params["speeds"], params["scalars"], strict=True)
    ]
    equal = [1.0 / len(forecasts)] * len(forecasts)
    return over(combined_forecast(forecasts, equal, float(params["fdm"]), cap), cap)


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the score held after a replay of the last `buffer_sessions`, moved only by `buffer` or more."""
    raw = by_leg(panel, panel.select(score=unbuffered(params))["score"])
    held = buffered(raw, params["buffer"], params["buffer_sessions"])
    return pl.DataFrame([flat("score", held)]).with_columns(quality=pl.lit(1.0))


STRATEGY = Strategy(
    id="carver_trend",
    number=15,
    category="momentum",
    status=StrategyStatus.PAPER,
    cadence=Cadence.DAILY,
    horizon_sessions=40,
    symbols=("GLD", "SLV", "PPLT", "PALL", "GDX"),
    inputs=(
        Input(
            "momentum",
            ("ewmac_16_64", "ewmac_32_128", "ewmac_64_256"),
            warmup=320,
            data=("prices[symbol={symbol}].adj_close",),
        ),
    ),
    params=PARAMS,
    rule=rule,
    rule_lookback=PARAMS["buffer_sessions"] - 1,
    capacity="High",
    exposures=("GOLD±", "SILVER_REL±", "MINERS_REL±"),
    source="Carver 2015",
    rationale="Trends at several speeds together are steadier than any one of them.",
    formula="f = clip(1.07 * mean of clip(scalar * EWMAC, -20, 20) at 16/64, 32/128, 64/256); score = f / 20, "
    "moved only by 0.10 or more",
    differs={
        "tsmom": "a continuous forecast at three speeds, daily; that one is the sign of twelve months, monthly",
        "gold_tsmom": "crosses moving averages of five assets; that one averages t-statistics of gold",
        "gold_multi_ma_trend": "continuous crossovers of five assets; that one counts votes on gold",
        "carver_carry": "reads prices only; that one reads the futures curve",
    },
)
