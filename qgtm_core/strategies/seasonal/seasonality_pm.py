"""Metals by calendar month: the mean return of the coming month in earlier years, when it stands out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.maths.trend import sample_t
from qgtm_core.strategies.helpers import lin
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import StrategyStatus

PARAMS: Mapping[str, Any] = {"t_min": 1.5, "t_full": 3.0, "q": 0.3}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the t-statistic of the coming month over `t_full`; flat when it is small."""
    t = sample_t(pl.col("next_month_mean"), pl.col("next_month_sd"), pl.col("next_month_n"))
    view = pl.when(t.abs() >= params["t_min"]).then(lin(t, params["t_full"]))
    return panel.select(score=view.when(t.is_not_null()).then(0.0), quality=pl.lit(params["q"]))


STRATEGY = Strategy(
    id="seasonality_pm",
    number=46,
    category="seasonal",
    status=StrategyStatus.DEAD,
    cadence=Cadence.MONTHLY,
    horizon_sessions=21,
    symbols=("GLD", "SLV", "PPLT", "PALL"),
    inputs=(
        Input(
            "seasonality",
            ("next_month_n", "next_month_mean", "next_month_sd"),
            warmup=2520,
            data=("prices[symbol={symbol}].adj_close",),
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="Med",
    exposures=("GOLD±", "SILVER_REL±"),
    source="Lucey & Tully 2006; Baur 2013",
    rationale="Months of the year have differed; fitted to the past it failed, so it is kept for comparison only.",
    formula="t = mean / (sd / sqrt(n)) of next month in earlier years; score = clip(t / 3) if |t| >= 1.5 else 0",
    differs={
        "gold_seasonal_demand": "fitted month means; that one counts sessions to festivals and fits nothing",
        "gold_seasonality": "estimated for four metals; that one is a fixed published dummy for gold",
    },
)
