"""Short a fund of twice the daily return against its underlying: rebalancing loses the variance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from qgtm_core.strategies.helpers import over
from qgtm_core.strategies.spec import Cadence, Input, Leg, Strategy
from qgtm_core.types import Reason, StrategyStatus

# `vol_win` is the window behind features/leverage.base_vol_63; fee and borrow come from the fund's terms in force
PARAMS: Mapping[str, Any] = {"vol_win": 63, "edge_full": 0.06, "cap": 0.5, "t_max": 1.5, "hedge": 2.0}


def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Return minus the size on the fund and twice it on the underlying; flat in a trend, GATE if it cannot be borrowed.

    The growth lost by a fund of twice the daily return is the variance of its underlying: (4 - 2) / 2 = 1.
    """
    edge = pl.col(f"base_vol_{params['vol_win']}") ** 2 + pl.col("expense_ratio") - pl.col("borrow_rate")
    size = over(edge, params["edge_full"]).clip(0.0, 1.0) * float(params["cap"])
    size = pl.when(pl.col(f"base_trend_t_{params['vol_win']}").abs() >= params["t_max"]).then(0.0).otherwise(size)
    hedge = (size * float(params["hedge"])).clip(upper_bound=1.0)
    return panel.select(
        score=pl.when(pl.col("side") == "y").then(-size).otherwise(hedge),
        quality=pl.lit(1.0),
        reason=pl.when(~pl.col("shortable")).then(pl.lit(Reason.GATE.value)),
    )


STRATEGY = Strategy(
    id="levered_etf_decay",
    number=47,
    category="seasonal",
    status=StrategyStatus.PAPER,
    cadence=Cadence.WEEKLY,
    horizon_sessions=30,
    symbols=("UGL", "GLD", "AGQ", "SLV"),
    legs=(
        Leg("UGL", pair="UGL/GLD", side="y"),
        Leg("GLD", pair="UGL/GLD", side="x"),
        Leg("AGQ", pair="AGQ/SLV", side="y"),
        Leg("SLV", pair="AGQ/SLV", side="x"),
    ),
    inputs=(
        Input(
            "leverage",
            ("base_vol_63", "base_trend_t_63"),
            name="base",
            warmup=64,
            data=("prices[symbol=GLD].adj_close", "prices[symbol=SLV].adj_close"),
        ),
        Input(
            "leverage",
            (),
            name="fund",
            warmup=64,
            data=("prices[symbol=UGL].adj_close", "prices[symbol=AGQ].adj_close"),
        ),
        Input(
            "leverage",
            ("expense_ratio", "borrow_rate", "shortable"),
            coverage="terms_known",
            availability="terms_available_at",
            data=(
                "fund_terms[symbol={symbol}].expense_ratio",
                "fund_terms[symbol={symbol}].borrow_rate",
                "fund_terms[symbol={symbol}].shortable",
            ),
        ),
    ),
    params=PARAMS,
    rule=rule,
    capacity="Med",
    exposures=("VOL+", "GOLD~0"),
    source="Cheng & Madhavan 2009; Avellaneda & Zhang 2010",
    rationale="Daily rebalanced leverage loses its underlying's variance in growth; the short earns it, less borrow.",
    formula="edge = sigma_63^2 + fee - borrow; a = 0.5 * clip(edge / 0.06, 0, 1), 0 if |t_63| >= 1.5; fund = -a, "
    "underlying = min(1, 2a)",
    differs={
        "vol_risk_parity": "earns variance of a rebalanced fund, market-neutral; that one only sizes long positions",
        "gamma_scalp_pm": "shorts a leveraged fund; that one follows a synthetic option on the metal",
    },
)
