"""features/leverage: what a daily rebalanced fund loses to its underlying, and what shorting it costs."""

from __future__ import annotations

import math
from collections.abc import Mapping

import polars as pl

from qgtm_core.features.common import HEALTH, STAMPS, by_symbol, with_prefix
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
    symbols = {symbol for pair in LEVERAGED for symbol in pair}
    bars = by_symbol(pit, sorted(symbols), sessions, volatility_and_trend)
    terms = terms_in_force(pit["fund_terms"].filter(pl.col("symbol").is_in(symbols)), sessions)
    pairs = pl.DataFrame(LEVERAGED, schema={"fund": pl.String, "base": pl.String}, orient="row")
    base = with_prefix(bars, "base").rename({"symbol": "base"})
    fund = with_prefix(bars.select("session", "symbol", *HEALTH), "fund").rename({"symbol": "fund"})
    joined = base.join(pairs, on="base").join(fund, on=["session", "fund"], how="left")
    return joined.join(terms, left_on=["session", "fund"], right_on=["session", "symbol"], how="left").with_columns(
        pair=pl.concat_str("fund", "base", separator="/"), terms_known=pl.col("terms_known").fill_null(value=False)
    )


def volatility_and_trend(bars: pl.DataFrame) -> pl.DataFrame:
    """Volatility and trend of each bar of a symbol from the bars up to it."""
    log_price = pl.col("adj_close").log()
    volatility = stats.rolling_sd(log_price.diff(), WINDOW) * ANNUAL
    trend_t = trend.trend_t(log_price, daily_sd(log_price), WINDOW)
    return bars.select(*STAMPS, "obs", base_vol_63=volatility, base_trend_t_63=trend_t)


def terms_in_force(fund_terms: pl.DataFrame, sessions: pl.DataFrame) -> pl.DataFrame:
    """`session, symbol, expense_ratio, borrow_rate, shortable, terms_known, terms_available_at`, newest effective row.

    A change announced ahead counts from its effective day on.
    """

    def from_effective_day(view: pl.DataFrame) -> pl.DataFrame:
        starts = pl.max_horizontal("session", "event_date")
        return view.sort("symbol", "event_date").select(
            starts.alias("session"), "symbol", *TERMS, terms_available_at="available_at", terms_known=pl.lit(value=True)
        )

    return point_in_time(fund_terms, TERMS_KEY, sessions, from_effective_day)


FEATURES = (Feature("leverage", ("prices", "fund_terms"), compute),)
