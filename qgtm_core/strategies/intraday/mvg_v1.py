"""Miners against gold within the day. Declared DEAD and behind a flag: silent unless research asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from qgtm_core.intraday.inputs import RELEASE_DATES, hold_ticks
from qgtm_core.intraday.replay import Places, trades
from qgtm_core.strategies.helpers import pair_leg
from qgtm_core.strategies.spec import Cadence, Input, Leg, Strategy
from qgtm_core.types import StrategyStatus

PARAMS: Mapping[str, Any] = {
    "bar": "30m",
    "win": 260,
    "sum": 3,
    "z_in": 2.0,
    "full": 3.0,
    "q": 0.3,
    "hold_bars": 4,
    "flag": "QGTM_ENABLE_MVG",
}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the legs against the residual while it is beyond the threshold, for a few bars at most."""
    places = Places.of(panel)
    z = places.cube(panel[f"z_{params['sum']}"])
    side = trades(
        z,
        places.cube(panel["may_enter"]),
        places.cube(panel["may_hold"]),
        enter=params["z_in"],
        leave=np.nextafter(params["z_in"], 0.0),  # the position lives only while |z| is at the threshold or beyond
        hold_ticks=hold_ticks(params),
    )
    score = places.flat("pair_score", side * np.minimum(1.0, np.abs(z) / params["full"]))
    return panel.with_columns(score).select(
        score=pair_leg(pl.col("pair_score"), pl.col(f"beta_{params['win']}")), quality=pl.lit(params["q"])
    )


STRATEGY = Strategy(
    id="mvg_v1",
    number=56,
    category="intraday",
    status=StrategyStatus.DEAD,
    cadence=Cadence.INTRADAY,
    horizon_sessions=4,
    symbols=("GDX", "GLD"),
    legs=(Leg("GDX", pair="GDX/GLD", side="y"), Leg("GLD", pair="GDX/GLD", side="x")),
    inputs=(
        Input(
            "miners_30m",
            ("beta_260", "z_3"),
            staleness="intraday",
            warmup=260,
            data=(
                "bars_intraday[symbol=GDX,interval=30m].close",
                "bars_intraday[symbol=GLD,interval=30m].close",
            ),
        ),
        RELEASE_DATES,
    ),
    params=PARAMS,
    rule=rule,
    rule_lookback=26,
    capacity="Med",
    exposures=("MINERS_REL±",),
    source="practice; no paper is claimed (the ledger's artifact has a Sharpe ratio of −1.34)",
    rationale="What miners do within the day beyond their share in gold reverts.",
    formula="e = r_GDX − β·r_GLD over 260 bars of 30 minutes; z = Σ_3 e/(√3·sd(e)); |z| ≥ 2: "
    "s = −sign(z)·min(1, |z|/3); GDX = s/max(1, |β|), GLD = −β·s/max(1, |β|); at most 4 bars",
    differs={"miners_vs_metal": "30-minute residuals held for two hours, against daily ones held for weeks"},
)
