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


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a (session, symbol) of the universe from the symbol's first known bar on."""
    return by_symbol(pit, INSTRUMENTS, sessions, bar_features)


def bar_features(bars: pl.DataFrame) -> pl.DataFrame:
    """Features of each bar of a symbol from the bars up to it."""
    price = pl.col("adj_close")
    simple = price / price.shift(1) - 1.0
    log_price = price.log()
    counted = pl.when(pl.col("volume_scope").is_in(COUNTED_VOLUME)).then(pl.col("volume").cast(pl.Float64))
    return bars.select(
        *STAMPS,
        "obs",
        "close",
        "adj_close",
        return_1d=simple,
        return_5d=price / price.shift(5) - 1.0,
        log_return_252=log_price - log_price.shift(YEAR),
        vol_ewma_94=stats.ewma_variance(simple, 0.94).sqrt() * ANNUAL,
        adv_20_shares=counted.rolling_mean(ADV_BARS, min_samples=ADV_MIN),
    )


FEATURES = (Feature("prices", ("prices",), compute),)
