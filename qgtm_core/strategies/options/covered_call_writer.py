"""Covered calls on GLD: written where implied variance is dear, less in a strong trend, not before the Fed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import Reason, StrategyStatus

# `dte` and `delta` choose the call when the order template is built; `days_30_45` is the expiry within `dte`
PARAMS: Mapping[str, Any] = {
    "dte": [30, 45],
    "delta": 0.28,
    "base": 0.5,
    "slope": 0.25,
    "t_cut": 1.5,
    "t_mult": 0.5,
    "event_days": 2,
}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the share of the holding to write on; GATE without an expiry in the window."""
    size = (params["base"] + params["slope"] * pl.col("vrp_z_252")).clip(0.0, 1.0)
    size = pl.when(pl.col("gld_t_63") > params["t_cut"]).then(size * params["t_mult"]).otherwise(size)
    meeting = (pl.col("sessions_to_fomc") <= params["event_days"]).fill_null(value=False)
    low, high = params["dte"]
    share = pl.col(f"quotes_{low}_{high}")
    return panel.select(
        score=pl.when(meeting).then(0.0).otherwise(size),
        quality=share,
        reason=pl.when(share.is_null()).then(pl.lit(Reason.GATE.value)),
    )


STRATEGY = Strategy(
    id="covered_call_writer",
    number=71,
    category="options",
    status=StrategyStatus.RESEARCH,
    cadence=Cadence.DAILY,
    horizon_sessions=30,
    symbols=("GLD",),
    inputs=(
        Input("variance_premium", ("vrp_z_252",), name="gvz", warmup=273, data=("macro[series_id=GVZCLS].value",)),
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
        Input(
            "event_risk",
            ("sessions_to_fomc",),
            coverage="covered",
            availability="events_available_at",
            optional=("sessions_to_fomc",),  # null = none within the dates known
            data=("fomc.event_date", "events[category=CPI].event_at", "events[category=NFP].event_at"),
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="Med",
    exposures=("GOLD+", "VOL-"),
    source="Whaley 2002; Israelov & Nielsen 2015",
    rationale="Calls on a holding earn the variance premium where it is rich.",
    formula="score = clip(0.5 + 0.25*z_VRP, 0, 1), halved if t_63 > 1.5; 0 if the FOMC meets within 2 sessions",
    differs={
        "cash_secured_put": "needs the shares and gives up the upside; that one needs the cash and takes the downside",
        "gold_collar": "sized by the variance premium, no put is bought",
    },
    tags={"route_to_oms": "false", "structure": "covered call"},
)
