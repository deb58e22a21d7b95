"""Trailing windows down the columns of whole matrices, compiled: sum, mean, deviation, extremes, ratio, rank.

For research on (T, N) arrays, one column an instrument, oldest row first. A statistic of `window` rows stands at the
newest of them. NaN: a window that holds one has no statistic; neither have the first `window` − 1 rows. The work does
not grow with the window, and no rounding is carried along the column (see `qgtm_core.kernels.windows`).
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qgtm_core.errors import DataError

FloatArray = NDArray[np.float64]


def rolling_sum(values: FloatArray, window: int) -> FloatArray:
    """Sum of the last `window` rows."""
    values, out = _matrix(values, window)
    _kernels().trailing_sum_nb(values, window, 1.0, out)
    return out


def rolling_mean(values: FloatArray, window: int) -> FloatArray:
    """Mean of the last `window` rows."""
    values, out = _matrix(values, window)
    _kernels().trailing_sum_nb(values, window, 1.0 / window, out)
    return out


def rolling_moments(values: FloatArray, window: int) -> tuple[FloatArray, FloatArray]:
    """Mean and sample standard deviation (ddof = 1) of the last `window` rows, at least two."""
    values, mean = _matrix(values, window, least=2)
    deviation = np.empty_like(mean)
    _kernels().trailing_moments_nb(values, window, mean, deviation)
    return mean, deviation


def rolling_sd(values: FloatArray, window: int) -> FloatArray:
    """Sample standard deviation (ddof = 1) of the last `window` rows, at least two; 0 where nothing varies."""
    return rolling_moments(values, window)[1]


def rolling_min(values: FloatArray, window: int) -> FloatArray:
    """Lowest of the last `window` rows."""
    values, out = _matrix(values, window)
    _kernels().trailing_extreme_nb(values, window, -1.0, out)
    return out


def rolling_max(values: FloatArray, window: int) -> FloatArray:
    """Highest of the last `window` rows."""
    values, out = _matrix(values, window)
    _kernels().trailing_extreme_nb(values, window, 1.0, out)
    return out


def ratio_to_past(values: FloatArray, sessions: int) -> FloatArray:
    """Value over the value `sessions` rows before; NaN where there is none, where that was zero, or either is NaN."""
    values, out = _matrix(values, sessions)
    out[:sessions] = np.nan
    before = values[:-sessions]
    np.divide(values[sessions:], before, out=out[sessions:], where=before != 0.0)
    out[sessions:][before == 0.0] = np.nan
    return out


def rank_across(values: FloatArray) -> FloatArray:
    """Rank within each row: 1 the lowest, equals share their mean rank; NaN has no rank and is not counted.

    Compares every pair, so a row costs N²: for cross-sections up to a few hundred.
    """
    values, out = _matrix(values, 1)
    _kernels().rank_rows_nb(values, out)
    return out


def _matrix(values: FloatArray, window: int, least: int = 1) -> tuple[FloatArray, FloatArray]:
    """The values as the kernels take them, and room for as many results."""
    if values.ndim != 2:
        raise DataError("rolling window", f"values have shape {values.shape}", remedy="Pass (sessions, instruments).")
    if window < least:
        raise DataError("rolling window", f"{window} rows asked for", remedy=f"Take at least {least}.")
    values = np.ascontiguousarray(values, dtype=np.float64)
    return values, np.empty(values.shape)


def _kernels() -> Any:
    return importlib.import_module("qgtm_core.kernels.windows")
