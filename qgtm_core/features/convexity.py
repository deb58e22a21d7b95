"""features/convexity: beta of miners to gold on days gold rises and on days it falls."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from qgtm_core.features.common import HEALTH, STAMPS, observe_pair, with_prefix
from qgtm_core.features.spec import Feature
from qgtm_core.maths import statistics as stats

MINERS, GOLD = "GDX", "GLD"
YEAR = 252  # returns on common bars
MIN_SIDE = 60  # days of one sign


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a session from the first common bar of GDX and GLD on."""
    read = observe_pair(pit, MINERS, GOLD, sessions, betas)
    return with_prefix(read.select("session", *HEALTH, "beta_up_252", "beta_down_252", "r2_252"), "gdx_gld")


def betas(bars: pl.DataFrame) -> pl.DataFrame:
    """Least-squares slopes, with intercept, of simple returns of `a` on those of `b` over 252 common bars."""
    steps = bars.with_columns(_y=pl.col("a") / pl.col("a").shift(1) - 1.0, _x=pl.col("b") / pl.col("b").shift(1) - 1.0)
    x = pl.col("_x")
    return steps.select(
        *STAMPS,
        "obs",
        beta_up_252=_slope(x > 0.0),
        beta_down_252=_slope(x < 0.0),
        r2_252=stats.rolling_correlation(pl.col("_y"), x, YEAR) ** 2,
    )


def _slope(where: pl.Expr) -> pl.Expr:
    """Slope over the days of one kind within the window; null below 60 of them or 0.8 of the window."""
    x, y = pl.when(where).then("_x"), pl.when(where).then("_y")

    def mean(value: pl.Expr) -> pl.Expr:
        return value.rolling_mean(YEAR, min_samples=MIN_SIDE)

    variance = mean(x * x) - mean(x) ** 2
    slope = (mean(x * y) - mean(x) * mean(y)) / variance
    return pl.when((variance > stats.MIN_SD) & (pl.col("obs") > stats.filled(YEAR))).then(slope)


FEATURES = (Feature("convexity", ("prices",), compute),)
