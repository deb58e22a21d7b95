"""Regimes (M23, M24): the forward filter and fit of a Gaussian hidden Markov model, and change points as they come.

Filtered probabilities only: smoothing and the Viterbi path look ahead. Arrays have time along the axis before the last;
NaN in an observation means that it is missing. Sums over states and dimensions are written out in a fixed order, so
that one path gives the same bits alone and among others.
"""

from __future__ import annotations

import importlib
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

HMM_RESTARTS = 10
HMM_ITERATIONS = 200
HMM_TOLERANCE = 1e-2  # gain in log-likelihood below which Baum-Welch stops
HMM_STAY = 0.95  # probability to stay in a state before the first iteration
HAZARD = 1.0 / 250.0  # of a change at any observation
PRIOR_MEAN, PRIOR_WEIGHT, PRIOR_SHAPE, PRIOR_SCALE = 0.0, 1.0, 1.0, 1e-4  # of a new run (Normal-Gamma)
SMALLEST_PROBABILITY = 1e-8  # of a run length that is followed on
CHANGE_MEMORY = 250  # returns behind every change probability, at least
CHANGE_BLOCK = 63  # returns that share a start
CHUNK = 200_000  # numbers worked on at once


@dataclass(frozen=True, slots=True)
class GaussianHmm:
    """A fitted model: K states, D dimensions, diagonal covariance.

    `start` (K,) is the stationary distribution of `transition` (K, K), whose rows sum to one; `mean` and `variance`
    are (K, D).
    """

    start: FloatArray
    transition: FloatArray
    mean: FloatArray
    variance: FloatArray


def log_density(mean: FloatArray, variance: FloatArray, x: FloatArray) -> FloatArray:
    """Log of the normal density of each observation in each state: (..., n, K) from x (..., n, D).

    `mean` and `variance` are (..., K, D), where the leading axes are those of x. NaN where the observation is missing.
    """
    total = np.zeros((*x.shape[:-1], mean.shape[-2]))
    for d in range(x.shape[-1]):
        m, v = mean[..., None, :, d], variance[..., None, :, d]
        total = total - 0.5 * (np.log(2.0 * math.pi * v) + (x[..., :, d, None] - m) ** 2 / v)
    return total


def forward_filter(start: FloatArray, transition: FloatArray, density: FloatArray) -> FloatArray:
    """M23: probabilities of the states given the observations so far, (..., n, K); rows sum to one.

    α_t(j) ∝ N(x_t; j) Σ_i α_{t−1}(i) A_ij (Hamilton 1989; Rabiner 1989), from α_0 = `start` (..., K) before the first
    observation. `density` is what `log_density` gives; a missing observation leaves the prediction as it is.
    """
    out = np.empty(density.shape)
    weight = np.exp(density - np.max(density, axis=-1, keepdims=True))
    weight = np.moveaxis(np.where(np.isnan(weight), 1.0, weight), -2, 0).copy()
    alpha, add = start, np.add.reduce  # of fewer than eight numbers, which it adds in order
    for t, seen in enumerate(weight):
        joint = add(alpha[..., None] * transition, axis=-2) * seen
        alpha = joint / add(joint, axis=-1, keepdims=True)
        out[..., t, :] = alpha
    return out


def filtered(model: GaussianHmm, x: FloatArray) -> FloatArray:
    """Filtered probabilities (n, K) of one series x (n, D) under one model."""
    return forward_filter(model.start, model.transition, log_density(model.mean, model.variance, x))


