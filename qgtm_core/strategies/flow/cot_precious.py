"""Managed money in metal futures: against positions crowded by the standard of three years."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.helpers import clip_score, dead
from qgtm_core.strategies.spec import Cadence, Input, Leg, Strategy
from qgtm_core.types import StrategyStatus

PARAMS: Mapping[str, Any] = {"win_w": 156, "dead": 1.0, "full": 2.5, "q_backlog": 0.5}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return minus the z-score of net positions beyond its dead zone; less sure while reports come late."""
    z = pl.col(f"mm_net_pct_oi_z_{params['win_w']}")
    return panel.select(
        score=clip_score(-dead(z, params["dead"], params["full"])),
        quality=pl.when(pl.col("backlog")).then(params["q_backlog"]).otherwise(1.0),
    )


_REPORT = "positioning[report_type=disaggregated_futures_and_options_combined]"

STRATEGY = Strategy(
    id="cot_precious",
    number=30,
    category="flow",
    status=StrategyStatus.PAPER,
    cadence=Cadence.WEEKLY,
    horizon_sessions=15,
    symbols=("GLD", "SLV", "PPLT", "PALL"),
    legs=(
        Leg("GLD", market="gold"),
        Leg("SLV", market="silver"),
        Leg("PPLT", market="platinum"),
        Leg("PALL", market="palladium"),
    ),
    inputs=(
        Input(
            "positioning",
            ("mm_net_pct_oi_z_156", "backlog"),
            staleness="weekly",
            warmup=156,
            data=tuple(f"{_REPORT}.{c}" for c in ("managed_money_long", "managed_money_short", "open_interest")),
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="Med",
    exposures=("LIQ_CROWD+", "GOLD∓"),
    source="Sanders, Irwin & Merrin 2009; Briese 2008",
    rationale="Crowded managed-money positioning unwinds.",
    formula="p = (managed money long - short) / open interest; score = -dead(Z_156(p), 1, 2.5)",
    differs={
        "hedging_pressure": "managed money, not commercials; each market against its own past, contrarian",
        "cot_positioning": "the disaggregated report, a z-score, managed money",
    },
)
