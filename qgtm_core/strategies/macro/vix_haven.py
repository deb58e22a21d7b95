"""Gold after equity stress: a haven for about fifteen sessions, long only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from qgtm_core.strategies.helpers import over
from qgtm_core.strategies.replay import by_leg, flat, windows
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import StrategyStatus

# `ret_days` names the return behind features/volatility.spy_return_5d
PARAMS: Mapping[str, Any] = {
    "win": 252,
    "pr_min": 0.80,
    "ret_days": 5,
    "ret_max": -0.02,
    "ret_full": 0.06,
    "w": [0.5, 0.5],
    "decay": 15,
}


def trigger(rank: pl.Expr, fall: pl.Expr, params: Mapping[str, Any]) -> pl.Expr:
    """Strength of a stress event in [0, 1]; 0 without one, null where an input is null."""
    by_rank = over(rank - params["pr_min"], 1.0 - params["pr_min"]).clip(0.0, 1.0)
    by_fall = over(-fall, params["ret_full"]).clip(0.0, 1.0)
    strength = params["w"][0] * by_rank + params["w"][1] * by_fall
    event = (rank >= params["pr_min"]) & (fall <= params["ret_max"])
    return pl.when(event).then(strength).when(event.is_not_null()).then(0.0)


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the strongest event of the last `decay` sessions, each falling linearly to nothing with its age."""
    rank, fall = pl.col(f"vix_pr_{params['win']}"), pl.col(f"spy_return_{params['ret_days']}d")
    events = by_leg(panel, panel.select(strength=trigger(rank, fall, params))["strength"])
    ages = np.arange(params["decay"] - 1, -1, -1)
    faded = np.nan_to_num(windows(events, params["decay"])) * (1.0 - ages / params["decay"])
    score = np.where(np.isfinite(events), faded.max(axis=-1), np.nan)
    return pl.DataFrame([flat("score", score)]).with_columns(quality=pl.lit(1.0))


STRATEGY = Strategy(
    id="vix_haven",
    number=9,
    category="macro",
    status=StrategyStatus.PAPER,
    cadence=Cadence.EVENT,
    horizon_sessions=15,
    symbols=("GLD",),
    inputs=(
        Input("volatility", ("vix_pr_252",), name="vix", warmup=252, data=("macro[series_id=VIXCLS].value",)),
        Input("volatility", ("spy_return_5d",), name="spy", warmup=6, data=("prices[symbol=SPY].adj_close",)),
    ),
    params=PARAMS,
    rule=rule,
    rule_lookback=PARAMS["decay"] - 1,
    capacity="Med",
    exposures=("EQUITY-", "VOL+", "GOLD+"),
    source="Baur & McDermott 2010; Baur & Lucey 2010",
    rationale="After extreme equity stress gold is a short-lived haven, for about 15 trading days.",
    formula="event if p = pr_252(VIX) >= 0.80 and d = 5-day SPY return <= -2 %, "
    "a = 0.5 clip((p - 0.8) / 0.2, 0, 1) + 0.5 clip(-d / 0.06, 0, 1); "
    "score = max over the events of 15 sessions of a (1 - age / 15)",
    differs={
        "gold_vix_haven": "a level and a shock with a decay of 15 sessions, long only; no VIX curve, no correlation",
    },
)
