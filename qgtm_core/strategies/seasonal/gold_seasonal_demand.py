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
            data=(
                "festivals[event=lunar_new_year].event_date",
                "festivals[event=diwali].event_date",
                "festivals[event=akshaya_tritiya].event_date",
            ),
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="Med",
    exposures=("GOLD+",),
    source="Baur 2013 on the Indian wedding season",
    rationale="Festival and wedding buying precedes known dates.",
    formula="sum of: Lunar New Year in 5 to 40 sessions 0.5, up to 20 after it -0.2; Diwali in 3 to 30 0.4; Akshaya "
    "Tritiya in 0 to 15 0.2; November to February 0.1; June and July -0.2; held within one",
    differs={
        "seasonality_pm": "sessions to festivals, nothing fitted; that one fits month means",
        "gold_seasonality": "follows the lunar calendars; that one is a dummy of two calendar months",
        "event_drift_pm": "weeks before festivals; that one is one session before announcements",
    },
)
