"""Gold before the festivals that buy it: Lunar New Year, Diwali, Akshaya Tritiya and the wedding season."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.helpers import clip_score
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import StrategyStatus

# Windows are [first, last, score] in sessions until the event (negative after it).
PARAMS: Mapping[str, Any] = {
    "lny": [5, 40, 0.5],
    "lny_after": [-20, -1, -0.2],
    "diwali": [3, 30, 0.4],
    "akshaya": [0, 15, 0.2],
    "wedding": 0.1,
    "wedding_months": [11, 12, 1, 2],
    "summer": -0.2,
    "summer_months": [6, 7],
    "q": 0.5,
}


def _within(sessions: pl.Expr, window: list[float]) -> pl.Expr:
    first, last, score = window
    return pl.when(sessions.is_between(first, last)).then(score).otherwise(0.0)


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the sum of the windows the session lies in."""
    month = pl.col("month")
    score = (
        _within(pl.col("sessions_to_lunar_new_year"), params["lny"])
        + _within(-pl.col("sessions_since_lunar_new_year"), params["lny_after"])
        + _within(pl.col("sessions_to_diwali"), params["diwali"])
        + _within(pl.col("sessions_to_akshaya_tritiya"), params["akshaya"])
        + pl.when(month.is_in(params["wedding_months"])).then(params["wedding"]).otherwise(0.0)
        + pl.when(month.is_in(params["summer_months"])).then(params["summer"]).otherwise(0.0)
    )
    return panel.select(score=clip_score(score), quality=pl.lit(params["q"]))


STRATEGY = Strategy(
    id="gold_seasonal_demand",
    number=49,
    category="seasonal",
    status=StrategyStatus.PAPER,
    cadence=Cadence.DAILY,
    horizon_sessions=20,
    symbols=("GLD",),
    inputs=(
        Input(
            "calendar",
            (
                "month",
                "sessions_to_lunar_new_year",
                "sessions_since_lunar_new_year",
                "sessions_to_diwali",
                "sessions_to_akshaya_tritiya",
            ),
            coverage="covered",
            availability="festivals_available_at",
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="Med",
    exposures=("GOLD+",),
    source="Baur 2013 on the Indian wedding season",
    rationale="Festival and wedding buying precedes known dates.",
)
