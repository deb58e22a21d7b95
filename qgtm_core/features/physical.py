"""features/physical: load-out of the Shanghai vaults and sales of coins, by month."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from qgtm_core.features.common import HEALTH, STAMPS, price_series, side_by_side, with_prefix
from qgtm_core.features.spec import Feature
from qgtm_core.maths import statistics as stats
from qgtm_core.maths.expectation import same_season_mean
from qgtm_core.pit import Compute, point_in_time

MONTH_KEY = ("event_date",)
THREE_YEARS = 36  # months
FIVE_YEARS = 60
YEARS_BACK = 5
FLOOR_OUNCES = 1000.0  # keeps the logarithm of a month without sales finite
QUARTER = 63  # bars


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a session from the first known figure of any kind on."""
    price = pl.col("price").log()
    returns = {f"gld_log_return_{QUARTER}": price - price.shift(QUARTER)}
    return side_by_side(
        [
            _monthly(pit["withdrawals"], sessions, withdrawals, "withdrawals"),
            _monthly(pit["mint"], sessions, coin_sales, "mint"),
            price_series(pit, "GLD", sessions, returns, "gld"),
        ]
    )


def _monthly(rows: pl.DataFrame, sessions: pl.DataFrame, features: Compute, prefix: str) -> pl.DataFrame:
    return with_prefix(point_in_time(rows, MONTH_KEY, sessions, features), prefix)


def withdrawals(view: pl.DataFrame) -> pl.DataFrame:
    """Growth of each month over the same month of the year before, and its z-score; null where that is not known."""
    growth = pl.col("withdrawals_growth_12")
    rows = view.filter(pl.col("tonnes").is_finite() & (pl.col("tonnes") > 0)).sort(MONTH_KEY)
    base = rows.select(event_date=pl.col("event_date").dt.offset_by("12mo"), base="tonnes")
    rows = rows.join(base, on="event_date", how="left", maintain_order="left")
    rows = rows.with_columns(_count(), withdrawals_growth_12=(pl.col("tonnes") / pl.col("base")).log())
    return rows.select(
        *STAMPS,
        HEALTH[0],
        "withdrawals_growth_12",
        withdrawals_growth_12_z_36=stats.zscore(growth, THREE_YEARS),
    )


def coin_sales(view: pl.DataFrame) -> pl.DataFrame:
    """Sales of each month beyond what is usual for it, over the deviation of five years of such excesses."""
    rows = view.filter(pl.col("gold_oz").is_finite() & (pl.col("gold_oz") >= 0)).sort(MONTH_KEY)
    sales = (rows["gold_oz"] + FLOOR_OUNCES).log()
    years, months = rows["event_date"].dt.year(), rows["event_date"].dt.month()
    usual, known = same_season_mean(
        sales.to_numpy(), years.to_numpy().astype(np.int64), months.to_numpy().astype(np.int64) - 1, YEARS_BACK
    )
    excess, enough = pl.col("mint_excess"), pl.col("_years") >= stats.filled(YEARS_BACK)
    rows = rows.with_columns(
        _count(), pl.Series("mint_excess", sales.to_numpy() - usual).fill_nan(None), pl.Series("_years", known)
    )
    return rows.select(
        *STAMPS,
        HEALTH[0],
        "mint_excess",
        mint_excess_over_sd_60=pl.when(enough).then(excess / stats.rolling_sd(excess, FIVE_YEARS)),
    )


def _count() -> pl.Expr:
    return pl.int_range(1, pl.len() + 1, dtype=pl.Int32).alias(HEALTH[0])


FEATURES = (Feature("physical", ("withdrawals", "mint", "prices"), compute),)
