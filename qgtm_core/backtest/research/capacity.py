"""How much capital a strategy carries before its own market impact takes too much of it."""

from __future__ import annotations

import math

import numpy as np

from qgtm_core.backtest.metrics import SESSIONS_A_YEAR
from qgtm_core.backtest.research.returns import Account
from qgtm_core.view import Array

CAPITALS_USD: tuple[float, ...] = (1e5, 1e6, 1e7, 1e8, 1e9)
SHARE_LOST = 0.5  # of the Sharpe ratio before impact, at capacity


def capacity_curve(account: Account, capital_usd: float, capitals_usd: tuple[float, ...] = CAPITALS_USD) -> Array:
    """Annual Sharpe ratio after all costs at each capital, (…, capitals); NaN where nothing varies.

    `account` was made at `capital_usd`. Impact grows with the root of an order (M34), so at the capital c it is
    √(c / capital_usd) times as large, and everything else is the same: one account gives the whole curve.
    """
    scale = np.sqrt(np.asarray(capitals_usd) / capital_usd)
    mean_before, mean_impact, var_before, covariance, var_impact = (m[..., None] for m in _moments(account))
    mean = mean_before - scale * mean_impact
    variance = var_before - 2.0 * scale * covariance + scale**2 * var_impact
    unknown = np.full(mean.shape, np.nan)
    sharpe: Array = np.divide(mean, np.sqrt(np.maximum(variance, 0.0)), out=unknown, where=variance > 1e-24)
    return sharpe * math.sqrt(SESSIONS_A_YEAR)


def capacity_usd(account: Account, capital_usd: float) -> float | None:
    """Capital in USD at which impact takes half of the Sharpe ratio before impact, of an account (T,).

    Null when that ratio is not positive or not defined, and when the strategy never paid impact. Solved, not searched:
    with s = √(capital / capital_usd), a the return before impact and b the impact, the ratio is half where
    (ā − s·b̄)² = h²·(var a − 2s·cov(a, b) + s²·var b), h half of ā / sd a; the smallest s with ā − s·b̄ > 0 counts.
    """
    if len(account.net) < 2:
        return None
    mean_before, mean_impact, var_before, covariance, var_impact = (float(m) for m in _moments(account))
    if var_before <= 1e-24 or mean_before <= 0.0 or mean_impact <= 0.0:
        return None
    h2 = (1.0 - SHARE_LOST) ** 2 * mean_before**2 / var_before
    roots = np.roots(
        [
            mean_impact**2 - h2 * var_impact,
            2.0 * (h2 * covariance - mean_before * mean_impact),
            mean_before**2 - h2 * var_before,
        ]
    )
    real = roots[np.abs(roots.imag) <= 1e-9 * np.abs(roots)].real
    within = real[(real > 0.0) & (real < mean_before / mean_impact)]
    return float(within.min() ** 2 * capital_usd) if len(within) else None


def _moments(account: Account) -> tuple[Array, Array, Array, Array, Array]:
    """Means, variances and covariance (ddof 1) of returns before impact and of impact, over the last axis."""
    before, impact = account.net + account.impact, account.impact
    mean_before, mean_impact = before.mean(axis=-1), impact.mean(axis=-1)
    off_before, off_impact = before - mean_before[..., None], impact - mean_impact[..., None]
    n = max(before.shape[-1] - 1, 1)
    return (
        mean_before,
        mean_impact,
        (off_before**2).sum(axis=-1) / n,
        (off_before * off_impact).sum(axis=-1) / n,
        (off_impact**2).sum(axis=-1) / n,
    )
