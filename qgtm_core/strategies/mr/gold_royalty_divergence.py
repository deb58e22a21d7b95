"""Royalty companies against miners, both net of gold: the gap reverts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.schemas.features.royalty import ROYALTIES
from qgtm_core.strategies.helpers import dead
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import StrategyStatus

# `beta_win` and `sum` are the regressions and the sum behind features/royalty
PARAMS: Mapping[str, Any] = {"beta_win": 252, "sum": 60, "win": 252, "dead": 1.0, "full": 2.5}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the score against the gap, split evenly over the royalties that can speak, and its opposite of miners."""
    z, royalty = pl.col(f"royalty_gap_z_{params['win']}"), pl.col("symbol").is_in(ROYALTIES)
    score = -dead(z, params["dead"], params["full"])
    members = (royalty & z.is_not_null()).sum().over("session").cast(pl.Float64)
    return panel.select(score=pl.when(royalty).then(score / members).otherwise(-score), quality=pl.lit(1.0))


STRATEGY = Strategy(
    id="gold_royalty_divergence",
    number=25,
    category="mr",
    status=StrategyStatus.PAPER,
    cadence=Cadence.WEEKLY,
    horizon_sessions=30,
    symbols=(*ROYALTIES, "GDX"),
    inputs=(
        Input(
            "royalty",
            ("royalty_gap_z_252",),
            name="royalty",
            warmup=315,
            data=("prices[symbol=GDX].adj_close", "prices[symbol=GLD].adj_close"),
        ),
        Input("prices", ("adj_close",), warmup=1, data=("prices[symbol={symbol}].adj_close",)),
    ),
    params=PARAMS,
    rule=rule,
    min_symbols=3,  # miners and two royalties
    capacity="Med",
    exposures=("MINERS_REL∓",),
    source="our own rule",
    rationale="Royalty companies carry no cost inflation; their gap to miners, net of gold, reverts.",
    formula="D = sum over 60 days of the residual returns on GLD (252 days) of the royalty basket less those of GDX; "
    "z = Z_252(D), s = -dead(z, 1, 2.5); each of n royalties s/n, GDX -s",
    differs={
        "miners_vs_metal": "royalties against miners, both net of gold; not miners against gold",
        "gold_miner_aisc_margin": "returns of royalties, no costs of production",
        "pairs_mr": "a basket against miners across groups; that one pairs royalties with each other",
    },
)
