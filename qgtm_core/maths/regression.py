"""Regressions over many windows at once: least squares, half-lives and the test of cointegration.

A stack is a contiguous float array of shape (windows, observations), oldest observation first. Each window is computed
on its own: the result has the same bits whether it stands alone or among thousands. NaN = it cannot be computed (an
observation that is not finite, no variance, collinear regressors). Sample statistics use ddof = 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

MIN_SD = 1e-12  # below it a window has no variance
MIN_DETERMINANT = 1e-10  # of the regressors' correlation matrix; below it they are collinear
CHUNK = 256  # windows at a time: a stack of 504 observations then fits the processor's cache
MAX_LAG = 5  # of the augmented Dickey-Fuller regression
# Critical values of the Engle-Granger test with a constant by number of variables, at 1, 5 and 10 % (MacKinnon 2010)
MACKINNON_2010 = {2: (-3.90, -3.34, -3.05), 3: (-4.30, -3.74, -3.45)}


@dataclass(frozen=True, slots=True)
class Fit:
    """Least squares of each window: shapes (windows,), slopes (windows, regressors), residual (windows, n).

    `residual_sd` is the residuals' sample standard deviation, `r2` the share of the variance explained; both weigh the
    observations as the fit did.
    """

    intercept: FloatArray
    slopes: FloatArray
    residual: FloatArray
    r2: FloatArray
    residual_sd: FloatArray

    @property
    def z(self) -> FloatArray:
        """Newest residual over the residuals' standard deviation."""
        return _ratio(self.residual[:, -1], self.residual_sd)


def stack(values: FloatArray, ends: IntArray, width: int) -> FloatArray:
    """Return (ends, width): the `width` values up to and including each end; every end is at least width - 1."""
    return np.ascontiguousarray(sliding_window_view(values, width)[ends - (width - 1)])


def in_chunks(function: Callable[[IntArray], FloatArray], ends: IntArray, columns: int) -> FloatArray:
    """Return (ends, columns) of a function of window ends, computed some hundred windows at a time."""
    parts = [function(ends[start : start + CHUNK]) for start in range(0, len(ends), CHUNK)]
    return np.concatenate(parts) if parts else np.empty((0, columns))


def age_weights(count: int, half_life: float) -> FloatArray:
    """Weights 2^(-age / half-life) of `count` observations, oldest first; the newest has age 0."""
    return np.exp2(-np.arange(count - 1, -1, -1) / half_life)


def least_squares(
    y: FloatArray, regressors: tuple[FloatArray, ...], *, weights: FloatArray | None = None, ridge: float = 0.0
) -> Fit:
    """M9: y on a constant and the regressors, (X'WX + λI)⁻¹X'Wy (Hoerl and Kennard 1970 for the ridge).

    `y` and each regressor are stacks; `weights` has one value an observation. X and y are measured from their weighted
    means, so λ shrinks the slopes and leaves the intercept alone.
    """
    count = y.shape[1]
    share = np.full(count, 1.0) if weights is None else weights * (count / weights.sum())
    means = [_mean(column, share) for column in (y, *regressors)]
    level, *centred = [column - mean[:, None] for column, mean in zip((y, *regressors), means, strict=True)]
    weighted = centred if weights is None else [column * share for column in centred]
    gram = np.stack([np.stack([np.vecdot(a, b) for b in centred], axis=-1) for a in weighted], axis=-2)
    gram = gram + ridge * np.eye(len(regressors))
    slopes = _solve(gram, np.stack([np.vecdot(a, level) for a in weighted], axis=-1)[..., None])[..., 0]
    residual = level
    intercept = means[0]
    for number, (column, mean) in enumerate(zip(centred, means[1:], strict=True)):
        residual = residual - slopes[:, number, None] * column
        intercept = intercept - slopes[:, number] * mean
    left, total = (np.vecdot(part * share, part) for part in (residual, level))
    return Fit(intercept, slopes, residual, 1.0 - _ratio(left, total, MIN_SD**2), np.sqrt(left / (count - 1)))


def zscore(x: FloatArray) -> FloatArray:
    """M2: newest value of each window less the window's mean, over its standard deviation."""
    centred = x - x.mean(axis=1)[:, None]
    return _ratio(centred[:, -1], np.sqrt(np.vecdot(centred, centred) / (x.shape[1] - 1)))


def half_life(x: FloatArray) -> FloatArray:
    """M10: periods in which each window's deviation halves, from the slope b of Δx on the level before it.

    -ln 2 / ln(1 + b); NaN unless -1 < b < 0 (Uhlenbeck and Ornstein 1930; Chan 2013).
    """
    slope = least_squares(np.diff(x, axis=1), (np.ascontiguousarray(x[:, :-1]),)).slopes[:, 0]
    reverts = (slope > -1.0) & (slope < 0.0)
    return np.where(reverts, -math.log(2.0) / np.log1p(np.where(reverts, slope, -0.5)), np.nan)


