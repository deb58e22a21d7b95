"""Compiled trailing windows down the columns of a matrix. Import inside functions only, as every kernel.

Rows are cut into blocks as long as the window. Every window is the end of one block and the beginning of the next, so
its statistic is that of two parts: what runs backward from the end of the finished block (`ends`), and what runs
forward through the present one (van Herk 1992; Gil and Werman 1993, for extrema; it holds for whatever can be merged).
Three operations a row whatever the window, nothing is ever subtracted again, and no rounding is carried from block to
block. A NaN spoils exactly the windows it is in.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def trailing_sum(values: FloatArray, window: int, scale: float, out: FloatArray) -> None:
    """Sum of the last `window` rows times `scale`, into `out` (T, N); NaN before there are as many."""
    rows, columns = values.shape
    ends, running = np.zeros((window, columns)), np.zeros(columns)
    for t in range(rows):
        place = t % window
        if place == 0:
            running[:] = 0.0
            sums_to_end(values[max(t - window, 0) : t], ends)
        for i in range(columns):
            running[i] += values[t, i]
        if t < window - 1:
            out[t] = math.nan
        elif place == window - 1:
            out[t] = running * scale
        else:
            for i in range(columns):
                out[t, i] = (ends[place + 1, i] + running[i]) * scale


def sums_to_end(block: FloatArray, ends: FloatArray) -> None:
    """Sum of each row of a finished block with all after it; the first is never asked for. An empty block has none."""
    last = len(block) - 1
    if last >= 0:
        ends[last] = block[last]
    for j in range(last - 1, 0, -1):
        for i in range(block.shape[1]):
            ends[j, i] = ends[j + 1, i] + block[j, i]


def trailing_extreme(values: FloatArray, window: int, sign: float, out: FloatArray) -> None:
    """Maximum (`sign` 1) or minimum (−1) of the last `window` rows, into `out`; NaN before there are as many."""
    rows, columns = values.shape
    ends, running = np.zeros((window, columns)), np.zeros(columns)
    for t in range(rows):
        place = t % window
        if place == 0:
            running[:] = -math.inf
            extremes_to_end(values[max(t - window, 0) : t], sign, ends)
        for i in range(columns):
            running[i] = higher(running[i], sign * values[t, i])
        if t < window - 1:
            out[t] = math.nan
        elif place == window - 1:
            out[t] = running * sign
        else:
            for i in range(columns):
                out[t, i] = sign * higher(ends[place + 1, i], running[i])


def extremes_to_end(block: FloatArray, sign: float, ends: FloatArray) -> None:
    """Maximum, times `sign`, of each row of a finished block and all after it; the first is never asked for."""
    last = len(block) - 1
    if last >= 0:
        ends[last] = block[last] * sign
    for j in range(last - 1, 0, -1):
        for i in range(block.shape[1]):
            ends[j, i] = higher(ends[j + 1, i], sign * block[j, i])


def higher(one: float, other: float) -> float:
    """Return the higher one; NaN where either is."""
    return one if one >= other or one != one else other  # noqa: PLR0124 - NaN, as a compiler can vectorise it


def trailing_moments(values: FloatArray, window: int, mean: FloatArray, deviation: FloatArray) -> None:
    """Mean and sample standard deviation (ddof = 1) of the last `window` rows; NaN before there are as many.

    Each part keeps its mean and its sum of squares about that mean (Welford 1962); two parts are merged by Chan,
    Golub and LeVeque (1983). A window of equal values has a deviation of exactly zero.
    """
    rows, columns = values.shape
    ends, running = np.zeros((2, window, columns)), np.zeros((2, columns))  # means, sums of squares
    for t in range(rows):
        place = t % window
        if place == 0:
            running[:] = 0.0
            moments_to_end(values[max(t - window, 0) : t], ends)
        share = 1.0 / (place + 1)
        for i in range(columns):
            apart = values[t, i] - running[0, i]
            running[0, i] += apart * share
            running[1, i] += apart * apart * (1.0 - share)
        if t < window - 1:
            mean[t] = math.nan
            deviation[t] = math.nan
        elif place == window - 1:
            mean[t] = running[0]
            deviation[t] = np.sqrt(running[1] / (window - 1))
        else:
            share = (place + 1) / window
            for i in range(columns):
                apart = running[0, i] - ends[0, place + 1, i]
                squares = ends[1, place + 1, i] + running[1, i] + apart * apart * share * (window - place - 1)
                mean[t, i] = ends[0, place + 1, i] + apart * share
                deviation[t, i] = math.sqrt(squares / (window - 1))


def moments_to_end(block: FloatArray, ends: FloatArray) -> None:
    """Mean and sum of squares of each row of a finished block with all after it; the first is never asked for."""
    last = len(block) - 1
    if last >= 0:
        ends[0, last] = block[last]
        ends[1, last] = block[last] - block[last]  # 0, or NaN of what is not finite
    for j in range(last - 1, 0, -1):
        share = 1.0 / (last - j + 1)
        for i in range(block.shape[1]):
            apart = block[j, i] - ends[0, j + 1, i]
            ends[0, j, i] = ends[0, j + 1, i] + apart * share
            ends[1, j, i] = ends[1, j + 1, i] + apart * apart * (1.0 - share)


def rank_rows(values: FloatArray, out: FloatArray) -> None:
    """Rank within each row, 1 for the lowest, the mean rank for equals; NaN has none and is not counted."""
    rows, columns = values.shape
    for t in range(rows):
        for i in range(columns):
            mine = values[t, i]
            below, equal = 0, 0
            for j in range(columns):
                below += values[t, j] < mine
                equal += values[t, j] == mine
            out[t, i] = below + (equal + 1) * 0.5 if equal > 0 else math.nan


for part in (sums_to_end, extremes_to_end, higher, moments_to_end):
    register_jitable(part)
trailing_sum_nb: Callable[..., Any] = numba.njit(cache=True, nogil=True)(trailing_sum)
trailing_extreme_nb: Callable[..., Any] = numba.njit(cache=True, nogil=True)(trailing_extreme)
trailing_moments_nb: Callable[..., Any] = numba.njit(cache=True, nogil=True)(trailing_moments)
rank_rows_nb: Callable[..., Any] = numba.njit(cache=True, nogil=True)(rank_rows)
