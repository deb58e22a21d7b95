"""Risk weights: inverse volatility and portfolio volatility. Conviction and limits come later."""

from __future__ import annotations

import numpy as np

from qgtm_core.maths.allocation import inverse_volatility
from qgtm_core.view import Array

_NO_VARIANCE = 1e-16  # sum of squared returns: below it only rounding is left


def inverse_vol_weights(annual_vol: Array, eligible: np.ndarray) -> Array:
    """Weights proportional to 1/volatility over the eligible symbols, summing to 1; 0 elsewhere (M27)."""
    return inverse_volatility(np.where(eligible, annual_vol, np.nan))


def correlation_matrix(returns: Array, min_obs: int) -> Array:
    """Pairwise correlation of the columns; pairs with fewer than `min_obs` common rows count as 1 (no benefit).

    Means and variances of a pair are those of its common rows: over all rows of each, a column with gaps would look
    less correlated than it is.
    """
    known = np.isfinite(returns)
    mask = known.astype(np.float64)
    filled = np.where(known, returns, 0.0)
    centred = np.where(known, returns - filled.sum(axis=0) / np.maximum(mask.sum(axis=0), 1.0), 0.0)
    counts = mask.T @ mask
    shared = np.maximum(counts, 1.0)
    sums = centred.T @ mask  # of the row's symbol, over the rows both have
    cross = centred.T @ centred - sums * sums.T / shared
    squares = (centred**2).T @ mask - sums**2 / shared
    scale = np.sqrt(np.maximum(squares * squares.T, 0.0))
    rho = np.divide(cross, scale, out=np.ones_like(cross), where=scale > _NO_VARIANCE)
    rho = np.where(counts >= min_obs, np.clip(rho, -1.0, 1.0), 1.0)
    np.fill_diagonal(rho, 1.0)
    return rho


def portfolio_vol(weights: Array, annual_vol: Array, rho: Array) -> float:
    """Annual volatility of a portfolio; symbols without weight need no volatility."""
    risk = weights * np.where(weights != 0.0, annual_vol, 0.0)
    return float(np.sqrt(np.maximum(risk @ rho @ risk, 0.0)))  # a matrix of pairs need not be positive definite
