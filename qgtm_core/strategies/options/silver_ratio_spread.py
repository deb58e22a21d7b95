"""Broken-wing call butterflies on SLV: rich upside skew is sold with a mildly bullish view and a known worst case."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.helpers import over
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import Reason, StrategyStatus

# `dte` and `delta` choose the legs when the order template is built
PARAMS: Mapping[str, Any] = {
    "dte": [30, 45],
    "delta": 0.25,
    "base": 0.6,
    "t_div": 2.5,
    "ivr_full": 0.5,
    "win": 252,
}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the share of the risk budget; GATE without an expiry in the window."""
    calm = (params["base"] - over(pl.col("slv_t_63").abs(), params["t_div"])).clip(0.0, 1.0)
    rich = over(pl.col(f"iv_30_rank_{params['win']}"), params["ivr_full"]).clip(0.0, 1.0)
    low, high = params["dte"]
    share = pl.col(f"quotes_{low}_{high}")
    return panel.select(
        score=calm * rich,
        quality=share,
        reason=pl.when(share.is_null()).then(pl.lit(Reason.GATE.value)),
    )


_CHAIN = tuple(f"option_points[underlying=SLV].{column}" for column in ("atm", "call_25", "put_25", "passed"))

STRATEGY = Strategy(
    id="silver_ratio_spread",
    number=75,
    category="options",
    status=StrategyStatus.RESEARCH,
    cadence=Cadence.DAILY,
    horizon_sessions=30,
    symbols=("SLV",),
    inputs=(
        Input("variance_premium", ("slv_t_63",), name="slv", warmup=64, data=("prices[symbol=SLV].adj_close",)),
        Input(
            "option_surface",
            ("iv_30_rank_252",),
            name="iv_30",
            staleness="snapshot",
            warmup=252,
            data=("option_points[underlying=SLV].atm",),
        ),
        Input(
            "option_surface",
            ("quotes_30_45",),
            name="chain",
            staleness="snapshot",
            warmup=1,
            optional=("quotes_30_45",),  # null = no usable expiry in the window
            data=_CHAIN,
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="Low",
    exposures=("SILVER_REL+", "VOL-"),
    source="Sinclair 2013; the rule is our own",
    rationale="Upside skew of silver is dear; two calls are sold against one near and one far.",
    formula="score = clip(0.6 - |t_63|/2.5, 0, 1) * clip(IV rank_252/0.5, 0, 1), of SLV's 30-day volatility",
    differs={
        "gold_silver_ratio": "an option structure on silver; that one trades the ratio of the two metals",
        "gold_silver_ratio_intraday": "an option structure on silver; that one trades the ratio within the day",
    },
    tags={"route_to_oms": "false", "structure": "broken-wing butterfly"},
)
