"""Tail risk of losses (positive = loss): historical and optimised CVaR, and peaks over a threshold.

Arrays of losses have observations on the last axis; fits of many windows are made at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_PLOTTING = 0.35  # of Hosking and Wallis (1987)


def historical_var_cvar(losses: FloatArray, confidence: float) -> tuple[float, float]:
    """M31: VaR is the k-th largest loss, CVaR the mean of the k largest, with k = (1 − confidence)·n rounded up.

    Raises ValueError without losses.
    """
    if not losses.size:
        raise ValueError("there are no losses to measure")
    k = max(1, math.ceil(round((1.0 - confidence) * losses.size, 9)))
    worst = np.sort(losses)[::-1][:k]
    return float(worst[-1]), float(worst.mean())


def optimised_cvar(losses: FloatArray, confidence: float) -> float:
    """M32: min over z of z + E[(L − z)⁺]/(1 − confidence) (Rockafellar and Uryasev 2000).

    The function is piecewise linear, so its minimum is at a loss. Raises ValueError without losses.
    """
    if not losses.size:
        raise ValueError("there are no losses to measure")
    level = np.sort(losses)[::-1]
    beyond = np.cumsum(level) - np.arange(1, level.size + 1) * level  # sum of (L - z)+ at z = each loss
    return float((level + beyond / (losses.size * (1.0 - confidence))).min())


@dataclass(frozen=True, slots=True)
class TailFit:
    """Generalised Pareto excesses over a threshold: `shape` ξ, `scale` β, `threshold` u, exceedances and sample."""

    shape: FloatArray
    scale: FloatArray
    threshold: FloatArray
    exceedances: int
    sample: int


def fit_tail(losses: FloatArray, exceedances: int) -> TailFit:
    """Fit the `exceedances` largest losses of each window over the next largest one.

    `losses` is (windows, sample). Probability-weighted moments (Hosking and Wallis 1987): closed form, and steadier
    than maximum likelihood for tails of fifty. NaN where nothing exceeds the threshold.
    """
    sample = losses.shape[-1]
    top = np.sort(np.partition(losses, sample - exceedances - 1, axis=-1)[..., sample - exceedances - 1 :], axis=-1)
    threshold, excess = top[..., 0], top[..., 1:] - top[..., :1]
    rank = (np.arange(1, exceedances + 1) - _PLOTTING) / exceedances
    first = _mean(excess)
    second = _mean(excess * (1.0 - rank))
    gap = first - 2.0 * second
    with np.errstate(divide="ignore", invalid="ignore"):
        shape = np.where(gap > 0.0, 2.0 - first / gap, np.nan)
        scale = np.where(gap > 0.0, 2.0 * first * second / gap, np.nan)
    return TailFit(shape, scale, threshold, exceedances, sample)


def _mean(values: FloatArray) -> FloatArray:
    """Mean over the last axis, the same bits for one window as for many."""
    mean: FloatArray = np.einsum("...j->...", np.ascontiguousarray(values)) / values.shape[-1]
    return mean


def tail_var(fit: TailFit, confidence: float) -> FloatArray:
    """M33: u + (β/ξ)[((n/N_u)(1 − q))^−ξ − 1] (McNeil and Frey 2000)."""
    rest = fit.sample / fit.exceedances * (1.0 - confidence)
    with np.errstate(divide="ignore", invalid="ignore"):
        bent = np.where(np.abs(fit.shape) < 1e-9, -np.log(rest), (rest**-fit.shape - 1.0) / fit.shape)
    var: FloatArray = fit.threshold + fit.scale * bent
    return var


def tail_expected_shortfall(fit: TailFit, confidence: float) -> FloatArray:
    """M33: (VaR + β − ξu)/(1 − ξ); NaN for a tail without a mean (ξ ≥ 1)."""
    var = tail_var(fit, confidence)
    with np.errstate(divide="ignore", invalid="ignore"):
        shortfall = (var + fit.scale - fit.shape * fit.threshold) / (1.0 - fit.shape)
    return np.where(fit.shape < 1.0, shortfall, np.nan)
