"""features/residuals: miners and platinum against gold, each pair on its common bars."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from qgtm_core.features.common import side_by_side, with_prefix
from qgtm_core.features.spec import Feature
from qgtm_core.features.windows import Bars, WindowMaths, full_windows, price_legs, read_legs
from qgtm_core.maths import regression
from qgtm_core.maths.regression import FloatArray, IntArray, stack

GOLD, MINERS, PLATINUM = "GLD", "GDX", "PPLT"
YEAR, THREE_YEARS = 252, 756  # common bars
MINER_COLUMNS = ("miners_z_252", "miners_slope_252", "miners_r2_252", "miners_adf_252")


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a session from the first common bar of either pair on."""
    return side_by_side(
        [
            with_prefix(_pair(pit, MINERS, sessions, miner_residual), "miners"),
            with_prefix(_pair(pit, PLATINUM, sessions, platinum_ratio), "platinum"),
        ]
    ).sort("session")


def _pair(pit: Mapping[str, pl.DataFrame], other: str, sessions: pl.DataFrame, maths: WindowMaths) -> pl.DataFrame:
    return read_legs([price_legs(pit, (GOLD, other))], (GOLD, other), sessions, maths)


def miner_residual(bars: Bars, ends: IntArray) -> dict[str, FloatArray]:
    """Log miners on log gold over a year."""
    gold, miners = np.log(bars.values[GOLD]), np.log(bars.values[MINERS])

    def fit(at: IntArray) -> FloatArray:
        found = regression.least_squares(stack(miners, at, YEAR), (stack(gold, at, YEAR),))
        return np.column_stack([found.z, found.slopes, found.r2, regression.adf(found.residual)[0]])

    return full_windows(ends, YEAR, MINER_COLUMNS, fit)


def platinum_ratio(bars: Bars, ends: IntArray) -> dict[str, FloatArray]:
    """Log ratio of gold to platinum within three years."""
    ratio = np.log(bars.values[GOLD] / bars.values[PLATINUM])

    def z(at: IntArray) -> FloatArray:
        return regression.zscore(stack(ratio, at, THREE_YEARS))[:, None]

    return full_windows(ends, THREE_YEARS, ("platinum_z_756",), z)


FEATURES = (Feature("residuals", ("prices",), compute),)
