"""M2, M3 and M4 at asked places of a column, each from its own copy of its window: nothing carried from row to row.

So an answer depends neither on where the column starts nor on how many places are asked, and one place costs one
window. Values are finite, oldest first; `ends` are places of the newest value of each window. A window that begins
before the column holds what there is; NaN below 0.8 of it, or where nothing varies. Sample statistics use ddof = 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from qgtm_core.maths.statistics import MIN_SD, ewma_variance, filled

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Statistic = Callable[[FloatArray], FloatArray]  # of windows (m, n), one number each

CHUNK = 65_536  # numbers copied at once, so that the work stays in the cache


def each_window(values: FloatArray, ends: IntArray, n: int, statistic: Statistic) -> FloatArray:
    """Apply a statistic to the last n values up to each end; one number an end."""
    out = np.full(len(ends), np.nan)
    whole, step, reach = np.flatnonzero(ends >= n - 1), max(CHUNK // n, 1), np.arange(1 - n, 1)
    for start in range(0, len(whole), step):
        at = whole[start : start + step]
        out[at] = statistic(values[ends[at, None] + reach])
    for place in np.flatnonzero((ends >= filled(n) - 1) & (ends < n - 1)):
        out[place] = statistic(values[None, : ends[place] + 1])[0]
    return out


def standard_deviation(values: FloatArray, ends: IntArray, n: int) -> FloatArray:
    """Sample standard deviation of the last n values."""
    return each_window(values, ends, n, lambda rows: _deviation(rows - rows.mean(axis=1, keepdims=True)))


def zscore(values: FloatArray, ends: IntArray, n: int) -> FloatArray:
    """M2: (value − mean) / sd of the last n values."""

    def statistic(rows: FloatArray) -> FloatArray:
        centred = rows - rows.mean(axis=1, keepdims=True)
        newest = centred[:, -1].copy()
        z: FloatArray = newest / _deviation(centred)
        return z

    return each_window(values, ends, n, statistic)


def change_z(values: FloatArray, ends: IntArray, k: int, n: int) -> FloatArray:
    """M3: k-step change over the root mean square of the n last k-step changes."""
    change = values[k:] - values[:-k] if len(values) > k else np.zeros(0)
    rms = np.sqrt(each_window(change**2, ends - k, n, lambda rows: rows.sum(axis=1) / rows.shape[1]))
    return back(values, ends, 0, k) / np.where(rms > MIN_SD, rms, np.nan)


def percentile_rank(values: FloatArray, ends: IntArray, n: int) -> FloatArray:
    """M4: share of the last n values that are not above the newest, itself included; in (0, 1]."""
    return each_window(values, ends, n, lambda rows: (rows <= rows[:, -1:]).sum(axis=1) / rows.shape[1])


def below_maximum(values: FloatArray, ends: IntArray, n: int) -> FloatArray:
    """The newest value minus the highest of the last n; at most zero."""
    return each_window(values, ends, n, lambda rows: rows[:, -1] - rows.max(axis=1))


def riskmetrics_sd(returns: FloatArray) -> FloatArray:
    """Root of M5 at every place of a whole column of returns, which may begin with NaN; NaN until 20 are known."""
    column = pl.DataFrame({"r": returns}).select(ewma_variance(pl.col("r").fill_nan(None)).sqrt().fill_null(np.nan))
    return column.to_series().to_numpy()


def back(values: FloatArray, ends: IntArray, newest: int, oldest: int) -> FloatArray:
    """Change of the values from `oldest` to `newest` places before each end; NaN where there is no such place."""
    out, there = np.full(len(ends), np.nan), ends >= oldest
    out[there] = values[ends[there] - newest] - values[ends[there] - oldest]
    return out


def trend_t(log_price: FloatArray, daily_sd: FloatArray, ends: IntArray, days: Sequence[int]) -> dict[int, FloatArray]:
    """M8 by number of days: log return over `days` in units of daily_sd·√days; NaN where there is no volatility."""
    scale = np.where(daily_sd[ends] > MIN_SD, daily_sd[ends], np.nan)
    return {h: back(log_price, ends, 0, h) / scale * (1.0 / np.sqrt(h)) for h in days}


def _deviation(centred: FloatArray) -> FloatArray:
    """Root of the sum of squares over m − 1 of each row, which is overwritten; NaN where nothing varies."""
    centred *= centred
    sd: FloatArray = np.sqrt(centred.sum(axis=1) / (centred.shape[1] - 1))
    return np.where(sd > MIN_SD, sd, np.nan)
