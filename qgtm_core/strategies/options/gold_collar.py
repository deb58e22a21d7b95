"""Collars on a GLD holding: a put paid for by a call, when the trend is down or volatility is high."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.helpers import over
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import Reason, StrategyStatus

# `dte` and the deltas choose the legs when the order template is built
PARAMS: Mapping[str, Any] = {
    "dte": 60,
    "put_delta": -0.25,
    "call_delta_max": 0.30,
    "w": [0.5, 0.5],
    "t_full": 2.0,
    "pr_mid": 0.5,
    "pr_span": 0.5,
    "win": 252,
}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the share of the holding to collar; GATE without an expiry about `dte` days away."""
    falling = over(-pl.col("gld_t_63"), params["t_full"]).clip(0.0, 1.0)
    dear = over(pl.col(f"gvz_pr_{params['win']}") - params["pr_mid"], params["pr_span"]).clip(0.0, 1.0)
    share = pl.col(f"quotes_{params['dte']}")
    return panel.select(
        score=params["w"][0] * falling + params["w"][1] * dear,
        quality=share,
        reason=pl.when(share.is_null()).then(pl.lit(Reason.GATE.value)),
    )


STRATEGY = Strategy(
    id="gold_collar",
    number=74,
    category="options",
    status=StrategyStatus.RESEARCH,
    cadence=Cadence.DAILY,
    horizon_sessions=60,
    symbols=("GLD",),
    inputs=(
        Input("variance_premium", ("gvz_pr_252",), name="gvz", warmup=252, data=("macro[series_id=GVZCLS].value",)),
        Input("variance_premium", ("gld_t_63",), name="gld", warmup=64, data=("prices[symbol=GLD].adj_close",)),
        Input(
            "option_surface",
            ("quotes_60",),
            name="chain",
            staleness="snapshot",
            warmup=1,
            optional=("quotes_60",),  # null = no usable expiry about 60 days away
            data=tuple(f"option_points[underlying=GLD].{column}" for column in ("atm", "call_25", "put_25", "passed")),
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="Med",
    exposures=("GOLD+", "VOL≈0"),
    source="Szado & Schneeweis 2010",
    rationale="A put financed by a call caps the fall of a holding at almost no premium.",
    formula="score = 0.5*clip(-t_63/2, 0, 1) + 0.5*clip((pr_252(GVZ) - 0.5)/0.5, 0, 1)",
    differs={
        "covered_call_writer": "the call pays for a put and does not earn the premium",
        "tail_hedge_pm": "protects a holding with options; that one scales GLD down by modelled tails",
    },
    tags={"route_to_oms": "false", "structure": "collar"},
)
