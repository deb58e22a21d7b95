"""features/overnight: what gold earned between one close and the next open."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from qgtm_core.features.bars import session_bars
from qgtm_core.features.common import PRICE_KEY, STAMPS, with_prefix
from qgtm_core.features.known import price_rows
from qgtm_core.features.spec import Feature
from qgtm_core.maths import statistics as stats
from qgtm_core.pit import point_in_time

GOLD = "GLD"
WINDOW = 60  # nights


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a session from the first known bar of GLD with an open on."""
    rows = price_rows(pit, GOLD)
    return with_prefix(point_in_time(rows, PRICE_KEY, sessions, nights).drop("symbol"), "gld")


def nights(view: pl.DataFrame) -> pl.DataFrame:
    """Of each bar with an open, mean and deviation of the last 60 overnight log returns, dividends included.

    The open is put on the basis of the adjusted close by the bar's own factor; nights across a missing bar are left
    out.
    """
    opened = pl.col("open").is_finite() & (pl.col("open") > 0.0)
    bars = session_bars(view).with_columns(_before=pl.col("price").shift(1))
    overnight = (pl.col("open") * pl.col("price") / pl.col("close") / pl.col("_before")).log()
    bars = bars.with_columns(night=pl.when(pl.col("return_1s").is_not_null()).then(overnight)).filter(opened)
    night = pl.col("night")
    return bars.select(
        *STAMPS,
        symbol=pl.lit(GOLD),
        obs=pl.int_range(1, pl.len() + 1, dtype=pl.Int32),
        overnight_mean_60=night.rolling_mean(WINDOW, min_samples=stats.filled(WINDOW)),
        overnight_sd_60=stats.rolling_sd(night, WINDOW),
    )


FEATURES = (Feature("overnight", ("prices",), compute),)
