"""Compiled as-of panel of long rows. Import inside functions only, as every kernel."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def group_bounds(
    series: IntArray, instrument: IntArray, available_at: IntArray, first: IntArray, stop: IntArray
) -> int:
    """Find each group's rows, into `first` and `stop` (series, instruments); −1, or the row that breaks the order.

    A group is one series of one instrument: its rows stand together, by time available. Both bounds come as zeros;
    a group without rows keeps them. Codes out of range break the order too.
    """
    count_series, count_instruments = first.shape
    s, i = -1, -1
    for row in range(len(available_at)):
        if row > 0 and series[row] == s and instrument[row] == i:
            if available_at[row] < available_at[row - 1]:
                return row
        else:
            if s >= 0:
                stop[s, i] = row
            s, i = series[row], instrument[row]
            if not (0 <= s < count_series and 0 <= i < count_instruments) or stop[s, i] > 0:
                return row
            first[s, i] = row
    if s >= 0:
        stop[s, i] = len(available_at)
    return -1


def fill_series(
    first: IntArray,
    stop: IntArray,
    available_at: IntArray,
    observed_at: IntArray,
    value: FloatArray,
    decided_at: IntArray,
    out: FloatArray,
) -> None:
    """What is known of one series at each decision, into `out` (instruments, T); bounds are (instruments,).

    Of rows available by then the last one with the newest observation counts; without `observed_at` (empty), the
    last one. Between two rows nothing changes, so a stretch of decisions is filled at a time.
    """
    decisions, revisable = len(decided_at), len(observed_at) > 0
    for i in range(len(first)):
        known, t = math.nan, 0
        newest = np.int64(-(2**63))
        for row in range(first[i], stop[i]):
            since = available_at[row]
            while t < decisions and decided_at[t] < since:
                out[i, t] = known
                t += 1
            if not revisable:
                known = value[row]
            elif observed_at[row] >= newest:
                newest, known = observed_at[row], value[row]
        out[i, t:] = known


group_bounds_nb: Callable[..., Any] = numba.njit(cache=True, nogil=True)(group_bounds)
fill_series_nb: Callable[..., Any] = numba.njit(cache=True, nogil=True)(fill_series)
