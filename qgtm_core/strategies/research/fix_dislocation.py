"""The London PM auction presses the price for a moment; it comes back within two hours. Needs a licensed print."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from qgtm_core import publication
from qgtm_core.intraday import clock
from qgtm_core.intraday.inputs import RELEASE_DATES
from qgtm_core.intraday.replay import Places, trades
from qgtm_core.strategies.helpers import dead
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import Reason, StrategyStatus

PARAMS: Mapping[str, Any] = {
    "bar": "1m",
    "win": 60,
    "dead": 1.5,
    "full": 3.0,
    "max_min": 120,
    "q": 0.6,
    "enter_at": [10, 10],  # New York
}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the score from 10:10 on for two hours; OUT_OF_WINDOW before, after and on days without an auction."""
    places = Places.of(panel)
    implied = pl.col("mid_usd") / pl.col("oz_per_share")
    z = panel.select((pl.col("print_usd_oz") / implied).log() / pl.col(f"error_sd_{params['win']}")).to_series()
    day = pl.col("decided_at").dt.convert_time_zone(publication.NEW_YORK).dt.date()
    since = pl.col("decided_at") - publication.at(day, *params["enter_at"])
    opening = panel.select((since >= pl.duration()) & (since < clock.TICK)).to_series()
    side = trades(
        places.cube(z),
        places.cube(panel["may_enter"] & opening),
        places.cube(panel["may_hold"]),
        enter=params["dead"],
        leave=-1.0,
        hold_ticks=int(params["max_min"] * 60 / clock.TICK.total_seconds()),
    )
    traded = places.flat("traded", np.where(np.isfinite(places.cube(z)), np.abs(side), np.nan))
    outside = (
        (since < pl.duration()) | (since >= pl.duration(minutes=params["max_min"])) | pl.col("print_usd_oz").is_null()
    )
    return panel.with_columns(z.alias("z"), traded).select(
        score=pl.col("traded") * -dead(pl.col("z"), params["dead"], params["full"]),
        quality=pl.lit(params["q"]),
        reason=pl.when(outside).then(pl.lit(Reason.OUT_OF_WINDOW.value)),
    )


STRATEGY = Strategy(
    id="fix_dislocation",
    number=64,
    category="research",
    status=StrategyStatus.RESEARCH,
    cadence=Cadence.INTRADAY,
    horizon_sessions=24,
    symbols=("GLD",),
    inputs=(
        Input(
            "fix_print",
            ("print_usd_oz", "mid_usd", "oz_per_share", "error_sd_60"),
            name="fix",
            warmup=60,
            optional=("print_usd_oz", "mid_usd", "oz_per_share", "error_sd_60"),
            data=("licensed_fixes[metal=gold,fix=PM].usd_per_oz", "flows[symbol=GLD].oz_per_share"),
        ),
        Input(
            "fix_print",
            (),
            staleness="intraday",
            warmup=1,
            data=("bars_intraday[symbol=GLD,interval=1m].close",),
        ),
        RELEASE_DATES,
    ),
    params=PARAMS,
    rule=rule,
    rule_lookback=64,
    capacity="Med",
    exposures=("≈0",),
    source="Caminschi & Heaney 2014 (of the old fixing; expect decay)",
    rationale="Pressure in the London PM auction is transient.",
    formula="m = GLD at 09:59 ÷ ounces a share; e = ln(PM/m); z = e/sd_60(e); at 10:10 New York "
    "score = −dead(z; 1.5, 3), for at most 120 minutes; NOT_LICENSED without a real-time print",
    differs={"gold_lbma_fix_anomaly": "the print itself, within two hours, against the pattern of delayed prints"},
    tags={"licensed_input": "fix"},
)
