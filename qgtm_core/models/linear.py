"""Linear classifiers on standardised columns: L2 logistic regression and ridge on the sign. Closed, seedless fits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

NEWTON_STEPS = 50
NEWTON_TOLERANCE = 1e-10
WIDEST = 5.0  # standard deviations; farther values are drawn in
SMALLEST_SD = 1e-12


@dataclass(frozen=True, slots=True)
class Linear:
    """`intercept + Σ coefficient · (x − mean) / sd`; a missing value counts as its mean."""

    mean: FloatArray
    sd: FloatArray
    coefficient: FloatArray
    intercept: float

    def raw(self, x: FloatArray) -> FloatArray:
        """One number a row of x (n, features); columns are added in order."""
        z, total = standardised(x, self.mean, self.sd), np.full(len(x), self.intercept)
        for k in range(x.shape[1]):
            total = total + z[:, k] * self.coefficient[k]
        return total

    def to_json(self) -> Mapping[str, Any]:
        """What `from_json` reads back to the same bits."""
        arrays = ("mean", "sd", "coefficient")
        return {**{name: getattr(self, name).tolist() for name in arrays}, "intercept": self.intercept}

    @classmethod
    def from_json(cls, held: Mapping[str, Any]) -> Linear:
        """Read a stored fit."""
        mean, sd, coefficient = (np.asarray(held[name], dtype=np.float64) for name in ("mean", "sd", "coefficient"))
        return cls(mean, sd, coefficient, float(held["intercept"]))


def standardised(x: FloatArray, mean: FloatArray, sd: FloatArray) -> FloatArray:
    """Columns in standard deviations from their training mean, within ±5; missing = 0, the mean."""
    z = np.clip((x - mean) / sd, -WIDEST, WIDEST)
    return np.where(np.isfinite(z), z, 0.0)


def scales(x: FloatArray, weight: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Weighted mean and standard deviation of each column over its finite values; a flat or empty column has sd ∞."""
    w = np.where(np.isfinite(x), weight[:, None], 0.0)
    filled, total = np.where(np.isfinite(x), x, 0.0), np.maximum(w.sum(axis=0), SMALLEST_SD)
    mean = (w * filled).sum(axis=0) / total
    sd = np.sqrt((w * (filled - mean) ** 2).sum(axis=0) / total)
    return mean, np.where(sd > SMALLEST_SD, sd, np.inf)


def fit_logistic(x: FloatArray, y: NDArray[np.bool_], weight: FloatArray, penalty: float) -> Linear:
    """L2 logistic regression by Newton's method: mean weighted log-loss + penalty/2 · |coefficient|²."""
    mean, sd = scales(x, weight)
    design, w = _design(x, mean, sd), weight / weight.sum()
    ridge = penalty * np.diag(np.append(0.0, np.ones(x.shape[1])))
    beta, target = np.zeros(design.shape[1]), y.astype(np.float64)
    for _ in range(NEWTON_STEPS):
        p = 1.0 / (1.0 + np.exp(-design @ beta))
        gradient = design.T @ (w * (p - target)) + ridge @ beta
        hessian = (design * (w * p * (1.0 - p))[:, None]).T @ design + ridge
        step = np.linalg.solve(hessian, gradient)
        beta = beta - step
        if np.abs(step).max() < NEWTON_TOLERANCE:
            break
    return Linear(mean, sd, beta[1:], float(beta[0]))


def fit_ridge(x: FloatArray, y: NDArray[np.bool_], weight: FloatArray, penalty: float) -> Linear:
    """M9 ridge regression of the sign (±1), weights normalised to one."""
    mean, sd = scales(x, weight)
    design, w = _design(x, mean, sd), weight / weight.sum()
    ridge = penalty * np.diag(np.append(0.0, np.ones(x.shape[1])))
    beta = np.linalg.solve((design * w[:, None]).T @ design + ridge, design.T @ (w * np.where(y, 1.0, -1.0)))
    return Linear(mean, sd, beta[1:], float(beta[0]))


def _design(x: FloatArray, mean: FloatArray, sd: FloatArray) -> FloatArray:
    return np.hstack([np.ones((len(x), 1)), standardised(x, mean, sd)])
