"""Gold and the change of policy: the 2-year yield and liquidity by their rates of change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.helpers import clip_score, lin
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import StrategyStatus

# `liq_weeks` and `liq_win` name the windows behind features/liquidity.net_liquidity_*, `win` that of the 2-year yield
PARAMS: Mapping[str, Any] = {
    "k2y": 63,
    "win": 504,
    "liq_weeks": 13,
    "liq_win": 156,
    "w": [0.5, 0.3, 0.2],
    "z0": 2.0,
}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the weighted easing impulse: a falling 2-year yield, growing and accelerating liquidity."""
    tail = f"{params['liq_weeks']}_z_{params['liq_win']}"
    impulses = (
        -pl.col(f"nominal_2y_zchg_{params['k2y']}"),
        pl.col(f"net_liquidity_growth_{tail}"),
        pl.col(f"net_liquidity_acceleration_{tail}"),
    )
    terms = [w * lin(z, params["z0"]) for w, z in zip(params["w"], impulses, strict=True)]
    return panel.select(score=clip_score(sum(terms[1:], start=terms[0])), quality=pl.lit(1.0))


STRATEGY = Strategy(
    id="gold_druckenmiller_delta",
    number=3,
    category="macro",
    status=StrategyStatus.PAPER,
    cadence=Cadence.DAILY,
    horizon_sessions=40,
    symbols=("GLD",),
    inputs=(
        Input(
            "macro",
            ("nominal_2y_zchg_63",),
            name="nominal_2y",
            warmup=567,
            data=("macro[series_id=DGS2].value",),
        ),
        Input(
            "liquidity",
            ("net_liquidity_growth_13_z_156", "net_liquidity_acceleration_13_z_156"),
            name="net_liquidity",
            staleness="weekly",
            warmup=156,
            data=(
                "macro[series_id=WALCL].value",
                "macro[series_id=WTREGEN].value",
                "macro[series_id=RRPONTSYD].value",
            ),
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="High",
    exposures=("REAL_RATE+", "USD-", "EQUITY+"),
    source="Practitioner rule (rate of change of policy and liquidity, attributed to S. Druckenmiller); no paper",
    rationale="Markets discount the change of policy and liquidity 6 to 12 months out; an easing impulse lifts gold.",
    formula="g = 13-week growth of (WALCL - WTREGEN - RRP), a = g - g 13 weeks ago; "
    "score = 0.5 lin(-zchg(2y, 63, 504)) + 0.3 lin(Z_156(g)) + 0.2 lin(Z_156(a))",
    differs={
        "gold_yield_curve_steepener": "reads the 2-year yield with liquidity, not the slope of the curve",
        "real_rate_gold": "reads the nominal front end and liquidity, not the real yield",
    },
)
