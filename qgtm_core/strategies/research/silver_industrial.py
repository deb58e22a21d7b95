"""Silver against gold when copper, industrial shares and production strengthen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.helpers import lin
from qgtm_core.strategies.spec import Cadence, Input, Strategy
from qgtm_core.types import StrategyStatus

PARAMS: Mapping[str, Any] = {
    "k": 60,
    "win": 252,
    "w": [0.6, 0.25, 0.15],
    "ip_win_m": 36,
    "gld_hedge": 0.5,
    "z0": 2.0,
}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return the strength of industrial demand on silver and minus half of it on gold."""
    readings = (f"cper_zchg_{params['k']}", f"xli_spy_zchg_{params['k']}", f"indpro_z_{params['ip_win_m']}")
    parts = [pl.col(name) * float(weight) for name, weight in zip(readings, params["w"], strict=True)]
    strength = lin(pl.sum_horizontal(parts, ignore_nulls=False), params["z0"])
    hedge = strength * -float(params["gld_hedge"])
    return panel.select(
        score=pl.when(pl.col("symbol") == "SLV").then(strength).otherwise(hedge),
        quality=pl.lit(1.0),
    )


STRATEGY = Strategy(
    id="silver_industrial",
    number=69,
    category="research",
    status=StrategyStatus.RESEARCH,
    cadence=Cadence.WEEKLY,
    horizon_sessions=40,
    symbols=("SLV", "GLD"),
    inputs=(
        Input("industrial", ("cper_zchg_60",), name="cper", warmup=313, data=("prices[symbol=CPER].adj_close",)),
        Input(
            "industrial",
            ("xli_spy_zchg_60",),
            name="xli_spy",
            warmup=313,
            data=("prices[symbol=XLI].adj_close", "prices[symbol=SPY].adj_close"),
        ),
        Input(
            "industrial",
            ("indpro_z_36",),
            name="indpro",
            staleness="monthly",
            warmup=36,
            data=("macro[series_id=INDPRO].value",),
        ),
        Input("prices", (), warmup=313, data=("prices[symbol={symbol}].adj_close",)),
    ),
    params=PARAMS,
    rule=rule,
    capacity="Med",
    exposures=("SILVER_REL+", "EQUITY+"),
    source="practitioner rule",
    rationale="Half of silver's demand is industrial, so it gains on gold with copper and industrial activity.",
    formula="x = 0.6 * zchg(ln CPER, 60, 252) + 0.25 * zchg(ln XLI/SPY, 60, 252) + 0.15 * Z_36m(3-month change of "
    "INDPRO); SLV = lin(x), GLD = -0.5 * lin(x)",
    differs={
        "gold_silver_ratio": "follows industrial demand; that one fades the ratio's own distance from its mean",
        "kalman_pairs": "reads copper, shares and production; that one reads the pair's own residual",
        "precious_metals": "a child of that composite; the two are never live together",
    },
)
