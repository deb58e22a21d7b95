"""features/trend: trend of gold at many horizons, on the bars of GLD."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from qgtm_core.features.common import price_series
from qgtm_core.features.spec import Feature
from qgtm_core.maths import statistics as stats
from qgtm_core.maths import trend

GOLD = "GLD"
HORIZONS = (21, 63, 126, 252)  # bars
AVERAGES = (20, 50, 100, 200)
SLOPE_BARS = 10
YEAR, MONTH, WEEK = 252, 21, 5


def daily_sd(log_price: pl.Expr) -> pl.Expr:
    """Daily standard deviation of log returns by M5, so that mirrored returns give mirrored t-statistics."""
    return stats.ewma_variance(log_price.diff()).sqrt()


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a session from the first known bar of GLD on."""
    price = pl.col("price")
    log_price = price.log()
    sd = daily_sd(log_price)
    columns = {
        **{f"trend_t_{h}": trend.trend_t(log_price, sd, h) for h in HORIZONS},
        "momentum_t_252_21": trend.trend_t(log_price, sd, YEAR, MONTH),
        "reversal_t_5": trend.trend_t(log_price, sd, WEEK),
        **{f"average_gap_{n}": trend.average_gap(price, n) for n in AVERAGES},
        **{f"average_slope_{n}_10": trend.average_slope(price, n, SLOPE_BARS) for n in AVERAGES},
    }
    return price_series(pit, GOLD, sessions, columns, "gld")


FEATURES = (Feature("trend", ("prices",), compute),)
