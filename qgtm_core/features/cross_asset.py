"""features/cross_asset: gold against the dollar and against bitcoin."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from qgtm_core import calendar
from qgtm_core.features.common import STAMPS, observe_pair, price_series, side_by_side, with_prefix
from qgtm_core.features.correlation import correlate
from qgtm_core.features.spec import Feature
from qgtm_core.maths import statistics as stats

ONE_YEAR = 252  # bars
QUARTER = 60
BITCOIN = "BTC-USD"


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a session from the first known bar of any of them on.

    Bitcoin never closes: only its bars (UTC days) of New York sessions count, so that a step is a session here too.
    """
    prices = pit["prices"].filter(pl.col("symbol").is_in(["GLD", "UUP", BITCOIN]))
    price, log_price = pl.col("price"), pl.col("price").log()
    dollar = {f"uup_zchg_{k}": stats.change_z(log_price, k, ONE_YEAR) for k in (20, 60)}
    dollar["uup_return_60"] = price / price.shift(QUARTER) - 1.0
    open_days = calendar.schedule()["session"].implode()
    coins = prices.filter((pl.col("symbol") == BITCOIN) & pl.col("event_date").is_in(open_days))
    coin = {"btc_zchg_20": stats.change_z(log_price, 20, ONE_YEAR)}
    pair = correlate(prices, "GLD", "UUP", sessions)
    return side_by_side(
        [
            price_series(prices, "UUP", sessions, dollar, "uup"),
            price_series(prices, "GLD", sessions, {}, "gld"),
            pair.select("session", gld_uup_corr_126="corr_126"),
            price_series(coins, BITCOIN, sessions, coin, "btc"),
            with_prefix(observe_pair(prices, "GLD", BITCOIN, sessions, _with_bitcoin), "gld_btc"),
        ]
    )


def _with_bitcoin(bars: pl.DataFrame) -> pl.DataFrame:
    gold, coin = pl.col("a").log().diff(), pl.col("b").log().diff()
    return bars.select(*STAMPS, "obs", gld_btc_corr_60=stats.rolling_correlation(gold, coin, QUARTER))


FEATURES = (Feature("cross_asset", ("prices",), compute),)
