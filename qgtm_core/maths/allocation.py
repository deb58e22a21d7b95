"""Long-only weights from volatilities and correlations: inverse volatility and equal risk contribution."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
_TOLERANCE = 1e-12  # on the gradient, in units where it is of order one


def inverse_volatility(volatility: Vector) -> Vector:
    """Return weights in proportion to 1/volatility along the last axis; NaN members get 0."""
    known = np.isfinite(volatility) & (volatility > 0.0)
    raw = np.divide(1.0, volatility, out=np.zeros_like(volatility), where=known)
    total = raw.sum(axis=-1, keepdims=True)
    return np.asarray(np.divide(raw, total, out=np.zeros_like(raw), where=total > 0.0))


def equal_risk_contribution(covariance: Vector, max_steps: int = 100) -> Vector:
    """Return the weights w, summing to one, with w_i (Cov w)_i equal for all i.

    Newton's method on min y'Cov y / 2 - sum(ln y) / n, which is strictly convex on y > 0, then w = y / sum(y).
    `covariance` is (n, n). NaN when it is not positive definite (pairwise correlations need not fit together) or when
    `max_steps` are not enough; ten usually are.
    """
    n = covariance.shape[0]
    unsolved = np.full(n, np.nan)
    if float(np.linalg.eigvalsh(covariance)[0]) <= 0.0:
        return unsolved
    y = 1.0 / np.sqrt(np.diag(covariance) * n)
    for _ in range(max_steps):
        gradient = covariance @ y - 1.0 / (n * y)
        if float(np.abs(gradient * y).max()) < _TOLERANCE:
            return np.asarray(y / y.sum())
        step = np.linalg.solve(covariance + np.diag(1.0 / (n * y * y)), gradient)
        decrement = float(np.sqrt(n * gradient @ step))
        y = y - step / (1.0 + decrement)  # damped: stays positive, as the barrier is self-concordant
    return unsolved
