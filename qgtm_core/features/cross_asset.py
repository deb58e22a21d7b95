"""features/cross_asset: gold against the dollar and against bitcoin."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from qgtm_core import calendar
from qgtm_core.features.common import STAMPS, bar_series, observe_pair, price_series, side_by_side, with_prefix
from qgtm_core.features.correlation import correlate
from qgtm_core.features.known import price_rows
from qgtm_core.features.spec import Feature
from qgtm_core.maths import statistics as stats

ONE_YEAR = 252  # bars
QUARTER = 60
BITCOIN = "BTC-USD"


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a session from the first known bar of any of them on.

    Bitcoin never closes: only its bars (UTC days) of New York sessions count, so that a step is a session here too.
    """
    price, log_price = pl.col("price"), pl.col("price").log()
    dollar = {f"uup_zchg_{k}": stats.change_z(log_price, k, ONE_YEAR) for k in (20, 60)}
    dollar["uup_return_60"] = price / price.shift(QUARTER) - 1.0
    open_days = calendar.schedule().select(event_date="session")
    coins = price_rows(pit, BITCOIN).join(open_days, on="event_date", how="semi", maintain_order="left")
    coin = {"btc_zchg_20": stats.change_z(log_price, 20, ONE_YEAR)}
    pair = correlate(pit, "GLD", "UUP", sessions)
    return side_by_side(
        [
            price_series(pit, "UUP", sessions, dollar, "uup"),
            price_series(pit, "GLD", sessions, {}, "gld"),
            pair.select("session", gld_uup_corr_126="corr_126"),
            bar_series(coins, sessions, coin, "btc"),
            with_prefix(observe_pair(pit, "GLD", BITCOIN, sessions, _with_bitcoin), "gld_btc"),
        ]
    )


def _with_bitcoin(bars: pl.DataFrame) -> pl.DataFrame:
    gold, coin = pl.col("a").log().diff(), pl.col("b").log().diff()
    return bars.select(*STAMPS, "obs", gld_btc_corr_60=stats.rolling_correlation(gold, coin, QUARTER))


FEATURES = (Feature("cross_asset", ("prices",), compute),)
