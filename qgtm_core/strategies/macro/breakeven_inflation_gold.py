"""Gold and expected inflation: long when breakevens rise, less so when real yields rise faster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.helpers import clip_score, lin
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import StrategyStatus

PARAMS: Mapping[str, Any] = {"k": [20, 60], "w": [0.6, 0.4], "win": 252, "z0": 2.0, "damp": 0.5, "damp_k": 20}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the score from the z-scored changes of the breakeven, damped while real yields outrun it."""
    changes = [w * pl.col(f"breakeven_10y_zchg_{k}") for k, w in zip(params["k"], params["w"], strict=True)]
    real = pl.col(f"real_10y_chg_{params['damp_k']}")
    breakeven = pl.col(f"breakeven_10y_chg_{params['damp_k']}")
    score = lin(sum(changes[1:], start=changes[0]), params["z0"])
    outrun = (real > 0.0) & (real > breakeven)
    return panel.select(
        score=clip_score(pl.when(outrun).then(score * params["damp"]).otherwise(score)),
        quality=pl.lit(1.0),
    )


STRATEGY = Strategy(
    id="breakeven_inflation_gold",
    number=7,
    category="macro",
    status=StrategyStatus.PAPER,
    cadence=Cadence.DAILY,
    horizon_sessions=20,
    symbols=("GLD",),
    inputs=(
        Input(
            "macro",
            ("breakeven_10y_zchg_20", "breakeven_10y_zchg_60", "breakeven_10y_chg_20"),
            name="breakeven_10y",
            warmup=312,
            data=("macro[series_id=T10YIE].value",),
        ),
        Input("macro", ("real_10y_chg_20",), name="real_10y", warmup=312, data=("macro[series_id=DFII10].value",)),
    ),
    params=PARAMS,
    rule=rule,
    capacity="High",
    exposures=("REAL_RATE+", "GOLD+"),
    source="Beckmann & Czudaj 2013",
    rationale="Rising expected inflation supports gold unless real yields rise faster.",
    formula="score = lin(0.6 zchg(be, 20, 252) + 0.4 zchg(be, 60, 252)), "
    "halved while the 20-day change of the real yield is positive and exceeds that of the breakeven",
    differs={
        "real_rate_gold": "follows expected inflation; real yields only damp it",
        "gold_macro_regime": "continuous and daily, not a vote by the week",
    },
)
