"""Statistics of moving windows as batches: each window is computed by itself, so it is the same however many there are.

Rolling sums carry rounding from window to window and depend on where a column starts; these do not. One row a window,
oldest value first. NaN = no variance.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MIN_SD = 1e-12  # below it a window has no variance


def windows(values: Floats, size: int, first: int = 0) -> Floats:
    """Windows of `size` that end at positions max(first, size - 1) and later, as a matrix of their own."""
    if len(values) < size:
        return np.empty((0, size))
    every = np.lib.stride_tricks.sliding_window_view(values, size)
    return np.ascontiguousarray(every[max(first - size + 1, 0) :])


def at_ends(found: Floats, length: int) -> Floats:
    """Lay results of the last windows along a column of `length`, NaN before them."""
    out = np.full(length, np.nan)
    out[length - len(found) :] = found
    return out


def sample_sd(rows: Floats) -> Floats:
    """Sample standard deviation (ddof = 1) of each row; NaN where nothing varies."""
    centred = rows - rows.mean(axis=1, keepdims=True)
    sd: Floats = np.sqrt((centred**2).sum(axis=1) / (rows.shape[1] - 1))
    return np.where(sd > MIN_SD, sd, np.nan)


def path_z(changes: Floats) -> Floats:
    """M2 of the path each row of changes makes: its last level against mean and sd of its levels.

    The first change of a row leads into the window and does not count: the path starts at 0.
    """
    moves = changes.copy()
    moves[:, :1] = 0.0
    path = np.cumsum(moves, axis=1)
    z: Floats = (path[:, -1] - path.mean(axis=1)) / sample_sd(path)
    return z


def slope(x: Floats, y: Floats) -> Floats:
    """M9 without weights or ridge: least-squares slope of y on x with an intercept, row by row."""
    xc = x - x.mean(axis=1, keepdims=True)
    yc = y - y.mean(axis=1, keepdims=True)
    variance = (xc**2).sum(axis=1)
    wide = variance > MIN_SD**2
    found: Floats = np.divide((xc * yc).sum(axis=1), variance, out=np.full(len(x), np.nan), where=wide)
    return found
