"""What trading costs: market impact, implementation shortfall, benchmarks of an execution, illiquidity.

Costs are positive; fractions are of the price, `bp` are 1e-4 of the benchmark. `side` is +1 for a buy and -1 for a
sale. Volatility is that of daily returns, as a decimal; volumes are shares a day.
"""

from __future__ import annotations

import math

import numpy as np
import polars as pl
from numpy.typing import NDArray

from qgtm_core.maths.statistics import filled

FloatArray = NDArray[np.float64]

IMPACT_Y = 0.7  # of the square-root law
TEMPORARY, TEMPORARY_POWER = 0.142, 0.6  # Almgren, Thum, Hauptmann and Li (2005)
PERMANENT, TURNOVER_POWER = 0.314, 0.25  # the same source
BP = 1e4
ILLIQUIDITY_UNIT = 1e9  # Amihud's ratio is for a billion dollars


def square_root_impact(y: float, daily_vol: float, quantity_shares: float, adv_shares: float) -> float:
    """M34: Y·σ_d·√(Q/ADV) as a fraction of the price; `y` is usually IMPACT_Y (after Almgren et al. 2005)."""
    return y * daily_vol * math.sqrt(quantity_shares / adv_shares)


def temporary_impact(daily_vol: float, quantity_shares: float, adv_shares: float, days: float) -> float:
    """M34: 0.142·σ·|X/(V·T)|^(3/5) of an order worked over T `days`; gone when it is done (Almgren et al. 2005)."""
    pace: float = abs(quantity_shares / (adv_shares * days)) ** TEMPORARY_POWER
    return TEMPORARY * daily_vol * pace


def permanent_impact(daily_vol: float, quantity_shares: float, adv_shares: float, shares_outstanding: float) -> float:
    """M34: 0.314·σ·(X/V)·(Θ/V)^(1/4), where the price stays afterwards (Almgren et al. 2005); it has X's sign."""
    turnover: float = (shares_outstanding / adv_shares) ** TURNOVER_POWER
    return PERMANENT * daily_vol * (quantity_shares / adv_shares) * turnover


def execution_impact(
    daily_vol: float, quantity_shares: float, adv_shares: float, shares_outstanding: float, days: float
) -> float:
    """M34: what an order pays on average: half the permanent impact, all of the temporary (Almgren et al. 2005)."""
    lasting = permanent_impact(daily_vol, quantity_shares, adv_shares, shares_outstanding)
    return abs(lasting) / 2.0 + temporary_impact(daily_vol, quantity_shares, adv_shares, days)


def implementation_shortfall(
    side: int, quantity: float, filled_quantity: float, paid: float, decision: float, end: float, fees: float = 0.0
) -> float:
    """M35: side·[Σq_i(p_i − p_d) + (Q − Σq_i)(p_end − p_d)] + fees in USD (Perold 1988).

    `paid` is Σq_i·p_i; the second term is what the part not filled missed.
    """
    missed = (quantity - filled_quantity) * (end - decision)
    return side * ((paid - filled_quantity * decision) + missed) + fees


def shortfall_bp(shortfall_usd: float, quantity: float, decision: float) -> float:
    """M35: a shortfall in basis points of the order at its decision price."""
    return shortfall_usd / (quantity * decision) * BP


def slippage_bp(side: int, price: float, benchmark: float) -> float:
    """M35: how much worse a price is than a benchmark (arrival, VWAP, TWAP, close, decision), basis points."""
    return side * (price / benchmark - 1.0) * BP


def fill_rate(quantity: float, filled_quantity: float) -> float:
    """M35: share of the order that was filled."""
    return filled_quantity / quantity


def vwap(price: FloatArray, volume: FloatArray) -> float:
    """M35: volume-weighted average price of the bars of an interval; NaN when nothing traded."""
    traded = float(volume.sum())
    return float((price * volume).sum()) / traded if traded > 0.0 else math.nan


def twap(price: FloatArray) -> float:
    """M35: mean price of the bars of an interval, all as long; NaN without bars."""
    return float(price.mean()) if price.size else math.nan


def illiquidity(daily_return: pl.Expr, dollar_volume: pl.Expr, n: int) -> pl.Expr:
    """M36: mean over n days of |r| / dollar volume, for a billion USD (Amihud 2002).

    Days without trading do not count; null below 0.8 n others.
    """
    ratio = pl.when(dollar_volume > 0.0).then(daily_return.abs() / dollar_volume)
    return ratio.rolling_mean(n, min_samples=filled(n)) * ILLIQUIDITY_UNIT
