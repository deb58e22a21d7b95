"""features/pairs: adaptive hedge ratios and ratio reversion of metal pairs, on common bars."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from qgtm_core import stats
from qgtm_core.features.common import HEALTH, STAMPS, observe_pair
from qgtm_core.schemas.features import PAIRS

YEAR = 252  # common bars
COLUMNS = (
    "kalman_z",
    "kalman_slope",
    "kalman_slope_mean_252",
    "kalman_slope_sd_252",
    "ratio_z_252",
    "ratio_half_life_252",
)


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a (session, pair) from the pair's first common bar on; `a` is y, the left leg, and `b` is x."""
    return pl.concat(_pair(pit["prices"], y, x, sessions) for y, x in PAIRS)


def _pair(prices: pl.DataFrame, y: str, x: str, sessions: pl.DataFrame) -> pl.DataFrame:
    rows = observe_pair(prices, y, x, sessions, pair_features)
    return rows.select("session", *HEALTH, *COLUMNS, pair=pl.lit(f"{y}/{x}"), y=pl.lit(y), x=pl.lit(x))


def pair_features(bars: pl.DataFrame) -> pl.DataFrame:
    """Features of each common bar from the common bars up to it; the filter runs from the first one."""
    bars = bars.with_columns(_ratio=(pl.col("a") / pl.col("b")).log())
    log_y, log_x = bars["a"].log().to_numpy(), bars["b"].log().to_numpy()
    path = stats.kalman_hedge(log_y, log_x)
    slope, ratio = pl.col("kalman_slope"), pl.col("_ratio")
    bars = bars.with_columns(
        pl.Series("kalman_z", path.innovation / np.sqrt(path.variance)), pl.Series("kalman_slope", path.slope)
    )
    need = stats.filled(YEAR)
    return bars.select(
        *STAMPS,
        "obs",
        "kalman_z",
        "kalman_slope",
        kalman_slope_mean_252=slope.rolling_mean(YEAR, min_samples=need),
        kalman_slope_sd_252=slope.rolling_std(YEAR, min_samples=need),
        ratio_z_252=stats.zscore(ratio, YEAR),
        ratio_half_life_252=stats.half_life(ratio, YEAR),
    )
