"""features/prices: returns, volatility and volume by symbol, on the symbol's own bars."""

from __future__ import annotations

import math
from collections.abc import Mapping

import polars as pl

from qgtm_core.features.common import STAMPS, by_symbol
from qgtm_core.features.spec import Feature
from qgtm_core.maths import statistics as stats
from qgtm_core.universe import INSTRUMENTS

YEAR = 252  # bars
ADV_BARS = 20
ADV_MIN = 16
ANNUAL = math.sqrt(stats.TRADING_DAYS)
# IEX prints a few per cent of the tape, so its volume says nothing about capacity
COUNTED_VOLUME = ("consolidated", "simulated")
PRICE = pl.col("adj_close")
COUNTED = pl.when(pl.col("volume_scope").is_in(COUNTED_VOLUME)).then(pl.col("volume").cast(pl.Float64))
RETURN = (PRICE / PRICE.shift(1) - 1.0).alias("return_1d")
COLUMNS = (
    *STAMPS,
    "obs",
    "close",
    "adj_close",
    "return_1d",
    (PRICE / PRICE.shift(5) - 1.0).alias("return_5d"),
    (PRICE.log() - PRICE.log().shift(YEAR)).alias("log_return_252"),
    (stats.ewma_variance(pl.col("return_1d"), 0.94).sqrt() * ANNUAL).alias("vol_ewma_94"),
    COUNTED.rolling_mean(ADV_BARS, min_samples=ADV_MIN).alias("adv_20_shares"),
)


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a (session, symbol) of the universe from the symbol's first known bar on."""
    return by_symbol(pit, INSTRUMENTS, sessions, bar_features)


def bar_features(bars: pl.DataFrame) -> pl.DataFrame:
    """Features of each bar of a symbol from the bars up to it."""
    return bars.with_columns(RETURN).select(COLUMNS)


FEATURES = (Feature("prices", ("prices",), compute),)
