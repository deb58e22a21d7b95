"""Path-dependent rules, replayed over a fixed number of sessions so that any start of history gives the same answer.

Matrices have one row a session (oldest first) and one column a leg; NaN = not usable on that session.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


def by_leg(panel: pl.DataFrame, values: str | pl.Series) -> Matrix:
    """Return a column of a panel as a (sessions, legs) matrix."""
    series = panel[values] if isinstance(values, str) else values
    sessions = max(panel["session"].n_unique(), 1)
    return series.cast(pl.Float64).fill_null(np.nan).to_numpy().reshape(sessions, -1)


def flat(name: str, matrix: Matrix) -> pl.Series:
    """Return a matrix as a panel column, NaN as null."""
    return pl.Series(name, np.ascontiguousarray(matrix).ravel(), dtype=pl.Float64).fill_nan(None)


def windows(matrix: Matrix, sessions: int) -> Matrix:
    """Return (sessions, legs, window) views of the last `sessions` rows, oldest first, NaN before the first row."""
    padding = np.full((sessions - 1, matrix.shape[1]), np.nan)
    return np.lib.stride_tricks.sliding_window_view(np.vstack([padding, matrix]), sessions, axis=0)


def buffered(raw: Matrix, buffer: float, sessions: int) -> Matrix:
    """Return the score held when only moves of at least `buffer` are followed.

    Each row replays the last `sessions` rows, starting at the oldest usable one; unusable rows hold.
    """
    past = windows(raw, sessions)
    held = past[..., 0]
    for step in range(1, sessions):
        now = past[..., step]
        follow = np.isfinite(now) & ~(np.abs(now - held) < buffer)  # NaN held: nothing to hold yet
        held = np.where(follow, now, held)
    return np.where(np.isfinite(raw), held, np.nan)


def hysteresis(z: Matrix, enter: float, leave: float, stop: float, sessions: int) -> Matrix:
    """Return the side (+1, 0, -1) against z, replayed over the last `sessions` rows from flat.

    Enter the side -sign(z) at |z| >= enter; leave at |z| <= leave or when z changes sign; at |z| >= stop go flat and
    stay so until |z| <= leave. A change of sign leaves first and may enter the other side at once. Unusable rows hold.
    """
    past = windows(z, sessions)
    side = np.zeros(z.shape)
    stopped = np.zeros(z.shape, dtype=bool)
    for step in range(sessions):
        now = past[..., step]
        size, against = np.abs(now), -np.sign(now)
        stopped = np.where(size <= leave, False, stopped | (size >= stop))
        side = np.where((size <= leave) | (side * against < 0) | stopped, 0.0, side)
        side = np.where((side == 0.0) & (size >= enter) & ~stopped, against, side)
    return np.where(np.isfinite(z), side, np.nan)
