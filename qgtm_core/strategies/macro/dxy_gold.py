"""Gold against the dollar: trends of the dollar pass through inversely while the correlation holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.helpers import clip_score, lin, over
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import Reason, StrategyStatus

PARAMS: Mapping[str, Any] = {
    "k": [20, 60],
    "w": [0.5, 0.5],
    "win": 252,
    "z0": 2.0,
    "rho_win": 126,
    "rho_gate": -0.1,
    "rho_full": -0.4,
}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the score, scaled by how negative the correlation is; GATE while it is not negative enough."""
    correlation = pl.col(f"gld_uup_corr_{params['rho_win']}")
    strength = over(correlation, params["rho_full"]).clip(0.0, 1.0)
    trends = [w * lin(pl.col(f"uup_zchg_{k}"), params["z0"]) for k, w in zip(params["k"], params["w"], strict=True)]
    return panel.select(
        score=clip_score(-strength * sum(trends[1:], start=trends[0])),
        quality=strength,
        reason=pl.when(correlation > params["rho_gate"]).then(pl.lit(Reason.GATE.value)),
    )


STRATEGY = Strategy(
    id="dxy_gold",
    number=6,
    category="macro",
    status=StrategyStatus.PAPER,
    cadence=Cadence.DAILY,
    horizon_sessions=20,
    symbols=("GLD",),
    inputs=(
        Input(
            "cross_asset",
            ("uup_zchg_20", "uup_zchg_60"),
            name="uup",
            warmup=312,
            data=("prices[symbol=UUP].adj_close",),
        ),
        Input(
            "cross_asset",
            ("gld_uup_corr_126",),
            name="gld",
            warmup=312,
            data=("prices[symbol=GLD].adj_close", "prices[symbol=UUP].adj_close"),
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="High",
    exposures=("USD-", "GOLD+"),
    source="Capie, Mills & Wood 2005; Pukthuanthong & Roll 2011",
    rationale="Gold is quoted in dollars; dollar trends pass through inversely while the correlation holds.",
    formula="g = clip(-corr(r_GLD, r_UUP; 126) / 0.4, 0, 1); score = -g (0.5 lin(z_20) + 0.5 lin(z_60)), "
    "z_k = zchg(ln UUP, k, 252); GATE while the correlation is above -0.1",
    differs={"gold_macro_regime": "continuous and daily behind a correlation gate, not a vote by the week"},
)
