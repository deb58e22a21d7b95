"""Labels and honest cross-validation (M25, M26): triple barriers, purged folds, uniqueness, calibration, AUC.

López de Prado (2018), chapters 3, 4 and 7. Rows are observations, oldest first; a label that begins at row i ends at
row `end[i]` >= i, when its outcome is settled.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Per row: `label` in {−1, 0, +1} and log return `gain` at the exit, NaN where the horizon is not over; `end`."""

    label: FloatArray
    gain: FloatArray
    end: IntArray


def barriers(price: float, sigma: float, pt: float, sl: float, h: int) -> tuple[float, float]:
    """M25: prices of the upper and the lower barrier, for a volatility per day and a horizon of h days."""
    width = sigma * math.sqrt(h)
    return price * math.exp(pt * width), price * math.exp(-sl * width)


def triple_barrier(
    close: FloatArray,
    sigma: FloatArray,
    pt: float,
    sl: float,
    h: int,
    high: FloatArray | None = None,
    low: FloatArray | None = None,
) -> Outcome:
    """M25: enter at the close of each row, leave at the first barrier touched within the next h rows, else after h.

    `sigma` is the volatility per row known at the entry. Touches are those of the closes, or of `high` and `low` when
    both are given; a row that touches both counts as the lower one, and a touch ends at its barrier. At the vertical
    barrier the label is the sign of the return. A row is NaN until its whole horizon is known, so that quick touches
    are not known sooner than the rest. The upper barrier is the profit of a long position: negate for a short one.
    """
    n = len(close)
    label, gain = np.full(n, np.nan), np.full(n, np.nan)
    end = np.arange(n) + h
    if n <= h:
        return Outcome(label, gain, end)
    entry, width = np.log(close), sigma * math.sqrt(h)
    ahead = [np.lib.stride_tricks.sliding_window_view(np.log(p)[1:], h) for p in (_or(high, close), _or(low, close))]
    rows = slice(0, n - h)
    base = entry[rows, None]
    up = ahead[0][: n - h] - base >= (pt * width)[rows, None]
    down = ahead[1][: n - h] - base <= (-sl * width)[rows, None]
    touched = up | down
    first = np.where(touched.any(axis=1), touched.argmax(axis=1), h - 1)
    at = np.arange(n - h)
    stopped, reached = down[at, first], up[at, first] & ~down[at, first]
    closed = entry[at + first + 1] - entry[rows]
    intraday = high is not None and low is not None
    taken = np.where(reached, (pt * width)[rows], np.where(stopped, (-sl * width)[rows], closed))
    gain[rows] = taken if intraday else closed
    label[rows] = np.where(stopped, -1.0, np.where(reached, 1.0, np.sign(closed)))
    end[rows] = at + first + 1
    bad = ~(np.isfinite(width[rows]) & (width[rows] > 0) & np.isfinite(gain[rows]))
    label[rows][bad], gain[rows][bad] = np.nan, np.nan
    return Outcome(label, gain, end)


def _or(value: FloatArray | None, default: FloatArray) -> FloatArray:
    return default if value is None else value


def average_uniqueness(start: IntArray, end: IntArray) -> FloatArray:
    """M26: mean over each label's life of one over the number of labels alive; both ends of `start..end` count."""
    if not len(start):
        return np.zeros(0)
    origin = int(start.min())
    begin, finish = start - origin, end - origin
    alive = np.zeros(int(finish.max()) + 2)
    np.add.at(alive, begin, 1.0)
    np.add.at(alive, finish + 1, -1.0)
    share = 1.0 / np.maximum(np.cumsum(alive)[:-1], 1.0)
    total = np.append(0.0, np.cumsum(share))
    return np.asarray((total[finish + 1] - total[begin]) / (finish - begin + 1), dtype=np.float64)


def purged_folds(start: IntArray, end: IntArray, folds: int, embargo: int) -> Iterator[tuple[BoolArray, BoolArray]]:
    """M26: yield (training, test) masks of consecutive test blocks of time.

    A training row is dropped when its label's life overlaps that of any test label, or when it begins within `embargo`
    rows of time after the last test label ends. `start` and `end` count in sessions, so rows may share a time.
    """
    times = np.unique(start)
    for block in np.array_split(times, folds):
        if not len(block):
            continue
        test = (start >= block[0]) & (start <= block[-1])
        last = int(end[test].max())
        yield (end < block[0]) | (start > last + embargo), test


def auc(score: FloatArray, y: BoolArray, weight: FloatArray | None = None) -> float:
    """Weighted area under the ROC curve; ties count one half; NaN when one class is missing."""
    w = np.ones(len(score)) if weight is None else weight
    values, place = np.unique(score, return_inverse=True)
    positive = np.bincount(place, weights=np.where(y, w, 0.0), minlength=len(values))
    negative = np.bincount(place, weights=np.where(y, 0.0, w), minlength=len(values))
    below = np.cumsum(negative) - negative
    total = positive.sum() * negative.sum()
    return float((positive * (below + 0.5 * negative)).sum() / total) if total > 0 else math.nan


def isotonic(score: FloatArray, y: FloatArray, weight: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Calibration: the non-decreasing step function nearest to y, as its knots (score, probability).

    Read it with `np.interp`; outside the knots the end values hold.
    """
    optimize: Any = importlib.import_module("scipy.optimize")
    values, place = np.unique(score, return_inverse=True)
    mass = np.bincount(place, weights=weight)
    mean = np.bincount(place, weights=weight * y) / mass
    fitted = np.asarray(optimize.isotonic_regression(mean, weights=mass).x, dtype=np.float64)
    step = np.flatnonzero(np.diff(fitted) != 0.0)
    keep = np.unique(np.concatenate([[0, len(values) - 1], step, step + 1]))
    return values[keep], fitted[keep]
