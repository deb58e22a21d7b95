"""features/leverage: what a daily rebalanced fund loses to its underlying, and what shorting it costs."""

from __future__ import annotations

import math
from collections.abc import Mapping

import polars as pl

from qgtm_core.features.common import price_series
from qgtm_core.features.spec import Feature
from qgtm_core.features.trend import daily_sd
from qgtm_core.maths import statistics as stats
from qgtm_core.maths import trend
from qgtm_core.pit import point_in_time
from qgtm_core.schemas.features.leverage import LEVERAGED

WINDOW = 63  # returns
ANNUAL = math.sqrt(stats.TRADING_DAYS)
TERMS_KEY = ("symbol", "event_date")
TERMS = ("expense_ratio", "borrow_rate", "shortable")


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a (session, fund/underlying) from the first known bar of the underlying on."""
    prices = pit["prices"]
    log_price = pl.col("price").log()
    drag = {
        "base_vol_63": stats.rolling_sd(log_price.diff(), WINDOW) * ANNUAL,
        "base_trend_t_63": trend.trend_t(log_price, daily_sd(log_price), WINDOW),
    }
    parts = []
    for fund, base in LEVERAGED:
        under = price_series(prices, base, sessions, drag, "base")
        own = price_series(prices, fund, sessions, {}, "fund")
        terms = terms_in_force(pit["fund_terms"], fund, sessions)
        joined = under.join(own, on="session", how="left").join(terms, on="session", how="left")
        parts.append(
            joined.with_columns(pair=pl.lit(f"{fund}/{base}"), terms_known=pl.col("terms_known").fill_null(value=False))
        )
    return pl.concat(parts)


def terms_in_force(fund_terms: pl.DataFrame, symbol: str, sessions: pl.DataFrame) -> pl.DataFrame:
    """`session, expense_ratio, borrow_rate, shortable, terms_known, terms_available_at` of the newest effective row."""

    def from_effective_day(view: pl.DataFrame) -> pl.DataFrame:
        # a change announced ahead counts from its effective day on
        starts = pl.max_horizontal("session", "event_date")
        return view.sort("event_date").select(
            starts.alias("session"), "symbol", *TERMS, terms_available_at="available_at", terms_known=pl.lit(value=True)
        )

    rows = fund_terms.filter(pl.col("symbol") == symbol)
    return point_in_time(rows, TERMS_KEY, sessions, from_effective_day).drop("symbol")


FEATURES = (Feature("leverage", ("prices", "fund_terms"), compute),)
