"""Gold in September and November: a fixed published dummy, nothing fitted.

The signal is computed on the last session of a month, for the month in which the position is then held: the dummy is
that of the month after the session's. What is computed on the last session of August holds through September.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.spec import Cadence, Strategy
from qgtm_core.types import StrategyStatus

PARAMS: Mapping[str, Any] = {"months": [9, 11], "value": 0.5, "q": 0.4}
MONTHS = 12


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return `value` when the month after the session's is one of `months`, else zero."""
    held = pl.col("session").dt.month().cast(pl.Int32) % MONTHS + 1
    score = pl.when(held.is_in(params["months"])).then(float(params["value"])).otherwise(0.0)
    return panel.select(score=score, quality=pl.lit(params["q"]))


STRATEGY = Strategy(
    id="gold_seasonality",
    number=67,
    category="research",
    status=StrategyStatus.RESEARCH,
    cadence=Cadence.MONTHLY,
    horizon_sessions=21,
    symbols=("GLD",),
    inputs=(),
    params=PARAMS,
    rule=rule,
    capacity="High",
    exposures=("GOLD+",),
    source="Baur 2013 (sample 1980-2010)",
    rationale="Gold rose most in September and November over three decades: the autumn effect, taken as published.",
    formula="score = 0.5 if the position is held in September or November, else 0",
    differs={
        "seasonality_pm": "no estimation; that one fits month means of four metals",
        "gold_seasonal_demand": "calendar months; that one counts sessions to festivals",
    },
)
