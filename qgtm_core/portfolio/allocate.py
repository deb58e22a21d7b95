"""Risk weights: inverse volatility and portfolio volatility. Conviction and limits come later."""

from __future__ import annotations

import numpy as np

from qgtm_core.view import Array


def inverse_vol_weights(annual_vol: Array, eligible: np.ndarray) -> Array:
    """Weights proportional to 1/volatility over the eligible symbols, summing to 1; 0 elsewhere (M27)."""
    usable = eligible & np.isfinite(annual_vol) & (annual_vol > 0)
    inverse = np.divide(1.0, annual_vol, out=np.zeros_like(annual_vol), where=usable)
    total = inverse.sum()
    return inverse / total if total > 0 else inverse


def correlation_matrix(returns: Array, min_obs: int) -> Array:
    """Pairwise correlation of the columns; pairs with fewer than `min_obs` common rows count as 1 (no benefit)."""
    known = np.isfinite(returns)
    counts = known.T.astype(float) @ known
    means = np.divide(
        np.where(known, returns, 0.0).sum(axis=0), known.sum(axis=0), out=np.zeros(returns.shape[1]),
        where=known.sum(axis=0) > 0,
    )  # fmt: skip
    centred = np.where(known, returns - means, 0.0)
    cross = centred.T @ centred
    scale = np.sqrt(np.outer(np.diag(cross), np.diag(cross)))
    rho = np.divide(cross, scale, out=np.ones_like(cross), where=scale > 0)
    rho = np.where(counts >= min_obs, np.clip(rho, -1.0, 1.0), 1.0)
    np.fill_diagonal(rho, 1.0)
    return rho


def portfolio_vol(weights: Array, annual_vol: Array, rho: Array) -> float:
    """Annual volatility of a portfolio; symbols without weight need no volatility."""
    risk = np.where(weights != 0.0, weights * annual_vol, 0.0)
    return float(np.sqrt(max(risk @ rho @ risk, 0.0)))
