"""features/fixes: gold's path between the London auctions, and Shanghai's premium over London."""

from __future__ import annotations

import math
from collections.abc import Mapping

import polars as pl

from qgtm_core.features.common import HEALTH, STAMPS, side_by_side, with_prefix
from qgtm_core.features.same_day import STACK_KEY, same_day, stacked
from qgtm_core.features.spec import Feature
from qgtm_core.maths import statistics as stats
from qgtm_core.pit import Compute, point_in_time

GRAMS_PER_OUNCE = 31.1034768
PAIR = "USDCNY"
MONTH = 20  # days with both auctions
WEEK = 5
YEAR = 252


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a session from the first known day of either kind on."""
    gold = pit["fixes"].filter(metal="gold")
    am, pm = (gold.filter(fix=name).rename({"usd_per_oz": "value"}) for name in ("AM", "PM"))
    shanghai = pit["shanghai"].rename({"pm_cny_per_g": "value"})
    yuan = pit["fx"].filter(pair=PAIR).rename({"rate": "value"})
    return side_by_side(
        [
            _read({"am": am, "pm": pm}, sessions, auctions, "auctions"),
            _read({"shanghai": shanghai, "yuan": yuan, "am": am}, sessions, premium, "shanghai"),
        ]
    )


def _read(parts: Mapping[str, pl.DataFrame], sessions: pl.DataFrame, features: Compute, prefix: str) -> pl.DataFrame:
    rows = point_in_time(stacked(parts), STACK_KEY, sessions, features, together=True)
    return with_prefix(rows, prefix)


def auctions(view: pl.DataFrame) -> pl.DataFrame:
    """How gold moved from the morning to the afternoon auction, and how surely over a month."""
    move = pl.col("am_to_pm")
    rows = same_day(view, ("am", "pm")).with_columns(am_to_pm=(pl.col("pm") / pl.col("am")).log())
    mean = move.rolling_mean(MONTH, min_samples=MONTH)
    return rows.with_columns(_count(), am_to_pm_t_20=mean * math.sqrt(MONTH) / stats.rolling_sd(move, MONTH)).select(
        *STAMPS, HEALTH[0], "am_to_pm", "am_to_pm_t_20"
    )


def premium(view: pl.DataFrame) -> pl.DataFrame:
    """Shanghai in dollars an ounce over London's morning auction of the same day, smoothed and standardised."""
    value, smooth = pl.col("shanghai_premium"), pl.col("shanghai_premium_mean_5")
    dollars = pl.col("shanghai") * GRAMS_PER_OUNCE / pl.col("yuan")
    rows = same_day(view, ("shanghai", "yuan", "am"))
    rows = rows.with_columns(shanghai_premium=dollars / pl.col("am") - 1.0)
    rows = rows.with_columns(_count(), shanghai_premium_mean_5=value.rolling_mean(WEEK, min_samples=WEEK))
    return rows.select(
        *STAMPS,
        HEALTH[0],
        "shanghai_premium",
        "shanghai_premium_mean_5",
        shanghai_premium_mean_5_z_252=stats.zscore(smooth, YEAR),
    )


def _count() -> pl.Expr:
    return pl.int_range(1, pl.len() + 1, dtype=pl.Int32).alias(HEALTH[0])


FEATURES = (Feature("fixes", ("fixes", "shanghai", "fx"), compute),)
