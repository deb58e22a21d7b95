"""Cash-secured puts on GLD: premium collected where implied variance is dear and the trend is not down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import Reason, StrategyStatus

# `dte` and `delta` choose the put when the order template is built; `days_30_45` is the expiry within `dte`
PARAMS: Mapping[str, Any] = {
    "dte": [30, 45],
    "delta": -0.25,
    "base": 0.5,
    "slope": 0.25,
    "t_min": -1.0,
    "ivr_min": 0.30,
}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the share of the collateral to write against; GATE without an expiry in the window."""
    size = (params["base"] + params["slope"] * pl.col("vrp_z_252")).clip(0.0, 1.0)
    allowed = (pl.col("gld_t_63") > params["t_min"]) & (pl.col("gvz_rank_252") >= params["ivr_min"])
    low, high = params["dte"]
    share = pl.col(f"quotes_{low}_{high}")
    return panel.select(
        score=pl.when(allowed).then(size).when(allowed.is_not_null()).then(0.0),
        quality=share,
        reason=pl.when(share.is_null()).then(pl.lit(Reason.GATE.value)),
    )


STRATEGY = Strategy(
    id="cash_secured_put",
    number=72,
    category="options",
    status=StrategyStatus.RESEARCH,
    cadence=Cadence.DAILY,
    horizon_sessions=30,
    symbols=("GLD",),
    inputs=(
        Input(
            "variance_premium",
            ("vrp_z_252", "gvz_rank_252"),
            name="gvz",
            warmup=273,
            data=("macro[series_id=GVZCLS].value",),
        ),
        Input("variance_premium", ("gld_t_63",), name="gld", warmup=273, data=("prices[symbol=GLD].adj_close",)),
        Input(
            "option_surface",
            ("quotes_30_45",),
            name="chain",
            staleness="snapshot",
            warmup=1,
            optional=("quotes_30_45",),  # null = no usable expiry in the window
            data=tuple(f"option_points[underlying=GLD].{column}" for column in ("atm", "call_25", "put_25", "passed")),
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="Med",
    exposures=("GOLD+", "VOL-"),
    source="Ungar & Moran 2009",
    rationale="Puts written against cash collect the variance premium and buy gold at a discount when exercised.",
    formula="score = clip(0.5 + 0.25*z_VRP, 0, 1) if t_63 > -1 and (GVZ - min)/(max - min) over 252 >= 0.30, else 0",
    differs={
        "covered_call_writer": "needs the cash and takes the downside; that one needs the shares",
        "vrp_harvester": "one short put with all its collateral; that one has wings on both sides",
    },
    tags={"route_to_oms": "false", "structure": "cash-secured put"},
)