def fit_hmm(x: FloatArray, states: int, seed: int, restarts: int = HMM_RESTARTS) -> tuple[GaussianHmm, float]:
    """Fit by Baum-Welch from several seeded starts; return the likeliest model and its log-likelihood.

    x is (n, D), all finite, oldest first. A start takes the means of distinct observations and the variance of all.
    """
    learner: Any = importlib.import_module("hmmlearn.hmm").GaussianHMM
    rng = np.random.default_rng(seed)
    stay = HMM_STAY * np.eye(states) + (1.0 - HMM_STAY) / max(states - 1, 1) * (1.0 - np.eye(states))
    best: Any = None
    best_score = -math.inf
    for _ in range(restarts):
        hmm = learner(
            states, covariance_type="diag", n_iter=HMM_ITERATIONS, tol=HMM_TOLERANCE, init_params="", params="stmc"
        )
        hmm.startprob_ = np.full(states, 1.0 / states)
        hmm.transmat_ = stay
        hmm.means_ = x[rng.choice(len(x), states, replace=False)]
        hmm.covars_ = np.tile(x.var(axis=0), (states, 1))
        hmm.monitor_.verbose = False
        hmm.fit(x)
        score = float(hmm.score(x))
        if score > best_score:
            best, best_score = hmm, score
    variance = np.array([np.diag(c) for c in best.covars_])
    transition = np.ascontiguousarray(best.transmat_)
    return GaussianHmm(stationary(transition), transition, np.ascontiguousarray(best.means_), variance), best_score


def stationary(transition: FloatArray) -> FloatArray:
    """The distribution that the chain keeps: π A = π, Σ π = 1."""
    k = len(transition)
    system = np.vstack([transition.T - np.eye(k), np.ones(k)])
    found = np.linalg.lstsq(system, np.append(np.zeros(k), 1.0), rcond=None)[0].clip(min=0.0)
    return np.asarray(found / found.sum(), dtype=np.float64)


# change points


def run_lengths(x: FloatArray, hazard: float = HAZARD) -> FloatArray:
    """M24: P(r_n = 0 … n) after the last of n observations (Adams and MacKay 2007), as the recursion is printed.

    Normal data of unknown mean and variance; runs less likely than 1e-8 are dropped. This is the slow, plain form.
    """
    p = np.ones(1)
    mu, kappa = np.full(1, PRIOR_MEAN), np.full(1, PRIOR_WEIGHT)
    alpha, beta = np.full(1, PRIOR_SHAPE), np.full(1, PRIOR_SCALE)
    for value in np.asarray(x, dtype=np.float64):
        scale2 = beta * (kappa + 1.0) / (alpha * kappa)
        predictive = _student_t((value - mu) ** 2 / scale2, 2.0 * alpha) / np.sqrt(scale2)
        joint = p * predictive
        p = np.append(hazard * joint.sum(), (1.0 - hazard) * joint)
        p = p / p.sum()
        p = np.where(p < SMALLEST_PROBABILITY, 0.0, p)
        beta = np.append(PRIOR_SCALE, beta + kappa * (value - mu) ** 2 / (2.0 * (kappa + 1.0)))
        mu = np.append(PRIOR_MEAN, (kappa * mu + value) / (kappa + 1.0))
        kappa, alpha = np.append(PRIOR_WEIGHT, kappa + 1.0), np.append(PRIOR_SHAPE, alpha + 0.5)
    return np.asarray(p / p.sum(), dtype=np.float64)


def _student_t(square: FloatArray, dof: FloatArray) -> FloatArray:
    """Density of Student's t at ±√square, unit scale."""
    special: Any = importlib.import_module("scipy.special")
    norm = special.gammaln((dof + 1.0) / 2.0) - special.gammaln(dof / 2.0) - 0.5 * np.log(math.pi * dof)
    return np.asarray(np.exp(norm - (dof + 1.0) / 2.0 * np.log1p(square / dof)), dtype=np.float64)