def adf(u: FloatArray, max_lag: int = MAX_LAG) -> tuple[FloatArray, FloatArray]:
    """M11, second step: t of the level in Δu on u₋₁ and lagged Δu without a constant, and the lags used.

    The lags (0 to `max_lag`) have the least AIC over the observations common to all; the statistic then uses every
    observation its lags leave (Said and Dickey 1984). Compare with MACKINNON_2010.
    """
    lagged = _lagged_products(u, max_lag + 2)
    size = u.shape[1] - max_lag - 1
    criteria = [size * np.log(_autoregression(lagged, lag)[0] / size) + 2.0 * (lag + 1) for lag in range(max_lag + 1)]
    criterion = np.stack(criteria, axis=-1)
    used = np.argmin(np.where(np.isfinite(criterion), criterion, np.inf), axis=-1)
    statistics = np.stack([_level_t(u, lagged, lag, max_lag) for lag in range(max_lag + 1)], axis=-1)
    t = np.take_along_axis(statistics, used[:, None], axis=-1)[:, 0]
    return t, np.where(np.isfinite(t), used, np.nan)


def engle_granger(y: FloatArray, regressors: tuple[FloatArray, ...]) -> FloatArray:
    """M11: the statistic of Engle and Granger (1987), for y and regressors given as logs where prices are meant."""
    return adf(least_squares(y, regressors).residual)[0]


def _lagged_products(u: FloatArray, lags: int) -> FloatArray:
    """(windows, lags, lags): sums over t = lags - 1 … n - 1 of u_{t-i} u_{t-j}, each diagonal from its first entry."""
    n, first = u.shape[1], lags - 1
    out = np.empty((u.shape[0], lags, lags))
    for gap in range(lags):
        total = np.vecdot(u[:, first:], u[:, first - gap : n - gap])
        for i in range(lags - gap):
            j = i + gap
            out[:, i, j] = out[:, j, i] = total
            total = total + u[:, first - 1 - i] * u[:, first - 1 - j] - u[:, n - 1 - i] * u[:, n - 1 - j]
    return out


def _autoregression(lagged: FloatArray, lag: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Sum of squares left by Δu on u₋₁ and `lag` lagged changes, the level's slope and its share of the inverse."""
    block = lagged[:, : lag + 2, : lag + 2]
    rows = block[:, :-1] - block[:, 1:]  # change k times level l
    changes = rows[:, :, :-1] - rows[:, :, 1:]  # change k times change l
    gram = np.empty((lagged.shape[0], lag + 1, lag + 1))
    gram[:, 0, 0] = block[:, 1, 1]
    gram[:, 0, 1:] = gram[:, 1:, 0] = rows[:, 1:, 1]
    gram[:, 1:, 1:] = changes[:, 1:, 1:]
    right = np.zeros((lagged.shape[0], lag + 1, 2))
    right[:, 0, 0], right[:, 1:, 0] = rows[:, 0, 1], changes[:, 0, 1:]
    right[:, 0, 1] = 1.0  # the first column of the inverse
    solved = _solve(gram, right)
    left = changes[:, 0, 0] - (solved[..., 0] * right[..., 0]).sum(axis=-1)
    return np.where(left > 0.0, left, np.nan), solved[:, 0, 0], solved[:, 0, 1]


def _level_t(u: FloatArray, lagged: FloatArray, lag: int, max_lag: int) -> FloatArray:
    """The level's t statistic over every observation that `lag` lags leave."""
    block = lagged[:, : lag + 2, : lag + 2]
    for t in range(lag + 1, max_lag + 1):
        row = u[:, t - lag - 1 : t + 1][:, ::-1]
        block = block + row[:, :, None] * row[:, None, :]
    left, slope, inverse = _autoregression(block, lag)
    freedom = u.shape[1] - 2 * (lag + 1)
    statistic: FloatArray = slope / np.sqrt(left / freedom * inverse)
    return statistic


def _mean(column: FloatArray, share: FloatArray) -> FloatArray:
    mean: FloatArray = (column * share).sum(axis=1) / column.shape[1]
    return mean


def _ratio(above: FloatArray, below: FloatArray, floor: float = MIN_SD) -> FloatArray:
    good = below > floor
    return np.where(good, above / np.where(good, below, 1.0), np.nan)


def _solve(gram: FloatArray, right: FloatArray) -> FloatArray:
    """Solve each window's normal equations, scaled to a correlation matrix; NaN where the regressors are collinear."""
    scale = np.sqrt(np.diagonal(gram, axis1=-2, axis2=-1))
    good = np.logical_and(np.isfinite(gram).all(axis=(-2, -1)), (scale > MIN_SD).all(axis=-1))[:, None, None]
    scale = np.where(good[..., 0], scale, 1.0)
    scaled = np.where(good, gram, np.eye(gram.shape[-1])) / (scale[:, :, None] * scale[:, None, :])
    good = good & (np.linalg.det(scaled) > MIN_DETERMINANT)[:, None, None]
    scaled = np.where(good, scaled, np.eye(gram.shape[-1]))
    solved = np.linalg.solve(scaled, np.where(good, right, 0.0) / scale[:, :, None]) / scale[:, :, None]
    return np.where(good, solved, np.nan)
