"""Gold overnight: bought at the close and sold at the next open while nights have paid more than they cost.

The cost gate reads the instrument's typical half-spread from the static table of instruments, because quotes are kept
for a short time only and sixty nights of them are not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.maths.trend import sample_t
from qgtm_core.strategies.helpers import over
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import Reason, StrategyStatus
from qgtm_core.universe import INSTRUMENTS

PARAMS: Mapping[str, Any] = {
    "win": 60,
    "t_full": 2.0,
    "cost_mult": 2.0,
    "cost_add_bp": 1.0,
    "q": 0.5,
    "half_spread_bp": INSTRUMENTS["GLD"].half_spread_bp,
}
BASIS_POINTS = 1e4


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the t-statistic of the mean night, never short; GATE while the mean does not cover the cost."""
    mean = pl.col(f"overnight_mean_{params['win']}")
    t = sample_t(mean, pl.col(f"overnight_sd_{params['win']}"), pl.lit(params["win"]))
    cost_bp = params["cost_mult"] * params["half_spread_bp"] + params["cost_add_bp"]
    return panel.select(
        score=over(t, params["t_full"]).clip(0.0, 1.0),
        quality=pl.lit(params["q"]),
        reason=pl.when(mean * BASIS_POINTS <= cost_bp).then(pl.lit(Reason.GATE.value)),
    )


STRATEGY = Strategy(
    id="overnight_gold",
    number=14,
    category="momentum",
    status=StrategyStatus.DEAD,
    cadence=Cadence.DAILY,
    horizon_sessions=1,
    symbols=("GLD",),
    inputs=(
        Input(
            "overnight",
            ("overnight_mean_60", "overnight_sd_60"),
            name="gld",
            warmup=61,
            data=("prices[symbol=GLD].open", "prices[symbol=GLD].close", "prices[symbol=GLD].adj_close"),
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="Med",
    exposures=("GOLD+",),
    source="Blose, Gondhalekar & Kort 2014, 2018",
    rationale="Gold earned its return between the US close and the next open; the effect has weakened.",
    formula="t = mean_60 / (sd_60 / sqrt(60)) of ln(open / previous close), dividends in; score = clip(t / 2, 0, 1) if "
    "mean_60 > 2 * half-spread + 1 bp",
    differs={
        "gold_day_of_week": "every night and no day; that one is a whole session chosen by weekday",
        "event_drift_pm": "holds every night; that one holds around scheduled announcements",
    },
    tags={"orders": "market on close before 15:50 ET, market on open before 09:28 ET"},
)
