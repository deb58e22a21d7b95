"""Weights from volatilities and correlations: inverse volatility, equal risk, hierarchical risk parity, Kelly."""

from __future__ import annotations

from enum import StrEnum, unique

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
KELLY_FRACTION = 0.5  # of the growth-optimal leverage, at most
_TOLERANCE = 1e-12  # on the gradient, in units where it is of order one


@unique
class Linkage(StrEnum):
    """What clusters are made of: distances between columns of the distances, as in the paper, or the distances."""

    COLUMNS = "COLUMNS"
    PAIRS = "PAIRS"


def inverse_volatility(volatility: Vector) -> Vector:
    """M27: return weights in proportion to 1/volatility along the last axis; NaN members get 0."""
    known = np.isfinite(volatility) & (volatility > 0.0)
    raw = np.divide(1.0, volatility, out=np.zeros_like(volatility), where=known)
    total = raw.sum(axis=-1, keepdims=True)
    return np.asarray(np.divide(raw, total, out=np.zeros_like(raw), where=total > 0.0))


def equal_risk_contribution(covariance: Vector, max_steps: int = 100) -> Vector:
    """M28: return the weights w, summing to one, with w_i (Cov w)_i equal for all i.

    Maillard, Roncalli and Teiletche (2010). Newton's method on min y'Cov y / 2 - sum(ln y) / n, which is strictly
    convex on y > 0, then w = y / sum(y). `covariance` is (n, n). NaN when it is not positive definite (pairwise
    correlations need not fit together) or when `max_steps` are not enough; ten usually are.
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


def hierarchical_risk_parity(
    covariance: Vector, *, linkage: Linkage = Linkage.COLUMNS, optimal_order: bool = False
) -> Vector:
    """M29: return long-only weights that need no inverse of the covariance (López de Prado 2016).

    Distances √((1 − ρ)/2); single linkage on the Euclidean distances between their columns (or, with Linkage.PAIRS, on
    themselves); in the order of the tree the list is halved again and again, each half getting one minus its share of
    the two inverse-variance portfolios' variances. `optimal_order` turns branches so that neighbours are as near as
    the tree allows (Bar-Joseph, Gifford and Jaakkola 2001). `covariance` is (n, n); NaN unless all variances are
    positive and everything is finite.
    """
    n = covariance.shape[0]
    variance = np.diag(covariance)
    if not np.isfinite(covariance).all() or not (variance > 0.0).all():
        return np.full(n, np.nan)
    weights = np.ones(n)
    clusters = [_quasi_diagonal(covariance, linkage, optimal_order=optimal_order)]
    while clusters:
        halves = [half for whole in clusters for half in (whole[: len(whole) // 2], whole[len(whole) // 2 :])]
        clusters = [half for half in halves if len(half) > 1]
        for left, right in zip(halves[::2], halves[1::2], strict=True):
            if len(left):
                risk = _cluster_variance(covariance, left), _cluster_variance(covariance, right)
                share = 1.0 - risk[0] / (risk[0] + risk[1])
                weights[left] *= share
                weights[right] *= 1.0 - share
    return weights


def _quasi_diagonal(covariance: Vector, kind: Linkage, *, optimal_order: bool) -> NDArray[np.intp]:
    """Members in the order of the tree's leaves: similar ones next to each other."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import pdist, squareform

    n = covariance.shape[0]
    if n == 1:
        return np.zeros(1, dtype=np.intp)
    sd = np.sqrt(np.diag(covariance))
    distance = np.sqrt(np.maximum(1.0 - covariance / np.outer(sd, sd), 0.0) / 2.0)
    np.fill_diagonal(distance, 0.0)
    pairs = pdist(distance) if kind is Linkage.COLUMNS else squareform(distance, checks=False)
    return np.asarray(leaves_list(linkage(pairs, "single", optimal_ordering=optimal_order)), dtype=np.intp)


def _cluster_variance(covariance: Vector, members: NDArray[np.intp]) -> float:
    """Variance of the inverse-variance portfolio of some members."""
    part = covariance[np.ix_(members, members)]
    weights = inverse_volatility(np.diag(part))  # of variances: 1/variance, summing to one
    return float(weights @ part @ weights)


def kelly(mean: Vector, covariance: Vector, fraction: float = KELLY_FRACTION) -> Vector:
    """M30: return `fraction` of Cov⁻¹·mean, the leverage of fastest growth (Kelly 1956; Thorp 2006).

    `mean` (n,) are excess returns and `covariance` (n, n) their covariance, over one period. NaN when that is not
    positive definite. More than half of the whole is not to be used.
    """
    if not np.isfinite(covariance).all() or float(np.linalg.eigvalsh(covariance)[0]) <= 0.0:
        return np.full(mean.shape, np.nan)
    return np.asarray(fraction * np.linalg.solve(covariance, mean))
