"""How sure a Sharpe ratio is: the stationary bootstrap with an automatic length of blocks.

Returns are one a period, oldest first, all finite; Sharpe ratios are per period and not annualised.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

DRAWS = 2000
CONFIDENCE = 0.95
MIN_BLOCK = 5.0  # periods: returns without autocorrelation still come in clusters of calm and storm
_STILL = 1e-12  # of the mean square: a variance below it is rounding


@dataclass(frozen=True, slots=True)
class Interval:
    """From `low` to `high`, found with blocks of `block` periods on average; NaN where returns do not vary."""

    low: float
    high: float
    block: float


def stationary_bootstrap_sharpe(
    returns: FloatArray,
    draws: int = DRAWS,
    mean_block: float | None = None,
    *,
    seed: int,
    confidence: float = CONFIDENCE,
) -> Interval:
    """Percentile interval of the Sharpe ratio (Politis and Romano 1994).

    Without `mean_block` it is `optimal_block`, at least `MIN_BLOCK`. Equal arguments give equal numbers. A resample in
    which nothing varies counts as a Sharpe ratio of 0. Raises ValueError unless returns are finite, draws and the mean
    block at least 1 and the confidence between 0 and 1.
    """
    if not np.isfinite(returns).all() or draws < 1 or not 0.0 < confidence < 1.0:
        raise ValueError(f"{len(returns)} returns cannot be resampled: not finite, or {draws=}, {confidence=}")
    if mean_block is not None and not mean_block >= 1.0:
        raise ValueError(f"a block of {mean_block} periods has no length")
    if len(returns) < 2 or not np.ptp(returns) > 0.0:
        return Interval(math.nan, math.nan, math.nan)
    from qgtm_core.kernels.bootstrap import resample_sharpe_nb

    block = max(optimal_block(returns), MIN_BLOCK) if mean_block is None else float(mean_block)
    twice = np.concatenate([returns, returns])
    total, squares = np.append(0.0, np.cumsum(twice)), np.append(0.0, np.cumsum(twice**2))
    found = np.empty(draws)
    resample_sharpe_nb(total, squares, block, _STILL, np.random.Generator(np.random.PCG64(seed)), found)
    low, high = np.quantile(found, [(1.0 - confidence) / 2.0, (1.0 + confidence) / 2.0]).tolist()
    return Interval(low, high, block)


def optimal_block(returns: FloatArray) -> float:
    """Mean length of blocks, in periods, that suits the stationary bootstrap of a mean (Politis and White 2004).

    b = (2G²/D)^⅓·n^⅓ with D = 2·ĝ(0)² as corrected by Patton, Politis and White (2009), a flat-top lag window up to
    twice the first lag from which K = max(5, log₁₀ n) autocorrelations are all within ±2√(log₁₀ n / n), and at most
    min(3√n, n/3). At least 1; 1 as well where there are too few returns to tell or nothing varies.
    """
    n = len(returns)
    run = max(5, int(math.log10(n))) if n else 5
    lags = math.ceil(math.sqrt(n)) + run
    if n <= lags or not np.ptp(returns) > 0.0:
        return 1.0
    centred = returns - returns.mean()
    covariance = np.array([centred[lag:] @ centred[: n - lag] for lag in range(lags + 1)]) / n
    inside = np.abs(covariance / covariance[0]) < 2.0 * math.sqrt(math.log10(n) / n)
    quiet = np.lib.stride_tricks.sliding_window_view(inside[:lags], run).all(axis=1)
    width = min(2 * int(quiet.argmax()), lags) if quiet.any() else lags
    lag = np.arange(1, width + 1)
    weight = np.minimum(1.0, 2.0 * (1.0 - lag / width)) * covariance[1 : width + 1]
    spectrum = covariance[0] + 2.0 * weight.sum()
    slope = 2.0 * (lag * weight).sum()
    longest = math.ceil(min(3.0 * math.sqrt(n), n / 3.0))
    return float(np.clip(np.cbrt(slope**2 * n / max(spectrum**2, np.finfo(np.float64).tiny)), 1.0, longest))
