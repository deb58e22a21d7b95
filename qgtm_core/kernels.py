"""Compiled recursions: arrays in, arrays out. Import inside functions only: loading the compiler takes a second."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np


def _kalman_hedge(
    y: Any, x: Any, slope: float, intercept: float, covariance: float, drift: float, noise: float
) -> tuple[Any, Any, Any, Any]:
    """Two-state filter written out in scalars: β = [slope, intercept], P = [[a, b], [b, c]], x = [x, 1]."""
    n = y.shape[0]
    innovations, variances = np.empty(n), np.empty(n)
    slopes, intercepts = np.empty(n), np.empty(n)
    a, b, c = covariance, 0.0, covariance
    for i in range(n):
        a += drift
        c += drift
        rx, r1 = a * x[i] + b, b * x[i] + c  # R x
        q = x[i] * rx + r1 + noise
        e = y[i] - slope * x[i] - intercept
        slope += rx / q * e
        intercept += r1 / q * e
        a, b, c = a - rx * rx / q, b - rx * r1 / q, c - r1 * r1 / q
        innovations[i], variances[i] = e, q
        slopes[i], intercepts[i] = slope, intercept
    return innovations, variances, slopes, intercepts


kalman_hedge_nb: Callable[..., tuple[Any, Any, Any, Any]] = numba.njit(cache=True)(_kalman_hedge)
