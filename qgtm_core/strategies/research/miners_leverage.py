"""Miners when their gold beta is higher on the way up than on the way down and gold trends up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.helpers import clip_score, lin, over
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import StrategyStatus

# `min_side` is the fewest days of one sign behind features/convexity; `span` the beta difference from none to full
PARAMS: Mapping[str, Any] = {
    "win": 252,
    "min_side": 60,
    "span": 0.5,
    "middle": 0.5,
    "trend_days": 63,
    "z0": 2.0,
    "gdxj": 0.5,
    "r2_full": 0.6,
}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return convexity times gold's trend, half of it on junior miners; quality by how much gold explains."""
    win = params["win"]
    difference = pl.col(f"beta_up_{win}") - pl.col(f"beta_down_{win}")
    convexity = (over(difference, params["span"]) + params["middle"]).clip(0.0, 1.0)
    score = clip_score(convexity * lin(pl.col(f"trend_t_{params['trend_days']}"), params["z0"]))
    size = pl.when(pl.col("symbol") == "GDXJ").then(float(params["gdxj"])).otherwise(1.0)
    return panel.select(score=score * size, quality=over(pl.col(f"r2_{win}"), params["r2_full"]).clip(0.0, 1.0))


STRATEGY = Strategy(
    id="miners_leverage",
    number=70,
    category="research",
    status=StrategyStatus.RESEARCH,
    cadence=Cadence.WEEKLY,
    horizon_sessions=30,
    symbols=("GDX", "GDXJ"),
    inputs=(
        Input(
            "convexity",
            ("beta_up_252", "beta_down_252", "r2_252"),
            name="gdx_gld",
            warmup=252,
            data=("prices[symbol=GDX].adj_close", "prices[symbol=GLD].adj_close"),
        ),
        Input("trend", ("trend_t_63",), name="gld", warmup=252, data=("prices[symbol=GLD].adj_close",)),
    ),
    params=PARAMS,
    rule=rule,
    capacity="Med",
    exposures=("GOLD+", "MINERS_REL+"),
    source="Tufano 1998",
    rationale="A miner is an option on gold above its costs; worth owning while that option is convex and gold rises.",
    formula="k = clip((beta_up - beta_dn) / 0.5 + 0.5, 0, 1); GDX = k * lin(t_63 of gold), GDXJ = half of it",
    differs={
        "miners_vs_metal": "direction by convexity and trend; that one fades the residual of miners on gold",
        "gold_royalty_divergence": "miners alone; that one trades royalty companies against miners",
        "gold_miner_aisc_margin": "betas of prices; that one reads costs of production",
        "mvg_v1": "weekly and directional; that one is a 30-minute spread",
        "precious_metals": "a child of that composite; the two are never live together",
    },
)
