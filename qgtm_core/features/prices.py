"""features/prices: returns, volatility, trend and volume by symbol, on the symbol's own bars."""

from __future__ import annotations

import math
from collections.abc import Mapping

import polars as pl

from qgtm_core.features.common import PRICE_KEY, STAMPS, usable_prices
from qgtm_core.features.spec import Feature
from qgtm_core.maths import statistics as stats
from qgtm_core.pit import point_in_time
from qgtm_core.universe import INSTRUMENTS

YEAR = 252  # bars
MONTH = 21
ADV_BARS = 20
ADV_MIN = 16
ANNUAL = math.sqrt(stats.TRADING_DAYS)
# IEX prints a few per cent of the tape, so its volume says nothing about capacity
COUNTED_VOLUME = ("consolidated", "simulated")


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a (session, symbol) of the universe from the symbol's first known bar on."""
    rows = pit["prices"].filter(pl.col("symbol").is_in(list(INSTRUMENTS)))
    return point_in_time(rows, PRICE_KEY, sessions, bar_features)


def bar_features(view: pl.DataFrame) -> pl.DataFrame:
    """Features of each bar from the bars up to it."""
    rows = usable_prices(view)
    price, simple = pl.col("adj_close"), pl.col("return_1d")
    log_price = price.log()
    counted = pl.when(pl.col("volume_scope").is_in(COUNTED_VOLUME)).then(pl.col("volume").cast(pl.Float64))
    rows = rows.with_columns(
        return_1d=(price / price.shift(1) - 1.0).over("symbol"),
        _sd=stats.price_volatility(price).over("symbol"),
    )
    features = {
        "return_5d": price / price.shift(5) - 1.0,
        "log_return_252": log_price - log_price.shift(YEAR),
        "log_return_252_21": log_price.shift(MONTH) - log_price.shift(YEAR),
        "vol_mop": stats.mop_volatility(simple),
        "vol_ewma_94": stats.ewma_variance(simple, 0.94).sqrt() * ANNUAL,
        "vol_ewma_97": stats.ewma_variance(simple, 0.97).sqrt() * ANNUAL,
        "ewmac_16_64": stats.ewmac(price, 16, 64, pl.col("_sd")),
        "ewmac_32_128": stats.ewmac(price, 32, 128, pl.col("_sd")),
        "ewmac_64_256": stats.ewmac(price, 64, 256, pl.col("_sd")),
        "adv_20_shares": counted.rolling_mean(ADV_BARS, min_samples=ADV_MIN),
    }
    rows = rows.with_columns(**{name: expr.over("symbol") for name, expr in features.items()})
    return rows.select(*STAMPS, "symbol", "obs", "close", "adj_close", "return_1d", *features)


FEATURES = (Feature("prices", ("prices",), compute),)
