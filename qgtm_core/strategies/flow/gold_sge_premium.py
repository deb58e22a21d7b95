"""Shanghai's premium over London: physical tightness and demand for imports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.helpers import lin
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import StrategyStatus

PARAMS: Mapping[str, Any] = {"smooth": 5, "win": 252, "z0": 2.0, "q": 0.7}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the standardised premium, smoothed because the two prices are hours apart."""
    z = pl.col(f"shanghai_premium_mean_{params['smooth']}_z_{params['win']}")
    return panel.select(score=lin(z, params["z0"]), quality=pl.lit(params["q"]))


STRATEGY = Strategy(
    id="gold_sge_premium",
    number=34,
    category="flow",
    status=StrategyStatus.PAPER,
    cadence=Cadence.DAILY,
    horizon_sessions=15,
    symbols=("GLD",),
    inputs=(
        Input(
            "fixes",
            ("shanghai_premium_mean_5_z_252",),
            name="shanghai",
            warmup=252,
            data=("shanghai.pm_cny_per_g", "fx[pair=USDCNY].rate", "fixes[metal=gold,fix=AM].usd_per_oz"),
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="Low",
    exposures=("GOLD+",),
    source="practitioners' rule",
    rationale="A high Shanghai premium signals physical tightness and demand for imports.",
    formula="premium = PM_Shanghai 31.1034768 / USDCNY / AM_London - 1; score = lin(Z_252(its 5-day mean), 2)",
    differs={"gold_phys_premium": "Shanghai wholesale against London, not a fund against its net asset value"},
)
