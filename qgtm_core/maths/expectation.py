"""What a series usually does at this time of the year: means over the same season of earlier years. No dates here."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def same_season_mean(values: FloatArray, years: IntArray, seasons: IntArray, back: int) -> tuple[FloatArray, IntArray]:
    """Mean of the same season in the `back` years before, and how many of them had a value; both shaped as `values`.

    `seasons` counts months or weeks of the year from 0; at most one row a (year, season). NaN counts as no value; the
    mean of none is NaN. Row i depends on earlier years only.
    """
    if values.size == 0:
        return np.empty(0), np.empty(0, dtype=np.int64)
    first = int(years.min())
    # the leading rows stay empty: the years before the first one
    grid = np.full((int(years.max()) - first + 1 + back, int(seasons.max()) + 1), np.nan)
    row = years - first + back
    grid[row, seasons] = values
    total, count = np.zeros(values.shape), np.zeros(values.shape, dtype=np.int64)
    for lag in range(1, back + 1):
        earlier = grid[row - lag, seasons]
        known = np.isfinite(earlier)
        total += np.where(known, earlier, 0.0)
        count += known
    return np.where(count > 0, total / np.maximum(count, 1), np.nan), count
