"""Gold by quoted skew: demand for calls against puts leads, extremes of it revert."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.helpers import clip_score, dead, lin
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import StrategyStatus

# `tenor_d` and `k`, `win` name the maturity and the windows behind features/option_surface.skew*
PARAMS: Mapping[str, Any] = {
    "k": 10,
    "win": 126,
    "w_mom": 0.6,
    "w_rev": 0.4,
    "dead": 1.5,
    "full": 3.0,
    "z0": 2.0,
    "tenor_d": 30,
}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the momentum of the skew less the reversion of its extremes."""
    rise = lin(pl.col(f"skew_zchg_{params['k']}"), params["z0"])
    extreme = dead(pl.col(f"skew_z_{params['win']}"), params["dead"], params["full"])
    return panel.select(
        score=clip_score(params["w_mom"] * rise - params["w_rev"] * extreme), quality=pl.col("skew_quotes")
    )


STRATEGY = Strategy(
    id="gold_options_skew",
    number=44,
    category="vol",
    status=StrategyStatus.PAPER,
    cadence=Cadence.DAILY,
    horizon_sessions=10,
    symbols=("GLD",),
    inputs=(
        Input(
            "option_surface",
            ("skew_zchg_10", "skew_z_126", "skew_quotes"),
            name="skew",
            staleness="snapshot",
            warmup=136,
            data=tuple(f"option_points[underlying=GLD].{column}" for column in ("atm", "call_25", "put_25")),
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="Med",
    exposures=("VOL±", "GOLD±"),
    source="Xing, Zhang & Zhao 2010 (equities); the rule is our own",
    rationale="Demand for calls against puts leads the price; extremes of it revert.",
    formula=(
        "rr = 30-day 25-delta risk reversal / at-the-money volatility; "
        "score = clip(0.6*lin(M3(rr, 10, 126)) - 0.4*dead(Z_126(rr), 1.5, 3), -1, 1)"
    ),
    differs={"skew_trades": "skew quoted by options on gold; that one ranks realised skewness across metals"},
)
