"""features/volatility: implied volatility and the S&P 500, for equity stress."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from qgtm_core.features.common import macro_series, price_series, side_by_side
from qgtm_core.features.spec import Feature
from qgtm_core.maths import statistics as stats

VIX = "VIXCLS"
ONE_YEAR = 252  # observations
WEEK = 5  # bars


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a session from the first known VIX close or SPY bar on."""
    value, price = pl.col("value"), pl.col("price")
    vix = {"vix": value, "vix_pr_252": stats.percentile_rank(value, ONE_YEAR)}
    spy = {"spy_return_5d": price / price.shift(WEEK) - 1.0}
    return side_by_side(
        [
            macro_series(pit, VIX, sessions, vix, "vix"),
            price_series(pit, "SPY", sessions, spy, "spy"),
        ]
    )


FEATURES = (Feature("volatility", ("macro", "prices"), compute),)
