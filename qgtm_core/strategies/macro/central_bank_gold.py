"""Gold and central banks: long while the official sector buys more than usual, month after month."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.helpers import clip_score, lin
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import StrategyStatus

PARAMS: Mapping[str, Any] = {"sum_m": 3, "win_m": 60, "streak_m": 6, "w": [0.7, 0.3], "q": 0.7, "z0": 2.0}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the z-scored purchases and the share of buying months, weighted."""
    z = pl.col(f"official_tonnes_{params['sum_m']}m_z_{params['win_m']}")
    streak = 2.0 * pl.col(f"official_buying_share_{params['streak_m']}m") - 1.0
    by_size, by_streak = params["w"]
    return panel.select(
        score=clip_score(by_size * lin(z, params["z0"]) + by_streak * streak), quality=pl.lit(params["q"])
    )


STRATEGY = Strategy(
    id="central_bank_gold",
    number=8,
    category="macro",
    status=StrategyStatus.PAPER,
    cadence=Cadence.DAILY,  # a monthly series, looked at every session: the score changes on publication
    horizon_sessions=60,
    symbols=("GLD",),
    inputs=(
        Input(
            "official",
            ("official_tonnes_3m_z_60", "official_buying_share_6m"),
            name="official",
            staleness="monthly",
            warmup=60,
            data=("official_flows.net_tonnes",),
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="Low",
    exposures=("GOLD+",),
    source="Arslanalp, Eichengreen & Simpson-Bell 2023",
    rationale="Official buying is persistent and does not mind the price.",
    formula="x = net purchases of 3 months; streak = 2 (share of buying months in 6) - 1; "
    "score = 0.7 lin(Z_60(x)) + 0.3 streak",
    differs={"etf_flow_pm": "purchases of central banks, by month, not flows of funds, by day"},
)
