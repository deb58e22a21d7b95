"""The classic index of commercial positions: with the commercials at their extremes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.helpers import clip_score, dead, over
from qgtm_core.strategies.spec import Cadence, Input, Leg, Strategy
from qgtm_core.types import StrategyStatus

PARAMS: Mapping[str, Any] = {"win_w": 156, "centre": 50.0, "dead": 0.6, "full": 1.0, "q": 0.8}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the place of the commercials between their extremes of three years, beyond a dead zone."""
    place = over(pl.col(f"commercial_index_{params['win_w']}") - params["centre"], params["centre"])
    return panel.select(score=clip_score(dead(place, params["dead"], params["full"])), quality=pl.lit(params["q"]))


STRATEGY = Strategy(
    id="cot_positioning",
    number=58,
    category="research",
    status=StrategyStatus.RESEARCH,
    cadence=Cadence.WEEKLY,
    horizon_sessions=20,
    symbols=("GLD", "SLV"),
    legs=(Leg("GLD", market="gold"), Leg("SLV", market="silver")),
    inputs=(
        Input(
            "positioning",
            ("commercial_index_156",),
            name="legacy",
            staleness="weekly",
            warmup=156,
            data=tuple(f"positioning[report_type=legacy_futures_only].commercial_{s}" for s in ("long", "short")),
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="Med",
    exposures=("GOLD±",),
    source="Briese 2008",
    rationale="Commercials are right at extremes. Superseded by cot_precious; never beside it.",
    formula="I = 100 (net - min) / (max - min) of commercials over 156 weeks; score = dead((I - 50) / 50, 0.6, 1)",
    differs={
        "cot_precious": "the legacy report, a min-max index, commercials",
        "hedging_pressure": "extremes of one market, not a mean compared between metals",
    },
)
