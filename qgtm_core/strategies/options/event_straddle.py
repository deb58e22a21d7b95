"""Straddles on GLD before scheduled events whose implied move is small against past moves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.maths.options import event_move
from qgtm_core.strategies.helpers import over
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import Reason, StrategyStatus

# `enter` are the sessions before the event in which the straddle is bought, `exit_sessions` those after it
PARAMS: Mapping[str, Any] = {
    "ratio_min": 1.10,
    "span": 0.5,
    "n_min": 24,
    "q": 0.6,
    "enter": [1, 2],
    "exit_sessions": 1,
    "days_a_year": 252,
}
MEAN_OF_HALF_NORMAL = math.sqrt(2.0 / math.pi)


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the share of the premium budget; OUT_OF_WINDOW away from events, GATE without the expiries."""
    columns = [panel[name].cast(pl.Float64) for name in ("event_iv", "event_iv_sessions", "event_base_iv")]
    implied, sessions, base = (column.fill_null(math.nan).to_numpy() for column in columns)
    sd = pl.Series("sd", event_move(implied, sessions, base, params["days_a_year"])).fill_nan(None)
    ratio = pl.col("event_move") / (pl.col("sd") * MEAN_OF_HALF_NORMAL)
    first, last = params["enter"]
    inside = pl.col("sessions_to_event").is_between(first, last).fill_null(value=False)
    quoted = pl.col("event_iv").is_not_null() & pl.col("event_base_iv").is_not_null()
    cheap = over(ratio - 1.0, params["span"]).clip(0.0, 1.0)
    return panel.with_columns(sd).select(
        score=pl.when(ratio >= params["ratio_min"]).then(cheap).when(ratio.is_not_null()).then(0.0),
        quality=pl.lit(params["q"]),
        reason=pl.when(~inside).then(pl.lit(Reason.OUT_OF_WINDOW.value)).when(~quoted).then(pl.lit(Reason.GATE.value)),
    )


STRATEGY = Strategy(
    id="event_straddle",
    number=76,
    category="options",
    status=StrategyStatus.RESEARCH,
    cadence=Cadence.EVENT,
    horizon_sessions=2,
    symbols=("GLD",),
    inputs=(
        Input(
            "event_risk",
            ("sessions_to_event",),
            coverage="covered",
            availability="events_available_at",
            optional=("sessions_to_event",),  # null = none within the dates known
            data=("fomc.event_date", "events[category=CPI].event_at", "events[category=NFP].event_at"),
        ),
        Input(
            "event_risk", ("event_move",), name="moves", warmup=PARAMS["n_min"], data=("prices[symbol=GLD].adj_close",)
        ),
        Input(
            "event_risk",
            ("event_iv", "event_iv_sessions", "event_base_iv"),
            name="chain",
            staleness="snapshot",
            warmup=1,
            optional=("event_iv", "event_iv_sessions", "event_base_iv"),  # null = no usable expiry
            data=("option_points[underlying=GLD].atm",),
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="Low",
    exposures=("VOL+",),
    source="Ederington & Lee 1996; Dubinsky, Johannes, Kaeck & Seeger 2019",
    rationale="Options price the move of an announcement; where they price less than it used to be, variance is cheap.",
    formula=(
        "sd^2 = IV1^2*n1/252 - IVb^2*(n1-1)/252; ratio = mean past |move| / (sd*sqrt(2/pi)); "
        "score = clip((ratio-1)/0.5, 0, 1) if ratio >= 1.10, else 0"
    ),
    differs={"event_drift_pm": "buys the variance of the event; that one takes a side before it"},
    tags={"route_to_oms": "false", "structure": "straddle"},
)
