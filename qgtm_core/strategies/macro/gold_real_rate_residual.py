"""Gold against the value that real yields and the dollar imply: deviations close while the relation holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.helpers import dead, over
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import Reason, StrategyStatus

PARAMS: Mapping[str, Any] = {
    "win": 504,
    "r2_min": 0.30,
    "hl": [5, 120],
    "adf_max": -3.45,
    "yield_slope_max": 0.0,
    "dead": 1.0,
    "full": 2.5,
    "r2_full": 0.6,
}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the score against the residual; GATE unless it fits, reverts, is stationary and falls with yields."""
    z, r2, half_life, adf, slope = (
        pl.col(f"gold_fair_{name}_{params['win']}") for name in ("z", "r2", "half_life", "adf", "yield_slope")
    )
    holds = pl.all_horizontal(
        r2 >= params["r2_min"],
        half_life.is_between(*params["hl"]),
        adf <= params["adf_max"],
        slope < params["yield_slope_max"],
    )
    return panel.select(
        score=-dead(z, params["dead"], params["full"]),
        quality=over(r2, params["r2_full"]).clip(0.0, 1.0),
        reason=pl.when(~holds.fill_null(value=False)).then(pl.lit(Reason.GATE.value)),
    )


_HALF_LIFE = "gold_fair_half_life_504"
_COLUMNS = ("gold_fair_z_504", "gold_fair_r2_504", _HALF_LIFE, "gold_fair_adf_504", "gold_fair_yield_slope_504")

STRATEGY = Strategy(
    id="gold_real_rate_residual",
    number=2,
    category="macro",
    status=StrategyStatus.PAPER,
    cadence=Cadence.DAILY,
    horizon_sessions=30,
    symbols=("GLD",),
    inputs=(
        Input(
            "fair_value",
            _COLUMNS,
            name="gold_fair",
            warmup=504,
            optional=(_HALF_LIFE,),
            data=("macro[series_id=DFII10].value", "prices[symbol=GLD].adj_close", "prices[symbol=UUP].adj_close"),
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="High",
    exposures=("GOLD±", "REAL_RATE≈0"),
    source="Erb & Harvey 2013; Engle & Granger 1987",
    rationale="Gold returns to the value that real yields and the dollar imply, while the relation holds: it is known "
    "to have broken after 2022, so the gates are essential.",
    formula="ln GLD = a + b*real yield + c*ln UUP + u over 504 days, z = u/sd(u); score = -dead(z, 1, 2.5), GATE "
    "unless R2 >= 0.30, half-life of u in [5, 120], ADF t <= -3.45 and b < 0",
    differs={
        "real_rate_gold": "trades the level of gold against its fair value, not changes of real yields",
        "gold_macro_regime": "a continuous residual, not a vote of discrete conditions",
    },
)
