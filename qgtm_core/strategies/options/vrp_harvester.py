"""Iron condors on GLD: the variance premium with a known worst case, away from stress and events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.helpers import over
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import Reason, StrategyStatus

# `dte` and the deltas choose the legs when the order template is built, `hedge_delta` when shares hedge them
PARAMS: Mapping[str, Any] = {
    "dte": [30, 45],
    "short_delta": 0.20,
    "wing_delta": 0.08,
    "vrp_min": 0.0,
    "z_lo": 0.25,
    "z_span": 1.75,
    "hedge_delta": 0.10,
    "event_days": 5,
    "points": 100.0,
}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the share of the risk budget; GATE without an expiry in the window."""
    size = over(pl.col("vrp_z_252") - params["z_lo"], params["z_span"]).clip(0.0, 1.0)
    premium = pl.col("vrp") > params["vrp_min"]
    upright = pl.col("gvz") <= pl.col("iv_90") * params["points"]
    quiet = (pl.col("sessions_to_event") > params["event_days"]).fill_null(value=True)
    allowed = premium & upright & quiet
    low, high = params["dte"]
    share = pl.col(f"quotes_{low}_{high}")
    return panel.select(
        score=pl.when(allowed).then(size).when(allowed.is_not_null()).then(0.0),
        quality=share,
        reason=pl.when(share.is_null()).then(pl.lit(Reason.GATE.value)),
    )


_CHAIN = tuple(f"option_points[underlying=GLD].{column}" for column in ("atm", "call_25", "put_25", "passed"))

STRATEGY = Strategy(
    id="vrp_harvester",
    number=73,
    category="options",
    status=StrategyStatus.RESEARCH,
    cadence=Cadence.DAILY,
    horizon_sessions=30,
    symbols=("GLD",),
    inputs=(
        Input(
            "variance_premium",
            ("vrp", "vrp_z_252", "gvz"),
            name="gvz",
            warmup=273,
            data=("macro[series_id=GVZCLS].value",),
        ),
        Input("variance_premium", (), name="gld", warmup=273, data=("prices[symbol=GLD].adj_close",)),
        Input(
            "option_surface",
            ("quotes_30_45",),
            name="chain",
            staleness="snapshot",
            warmup=1,
            optional=("quotes_30_45",),  # null = no usable expiry in the window
            data=_CHAIN,
        ),
        Input(
            "option_surface",
            ("iv_90",),
            name="iv_90",
            staleness="snapshot",
            warmup=1,
            data=("option_points[underlying=GLD].atm",),
        ),
        Input(
            "event_risk",
            ("sessions_to_event",),
            coverage="covered",
            availability="events_available_at",
            optional=("sessions_to_event",),  # null = none within the dates known
            data=("fomc.event_date", "events[category=CPI].event_at", "events[category=NFP].event_at"),
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="Med",
    exposures=("VOL-", "LIQ_CROWD-"),
    source="Carr & Wu 2009; Bakshi & Kapadia 2003",
    rationale="Implied variance is dearer than what is realised; wings bound the loss when it is not.",
    formula="score = clip((z_VRP - 0.25)/1.75, 0, 1) if VRP > 0, GVZ <= IV90 and no event within 5 sessions, else 0",
    differs={
        "vol_risk_premium_pm": "trades options and is sized by the premium; that one only tilts GLD",
        "cash_secured_put": "both sides are written and both have wings",
    },
    tags={"route_to_oms": "false", "structure": "iron condor"},
)
