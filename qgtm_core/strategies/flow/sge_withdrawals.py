"""Gold that leaves the Shanghai vaults stands for Chinese wholesale demand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.helpers import lin
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import StrategyStatus

PARAMS: Mapping[str, Any] = {"win_m": 36, "z0": 2.0, "q": 0.6}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the standardised growth of the load-out over a year."""
    z = pl.col(f"withdrawals_growth_12_z_{params['win_m']}")
    return panel.select(score=lin(z, params["z0"]), quality=pl.lit(params["q"]))


STRATEGY = Strategy(
    id="sge_withdrawals",
    number=32,
    category="flow",
    status=StrategyStatus.PAPER,
    cadence=Cadence.MONTHLY,
    horizon_sessions=40,
    symbols=("GLD",),
    inputs=(
        Input(
            "physical",
            ("withdrawals_growth_12_z_36",),
            name="withdrawals",
            staleness="monthly",
            warmup=48,
            data=("withdrawals.tonnes",),
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="Low",
    exposures=("GOLD+",),
    source="practitioners' rule",
    rationale="Vault load-out in Shanghai proxies Chinese wholesale demand.",
    formula="y = ln(W_t / W of the same month a year before); score = lin(Z_36(y), 2)",
    differs={"gold_sge_premium": "quantities of a month, not prices of a day"},
)
