"""Prices stretched far from the session's volume-weighted price come back to it, unless that price itself trends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from qgtm_core.intraday.inputs import RELEASE_DATES, hold_ticks
from qgtm_core.intraday.replay import Places, trades
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import Reason, StrategyStatus

PARAMS: Mapping[str, Any] = {
    "bar": "5m",
    "win": 78,
    "min_bars": 9,
    "z_in": 2.0,
    "z_out": 0.0,
    "z_stop": 4.0,
    "full": 4.0,
    "trend_bars": 12,
    "trend_sd": 1.5,
    "q": 0.7,
    "hold_bars": 12,
}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the score against the deviation while in the trade; 0 while flat or while the session trends."""
    places = Places.of(panel)
    sd = panel[f"deviation_sd_{params['win']}"]
    z = (panel["close"] / panel["vwap"]).log() / sd
    early = panel["session_bars"] < params["min_bars"]
    trending = panel[f"vwap_change_{params['trend_bars']}"].abs() > params["trend_sd"] * sd
    barred = places.cube(early.fill_null(value=True) | trending.fill_null(value=True))
    deviation = places.cube(z)
    side = trades(
        np.where(np.isnan(deviation) | (barred == 0.0), deviation, 0.0),
        places.cube(panel["may_enter"]),
        places.cube(panel["may_hold"]),
        enter=params["z_in"],
        leave=params["z_out"],
        stop=params["z_stop"],
        hold_ticks=hold_ticks(params),
    )
    score = places.flat(
        "score", np.where(np.isnan(deviation), np.nan, side * np.minimum(1.0, abs(deviation) / params["full"]))
    )
    return panel.select(
        score=score,
        quality=pl.lit(params["q"]),
        reason=pl.when(early).then(pl.lit(Reason.WARMUP.value)),
    )


STRATEGY = Strategy(
    id="vwap_reversion_intraday",
    number=54,
    category="intraday",
    status=StrategyStatus.PAPER,
    cadence=Cadence.INTRADAY,
    horizon_sessions=12,
    symbols=("GLD",),
    inputs=(
        Input(
            "vwap_5m",
            ("close", "vwap", "deviation_sd_78", "vwap_change_12", "session_bars"),
            staleness="intraday",
            warmup=78,
            data=(
                "bars_intraday[symbol=GLD,interval=5m].close",
                "bars_intraday[symbol=GLD,interval=5m].vwap",
                "bars_intraday[symbol=GLD,interval=5m].volume",
            ),
        ),
        RELEASE_DATES,
    ),
    params=PARAMS,
    rule=rule,
    rule_lookback=4,
    capacity="Med",
    exposures=("≈0",),
    source="practice; no paper is claimed",
    rationale="Stretched deviations from the session's volume-weighted price fade.",
    formula="z = ln(P/VWAP)/sd_78, VWAP since the open; 0 while |VWAP change over 12 bars| > 1.5·sd; hyst(z; 2, 0, 4); "
    "score = −sign(z)·min(1, |z|/4); at most 12 bars",
    differs={"gold_silver_ratio_intraday": "one metal against its own session, not against the other metal"},
)
