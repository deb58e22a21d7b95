"""Gold into scheduled announcements: FOMC, consumer prices and payrolls.

The window is one session: the position is taken on the session before the event and held until the event's own, so
past events are measured by the return from the close before to the close of the event's session. When several events
share a session each has its own score and the day's score is the mean of those with enough past: no event is chosen
over another for having drifted more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.maths.trend import sample_t
from qgtm_core.strategies.helpers import lin
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import Reason, StrategyStatus

PARAMS: Mapping[str, Any] = {
    "n_min": 24,
    "t_min": 1.5,
    "t_full": 3.0,
    "cap": 0.6,
    "q": 0.7,
    "kinds": ["fomc", "cpi", "nfp"],
}
MEASURES = ("next", "n", "mean", "sd")


def _score(kind: str, params: Mapping[str, Any]) -> pl.Expr:
    """Score of one kind of event; null when none comes or too few are past."""
    n = pl.col(f"{kind}_n")
    t = sample_t(pl.col(f"{kind}_mean"), pl.col(f"{kind}_sd"), n)
    view = lin(t, params["t_full"]).clip(-params["cap"], params["cap"])
    drift = pl.when(t.abs() >= params["t_min"]).then(view).when(t.is_not_null()).then(0.0)
    return pl.when(pl.col(f"{kind}_next") & (n >= params["n_min"])).then(drift)


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the mean score of the next session's events; OUT_OF_WINDOW without one, WARMUP with too short a past."""
    kinds = params["kinds"]
    coming = pl.any_horizontal(f"{kind}_next" for kind in kinds)
    known = pl.any_horizontal(pl.col(f"{kind}_next") & (pl.col(f"{kind}_n") >= params["n_min"]) for kind in kinds)
    return panel.select(
        score=pl.mean_horizontal(_score(kind, params) for kind in kinds),
        quality=pl.lit(params["q"]),
        reason=pl.when(~coming)
        .then(pl.lit(Reason.OUT_OF_WINDOW.value))
        .when(~known.fill_null(value=False))
        .then(pl.lit(Reason.WARMUP.value)),
    )


def _columns(*measures: str) -> tuple[str, ...]:
    return tuple(f"{kind}_{measure}" for kind in PARAMS["kinds"] for measure in measures)


STRATEGY = Strategy(
    id="event_drift_pm",
    number=48,
    category="seasonal",
    status=StrategyStatus.PAPER,
    cadence=Cadence.EVENT,
    horizon_sessions=1,
    symbols=("GLD",),
    inputs=(
        Input(
            "events",
            _columns("next"),
            coverage="covered",
            availability="schedule_available_at",
            data=("fomc.event_date", "events[category=CPI].event_at", "events[category=NFP].event_at"),
        ),
        Input(
            "events",
            _columns("n", "mean", "sd"),
            name="gld",
            warmup=PARAMS["n_min"],
            optional=_columns("n", "mean", "sd"),  # null = no or one past event of the kind
            data=("prices[symbol=GLD].adj_close",),
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="Low",
    exposures=("GOLD+", "REAL_RATE±"),
    source="Lucca & Moench 2015 (equities); Elder, Miao & Ramchander 2012 (metals)",
    rationale="Prices drift before announcements whose date is known, as risk is taken off and put on again.",
    formula="t = m / (s / sqrt(n)) of past sessions of the event; score = 0 if |t| < 1.5 else clip(t / 3, -0.6, 0.6); "
    "only on the session before an event",
    differs={
        "event_straddle": "directional drift in the fund; that one is variance through options",
        "gold_seasonal_demand": "one session before announcements; that one holds weeks before festivals",
    },
)
