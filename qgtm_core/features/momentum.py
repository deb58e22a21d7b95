"""features/momentum: slow returns, volatilities and moving-average crossovers of the metals, on their own bars."""

from __future__ import annotations

import math
from collections.abc import Mapping

import polars as pl

from qgtm_core.features.common import STAMPS, by_symbol, first_read
from qgtm_core.features.spec import Feature
from qgtm_core.maths import statistics as stats
from qgtm_core.schemas.features.momentum import EWMAC_SPANS, TRENDING

YEAR, MONTH = 252, 21  # bars
ANNUAL = math.sqrt(stats.TRADING_DAYS)


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a (session, symbol) from the symbol's first known bar on."""

    def features(bars: pl.DataFrame) -> pl.DataFrame:
        return bar_features(bars, first_read(bars, sessions))

    return by_symbol(pit, TRENDING, sessions, features)


def with_volatility(bars: pl.DataFrame, first: int) -> pl.DataFrame:
    """Add `_sd`, Carver's σ_P; its floor, the same wherever a window is cut out, only from bar number `first` on."""
    price, sd = pl.col("adj_close"), pl.col("_sd")
    rows = bars.with_columns(_sd=stats.price_deviation(price), _return=price / price.shift(1) - 1.0)
    start = max(first - stats.EWMAC_FLOOR_WINDOW + 1, 0)
    floor = rows[start:].select(stats.deviation_floor(sd)).to_series()
    unread = pl.repeat(None, start, dtype=pl.Float64, eager=True)
    return rows.with_columns(_sd=pl.max_horizontal(sd, unread.append(floor)))


def bar_features(bars: pl.DataFrame, first: int) -> pl.DataFrame:
    """Features of each bar of a symbol, from number `first` on, from the bars up to it."""
    price, sd, simple = pl.col("adj_close"), pl.col("_sd"), pl.col("_return")
    log_price = price.log()
    return with_volatility(bars, first).select(
        *STAMPS,
        "obs",
        log_return_252_21=log_price.shift(MONTH) - log_price.shift(YEAR),
        vol_mop=stats.mop_volatility(simple),
        vol_ewma_97=stats.ewma_variance(simple, 0.97).sqrt() * ANNUAL,
        **{f"ewmac_{fast}_{slow}": stats.ewmac(price, fast, slow, sd) for fast, slow in EWMAC_SPANS},
    )


FEATURES = (Feature("momentum", ("prices",), compute),)
