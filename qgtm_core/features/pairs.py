"""features/pairs: adaptive hedge ratios and ratio reversion of metal pairs, on common bars."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import numpy as np
import polars as pl

from qgtm_core.features.common import HEALTH, STAMPS, observe_pair
from qgtm_core.features.spec import Feature
from qgtm_core.maths import statistics as stats
from qgtm_core.schemas.features import PAIRS

YEAR = 252  # common bars
COMPILE_AFTER_ROWS = 2_000_000  # about a second of the plain filter
COLUMNS = (
    "kalman_z",
    "kalman_slope",
    "kalman_slope_mean_252",
    "kalman_slope_sd_252",
    "ratio_z_252",
    "ratio_half_life_252",
)


class HedgeFilter:
    """The Kalman filter of one computation: plain at first, compiled once the rows are worth loading the compiler.

    One live session filters some 20,000 rows; a long range with many revisions filters them again for each segment.
    """

    def __init__(self, compile_after_rows: int = COMPILE_AFTER_ROWS) -> None:
        self.compile_after_rows = compile_after_rows
        self.rows = 0

    def run(self, bars: pl.DataFrame) -> stats.KalmanPath:
        """Filter the log prices of `a` on those of `b`."""
        log_y, log_x = bars["a"].log().to_numpy(), bars["b"].log().to_numpy()
        self.rows += bars.height
        loaded = "qgtm_core.kernels.kalman" in sys.modules  # then compiled code costs nothing more
        return stats.kalman_hedge(log_y, log_x, compiled=loaded or self.rows > self.compile_after_rows)


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a (session, pair) from the pair's first common bar on; `a` is y, the left leg, and `b` is x."""
    hedge = HedgeFilter()

    def features(bars: pl.DataFrame) -> pl.DataFrame:
        return pair_features(bars, hedge.run(bars))

    parts = []
    for y, x in PAIRS:
        rows = observe_pair(pit, y, x, sessions, features)
        parts.append(rows.select("session", *HEALTH, *COLUMNS, pair=pl.lit(f"{y}/{x}"), y=pl.lit(y), x=pl.lit(x)))
    return pl.concat(parts)


def pair_features(bars: pl.DataFrame, path: stats.KalmanPath) -> pl.DataFrame:
    """Features of each common bar from the common bars up to it; the filter ran from the first one."""
    bars = bars.with_columns(_ratio=(pl.col("a") / pl.col("b")).log())
    slope, ratio = pl.col("kalman_slope"), pl.col("_ratio")
    bars = bars.with_columns(
        pl.Series("kalman_z", path.innovation / np.sqrt(path.variance)),
        pl.Series("kalman_slope", path.slope),
        _reversion=stats.mean_reversion_slope(ratio, YEAR),
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
        ratio_half_life_252=stats.half_life_of_slope(pl.col("_reversion")),
    )


FEATURES = (Feature("pairs", ("prices",), compute),)
