"""Pressure between London's two auctions is transient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.helpers import lin
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import StrategyStatus

PARAMS: Mapping[str, Any] = {"win": 20, "t_full": 3.0, "cap": 0.5, "q": 0.5}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return minus the t-statistic of a month's moves from morning to afternoon, capped."""
    t = pl.col(f"am_to_pm_t_{params['win']}")
    return panel.select(score=-params["cap"] * lin(t, params["t_full"]), quality=pl.lit(params["q"]))


STRATEGY = Strategy(
    id="gold_lbma_fix_anomaly",
    number=37,
    category="flow",
    status=StrategyStatus.PAPER,
    cadence=Cadence.DAILY,
    horizon_sessions=5,
    symbols=("GLD",),
    inputs=(
        Input(
            "fixes",
            ("am_to_pm_t_20",),
            name="auctions",
            warmup=21,
            data=("fixes[metal=gold,fix=AM].usd_per_oz", "fixes[metal=gold,fix=PM].usd_per_oz"),
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="Med",
    exposures=("GOLD∓",),
    source="Caminschi & Heaney 2014 (mechanism); practitioners' rule",
    rationale="Pressure in London hours, from the morning to the afternoon auction, is transient.",
    formula="f = ln(PM / AM); t = mean_20(f) / (sd_20(f) / sqrt 20); score = -0.5 lin(t, 3)",
    differs={"fix_dislocation": "averages of 20 days at public prices of the day before, no print of the day itself"},
)