def change_probability(x: FloatArray, below: int, hazard: float = HAZARD, first: int = 0) -> FloatArray:
    """M24 as an alarm: P(run length < `below`) after each observation of x (n,); NaN where there is too little past.

    The value at i replays x from a start that depends on i alone: the start moves on by 63 observations and leaves 250
    to 312 before i, one mean run of history. So any stretch gives the same bits. Values before index `first` are NaN.
    """
    out = np.full(len(x), np.nan)
    low = max(first, CHANGE_MEMORY)
    starts = np.arange((low - CHANGE_MEMORY) // CHANGE_BLOCK, max((len(x) - 1 - CHANGE_MEMORY) // CHANGE_BLOCK, -1) + 1)
    if len(x) <= low or not len(starts):
        return out
    length = CHANGE_MEMORY + CHANGE_BLOCK
    padded = np.append(x, np.zeros(length))
    blocks = np.stack([padded[s : s + length] for s in starts * CHANGE_BLOCK])
    alarm = _alarms(blocks, below, hazard)
    flat = np.full(((starts[-1] + 1) * CHANGE_BLOCK,), np.nan)
    flat[starts[0] * CHANGE_BLOCK :] = alarm.ravel()
    out[low:] = flat[low - CHANGE_MEMORY : len(x) - CHANGE_MEMORY]
    return out


def _alarms(blocks: FloatArray, below: int, hazard: float) -> FloatArray:
    """P(r < below) of the last 63 steps of each block (B, n), each from the prior.

    The run that began after observation i has the joint weight w_i (1−H)^(t−1−i) m(x_{i+1..t}), with m the marginal
    likelihood of a run in closed form and w_i = H Σ over the runs before it; the same recursion, in logarithms.
    """
    count, n = blocks.shape
    begun = np.full((count, n + 1), -np.inf)  # log w_i, run began after observation i
    begun[:, 0] = 0.0
    evidence = np.zeros(count)  # log likelihood so far: a new run has fat tails, so one step changes it little
    out = np.empty((count, CHANGE_BLOCK))
    step = max(CHUNK // (count * n), 1)
    for since in range(0, n, step):
        weights = _run_weights(blocks, since, min(since + step, n), hazard)
        for t in range(since + 1, min(since + step, n) + 1):
            joint = begun[:, :t] + weights[:, t - 1 - since, :t]  # runs i = 0..t-1, before the change is drawn
            share = np.exp(joint - evidence[:, None])
            total = np.add.accumulate(share, axis=1)[:, -1]
            evidence = evidence + np.log(total)
            begun[:, t] = math.log(hazard) + evidence
            if t > n - CHANGE_BLOCK:
                recent = np.add.accumulate(share[:, t - below + 1 :], axis=1)[:, -1]
                out[:, t - 1 - (n - CHANGE_BLOCK)] = hazard + (1.0 - hazard) * recent / total
    return out


def _run_weights(blocks: FloatArray, since: int, until: int, hazard: float) -> FloatArray:
    """Log (1−H)^(t−1−i) m(x_{i+1..t}) as [block, t − 1 − since, i] for since < t <= until; 0 where i >= t."""
    special: Any = importlib.import_module("scipy.special")
    n = blocks.shape[1]
    size = np.arange(1.0, n + 1.0)  # observations in a run
    weight, shape = PRIOR_WEIGHT + size, PRIOR_SHAPE + 0.5 * size
    constant = (
        special.gammaln(shape)
        - special.gammaln(PRIOR_SHAPE)
        + PRIOR_SHAPE * math.log(PRIOR_SCALE)
        + 0.5 * (math.log(PRIOR_WEIGHT) - np.log(weight))
        - 0.5 * size * math.log(2.0 * math.pi)
        + (size - 1.0) * math.log1p(-hazard)
    )
    zero = np.zeros((len(blocks), 1))
    sums = np.hstack([zero, np.cumsum(blocks - PRIOR_MEAN, axis=1)])
    squares = np.hstack([zero, np.cumsum((blocks - PRIOR_MEAN) ** 2, axis=1)])
    ends = np.arange(since + 1, until + 1)
    lag = ends[:, None] - 1 - np.arange(until)
    real = lag >= 0
    lag = lag.clip(min=0)
    first = sums[:, ends, None] - sums[:, None, :until]
    second = squares[:, ends, None] - squares[:, None, :until]
    first *= first
    first /= weight[lag]
    second -= first
    second *= 0.5
    second += PRIOR_SCALE
    np.log(np.where(real, second, 1.0), out=second)
    second *= shape[lag]
    return np.asarray(constant[lag] - second, dtype=np.float64)
