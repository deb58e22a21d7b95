"""Miners that lag the margin between the gold price and the cost of mining catch up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.helpers import dead, over
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import StrategyStatus

# `min_issuers` is that of the cost behind features/margin, and the fewest known for the strategy to speak
PARAMS: Mapping[str, Any] = {
    "win": 756,
    "dead": 0.75,
    "full": 2.5,
    "r2_full": 0.5,
    "age_full": 240,
    "min_issuers": 2,
}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the score of miners against the residual, and its opposite of gold; less sure as the filings age."""
    score = -dead(pl.col(f"margin_z_{params['win']}"), params["dead"], params["full"])
    fit = over(pl.col(f"margin_r2_{params['win']}"), params["r2_full"]).clip(0.0, 1.0)
    fresh = (1.0 - over(pl.col("cost_age_days"), params["age_full"])).clip(0.0, 1.0)
    return panel.select(score=pl.when(pl.col("symbol") == "GDX").then(score).otherwise(-score), quality=fit * fresh)


STRATEGY = Strategy(
    id="gold_miner_aisc_margin",
    number=26,
    category="mr",
    status=StrategyStatus.PAPER,
    cadence=Cadence.WEEKLY,
    horizon_sessions=60,
    symbols=("GDX", "GLD"),
    inputs=(
        Input(
            "margin",
            ("margin_z_756", "margin_r2_756"),
            name="margin",
            warmup=756,
            data=(
                "prices[symbol=GDX].adj_close",
                "prices[symbol=GLD].adj_close",
                "fixes[metal=gold,fix=PM].usd_per_oz",
            ),
        ),
        Input(
            "margin",
            ("cost_age_days",),
            name="costs",
            staleness="quarterly",
            warmup=PARAMS["min_issuers"],
            data=("mining_costs.aisc_usd_per_oz", "mining_costs.production_koz"),
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="Med",
    exposures=("MINERS_REL+",),
    source="Tufano 1998 for the leverage of miners; the rule is our own",
    rationale="Miners are cheap when they lag an expansion of the all-in-sustaining-cost margin.",
    formula="m = (P - A)/P with the cost A filed by then, weighed by production; z of the residual of ln(GDX/GLD) on "
    "ln m over 756 days; s = -dead(z, 0.75, 2.5); GDX = s, GLD = -s",
    differs={
        "miners_vs_metal": "the fundamental margin explains the ratio, not the gold price alone",
        "gold_royalty_divergence": "costs of production, not the returns of royalties",
        "miners_leverage": "both legs and a fair value; not the convexity of miners' beta",
    },
)
