"""Hedgers who are short pay a premium to the longs: the metals against each other, slowly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from qgtm_core.maths.statistics import MIN_SD
from qgtm_core.strategies.helpers import lin
from qgtm_core.strategies.replay import by_leg, flat
from qgtm_core.strategies.spec import Cadence, Input, Leg, Strategy
from qgtm_core.types import StrategyStatus

PARAMS: Mapping[str, Any] = {"mean_w": 52, "full": 1.5, "min_metals": 3}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the year's hedging pressure standardised across the metals that have one."""
    pressure = by_leg(panel, f"hedging_pressure_mean_{params['mean_w']}")
    members = np.isfinite(pressure).sum(axis=1, keepdims=True)
    members = np.where(members >= params["min_metals"], members, np.nan)
    deviation = pressure - np.nansum(pressure, axis=1, keepdims=True) / members
    spread = np.sqrt(np.nansum(deviation**2, axis=1, keepdims=True) / (members - 1.0))
    relative = deviation / np.where(spread > MIN_SD, spread, np.nan)
    return panel.select(flat("relative", relative)).select(
        score=lin(pl.col("relative"), params["full"]), quality=pl.lit(1.0)
    )


_REPORT = "positioning[report_type=disaggregated_futures_and_options_combined]"

STRATEGY = Strategy(
    id="hedging_pressure",
    number=31,
    category="flow",
    status=StrategyStatus.PAPER,
    cadence=Cadence.MONTHLY_FIRST_WEEK,
    horizon_sessions=60,
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
            ("hedging_pressure_mean_52",),
            name="hedgers",
            staleness="weekly",
            warmup=104,
            data=tuple(f"{_REPORT}.{trader}_{side}" for trader in ("producer", "swap") for side in ("long", "short")),
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="Med",
    exposures=("GOLD≈0", "SILVER_REL±"),
    source="Bessembinder 1992; de Roon, Nijman & Veld 2000; Basu & Miffre 2013",
    rationale="Commercials short the future pay a premium to those who are long; slow and relative between metals.",
    min_symbols=3,
    formula=(
        "hp = (short - long) / (short + long) of producers and swap dealers; H = its 52-week mean; "
        "score = lin((H - mean) / sd across the metals, 1.5)"
    ),
    differs={
        "cot_precious": "commercials, not managed money; a 52-week mean, not a z of 156; across metals; follows",
        "cot_positioning": "both reports' commercials differ; relative between metals, no extremes of one market",
    },
)
