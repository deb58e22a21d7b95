"""Gold by day of the week: the next session's weekday, when its past returns stand out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.maths.trend import sample_t
from qgtm_core.strategies.helpers import clip_score, lin
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import StrategyStatus

# `win` is the window behind features/weekday; `shrink` pulls small samples towards no view
PARAMS: Mapping[str, Any] = {"win": 750, "t_min": 1.5, "shrink": 100, "t_full": 3.0, "q": 0.5}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the shrunk t-statistic; flat when it is small or the two halves of the window disagree."""
    n = pl.col("weekday_n")
    t = sample_t(pl.col("weekday_mean"), pl.col("weekday_sd"), n)
    agree = pl.col("weekday_mean_early").sign() == pl.col("weekday_mean_late").sign()
    view = lin(t * (n / (n + float(params["shrink"]))), params["t_full"])
    loud = (t.abs() >= params["t_min"]) & agree
    return panel.select(
        score=clip_score(pl.when(loud).then(view).when(t.is_not_null()).then(0.0)),
        quality=pl.lit(params["q"]),
    )


STRATEGY = Strategy(
    id="gold_day_of_week",
    number=18,
    category="momentum",
    status=StrategyStatus.PAPER,
    cadence=Cadence.DAILY,
    horizon_sessions=1,
    symbols=("GLD",),
    inputs=(
        Input(
            "weekday",
            ("weekday_n", "weekday_mean", "weekday_sd", "weekday_mean_early", "weekday_mean_late"),
            name="gld",
            warmup=750,
            data=("prices[symbol=GLD].adj_close",),
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="High",
    exposures=("GOLD±",),
    source="Ball, Torous & Tschoegl 1982; Blose & Gondhalekar 2013",
    rationale="Gold's return has differed by weekday, most of all over the weekend in falling markets.",
    formula="t = m / (s / sqrt(n)) of the next session's weekday over 750 bars; score = 0 if |t| < 1.5 or the halves "
    "differ in sign, else clip(t * n / (n + 100) / 3)",
    differs={
        "overnight_gold": "a whole session chosen by weekday; that one is every night and no day",
        "event_drift_pm": "recurs weekly; that one acts before scheduled announcements only",
    },
    tags={"turnover": "may change side every session"},
)
