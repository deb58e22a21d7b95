"""The delta of a straddle struck at 10:00, held while the day moves more than options had priced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from qgtm_core.intraday.inputs import RELEASE_DATES
from qgtm_core.intraday.replay import Places, hedged
from qgtm_core.maths.options import straddle_delta
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import Reason, StrategyStatus

PARAMS: Mapping[str, Any] = {
    "bar": "5m",
    "strike_time": "10:00",
    "margin": 1.15,
    "rehedge": 0.10,
    "min_bars": 6,
    "q": 0.6,
}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the hedge held; OUT_OF_WINDOW before the strike is set, GATE while realised does not beat implied."""
    places = Places.of(panel)
    sigma = panel["gvz"] * 0.01
    parts = ((panel["close"] / panel["strike"]).log(), panel["years_left"], sigma)
    delta = straddle_delta(*(p.cast(pl.Float64).fill_null(np.nan).to_numpy() for p in parts))
    beats = (panel["realised_vol"] > params["margin"] * sigma).fill_null(value=False)
    enough = (panel["session_bars"] >= params["min_bars"]).fill_null(value=False)
    raw = places.cube(pl.Series(delta).set(~(beats & enough), None))
    held = hedged(raw, places.cube(panel["may_enter"]), places.cube(panel["may_hold"]), step=params["rehedge"])
    reason = (
        pl.when(panel["strike"].is_null())
        .then(pl.lit(Reason.OUT_OF_WINDOW.value))
        .when(~enough)
        .then(pl.lit(Reason.WARMUP.value))
        .when(~beats)
        .then(pl.lit(Reason.GATE.value))
    )
    return panel.select(
        score=places.flat("score", np.where(np.isnan(raw), np.nan, held)), quality=pl.lit(params["q"]), reason=reason
    )


STRATEGY = Strategy(
    id="gold_gamma_scalp",
    number=55,
    category="intraday",
    status=StrategyStatus.PAPER,
    cadence=Cadence.INTRADAY,
    horizon_sessions=78,
    symbols=("GLD",),
    inputs=(
        Input(
            "gamma_5m",
            ("close", "strike", "years_left", "realised_vol", "session_bars"),
            staleness="intraday",
            warmup=6,
            optional=("strike", "realised_vol"),
            data=("bars_intraday[symbol=GLD,interval=5m].close",),
        ),
        Input("gamma_5m", ("gvz",), name="gvz", warmup=1, data=("macro[series_id=GVZCLS].value",)),
        RELEASE_DATES,
    ),
    params=PARAMS,
    rule=rule,
    rule_lookback=8,
    capacity="Med",
    exposures=("VOL+",),
    source="Sinclair 2013; Black & Scholes 1973",
    rationale="When gold moves more within the day than options priced, the hedge of a straddle earns the difference.",
    formula="K = GLD at 10:00, T = (1 + minutes to the close/390)/252, σ = GVZ/100; while the day's realised "
    "volatility > 1.15·σ: score = 2N(d1) − 1, changed when it moves by 0.10; flat at 15:45",
    differs={
        "gamma_scalp_pm": "the strike is set anew each day on 5-minute bars, nothing is held overnight, and the risk "
        "budget is its own: never both on the same capital"
    },
)
