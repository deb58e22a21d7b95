"""Whether a backtest may be believed: Sharpe ratios against luck and selection, overfitting, walk-forward splits.

Sharpe ratios are per period and not annualised. Returns are one a period, oldest first, all finite.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

EULER = float(np.euler_gamma)
MIN_SD = 1e-12  # below it a return series has no variance
DSR_GATE, PBO_GATE = 0.95, 0.5  # a strategy is let through from the first on and up to the second
BLOCKS = 16  # of time in the symmetric cross-validation
MIN_TRAINING, TEST, EMBARGO = 756, 126, 21  # sessions: three years, six months, one month
DECAY_SHARE, DECAY_SESSIONS = 0.5, 63  # of the backtest's Sharpe ratio; three months
_ROUNDING = 1e-12  # of the mean square: a variance below it is what is left of a difference of equals
_CELLS = 65_536  # numbers worked on at once: they then fit the processor's cache


@dataclass(frozen=True, slots=True)
class Moments:
    """Sample Sharpe ratio, skewness and kurtosis (3 for a normal distribution, not its excess) of `periods` returns."""

    sharpe: float
    skewness: float
    kurtosis: float
    periods: int


def moments(returns: FloatArray) -> Moments:
    """Moments of a series; NaN where nothing varies. The Sharpe ratio has ddof = 1, the others are plain averages."""
    periods = len(returns)
    sd = float(returns.std(ddof=1)) if periods > 1 else 0.0
    if sd <= MIN_SD:
        return Moments(math.nan, math.nan, math.nan, periods)
    z = (returns - returns.mean()) / returns.std()
    return Moments(float(returns.mean()) / sd, float((z**3).mean()), float((z**4).mean()), periods)


def probabilistic_sharpe(found: Moments, benchmark: float = 0.0) -> float:
    """M37: probability that the true Sharpe ratio exceeds `benchmark` (Bailey and López de Prado 2012).

    Φ[(SR − SR*)√(T−1) / √(1 − γ₃·SR + (γ₄−1)/4·SR²)]; NaN where the moments do not fit together.
    """
    from scipy.special import ndtr

    spread = 1.0 - found.skewness * found.sharpe + (found.kurtosis - 1.0) / 4.0 * found.sharpe**2
    if not spread > 0.0 or found.periods < 2:
        return math.nan
    return float(ndtr((found.sharpe - benchmark) * math.sqrt(found.periods - 1.0) / math.sqrt(spread)))


def expected_best_sharpe(trials: int, variance: float) -> float:
    """M37: Sharpe ratio that the best of `trials` without skill shows on average; 0 for one trial.

    √V·[(1−γ)Φ⁻¹(1−1/N) + γΦ⁻¹(1−1/(N·e))], V = variance of the trials' Sharpe ratios (Bailey, López de Prado 2014).
    """
    from scipy.special import ndtri

    if trials < 2:
        return 0.0
    best = (1.0 - EULER) * ndtri(1.0 - 1.0 / trials) + EULER * ndtri(1.0 - 1.0 / (trials * math.e))
    return math.sqrt(variance) * float(best)


def deflated_sharpe(found: Moments, trials: int, variance: float) -> float:
    """M37: probabilistic Sharpe ratio against the best of all that was tried (Bailey and López de Prado 2014)."""
    return probabilistic_sharpe(found, expected_best_sharpe(trials, variance))


@dataclass(frozen=True, slots=True)
class Overfitting:
    """Of every split into halves: the trial chosen in the first half and how it did in the second.

    `chosen` is its column, `in_sample` and `out_of_sample` its Sharpe ratios, `logit` λ of its rank in the second half.
    """

    chosen: IntArray
    in_sample: FloatArray
    out_of_sample: FloatArray
    logit: FloatArray

    @property
    def probability(self) -> float:
        """PBO: share of the splits in which the chosen trial was no better than the median."""
        return float((self.logit <= 0.0).mean())


def rank_logit(rank: FloatArray, trials: int) -> FloatArray:
    """λ = ln(ω / (1 − ω)), ω = rank / (trials + 1); rank 1 is the worst."""
    share = rank / (trials + 1.0)
    logit: FloatArray = np.log(share / (1.0 - share))
    return logit


def backtest_overfitting(returns: FloatArray, blocks: int = BLOCKS) -> Overfitting:
    """M38: combinatorially symmetric cross-validation (Bailey, Borwein, López de Prado and Zhu 2017).

    `returns` is (periods, trials); the oldest periods that do not fill a block are left out. A trial that never varies
    has a Sharpe ratio of 0; of equal trials the first is chosen, and equal ranks are averaged. Raises ValueError
    unless there are two trials, an even number of blocks and two periods a block, all finite.
    """
    periods, trials = returns.shape
    size = periods // max(blocks, 1)
    if trials < 2 or blocks < 2 or blocks % 2 or size < 2 or not np.isfinite(returns).all():
        raise ValueError(f"{periods} periods of {trials} trials cannot be split into {blocks} blocks")
    kept = returns[periods - size * blocks :]
    level = kept.mean(axis=0)
    parts = (kept - level).reshape(blocks, size, trials)
    halves = [_Halves.of(values) for values in (parts.sum(axis=1), (parts**2).sum(axis=1))]
    splits = half_splits(blocks)
    # a split and its mirror image have the same two halves
    first, second = np.empty((2, 4, len(splits)))
    step = max(_CELLS // trials, 1)
    for start in range(0, len(splits), step):
        rows = slice(start, start + step)
        inside, outside = (
            sharpe_of_sums(sums, squares, level, size * blocks // 2)
            for sums, squares in zip(*(half.both(splits[rows]) for half in halves), strict=True)
        )
        first[:, rows], second[:, rows] = _judge(inside, outside), _judge(outside, inside)
    chosen, inside, outside, rank = np.concatenate([first, second[:, ::-1]], axis=1)
    return Overfitting(chosen.astype(np.int64), inside, outside, rank_logit(rank, trials))


def half_splits(blocks: int) -> IntArray:
    """Bit masks of the halves of `blocks` with the first block, which is the highest bit; in lexical order.

    The complements, from the last to the first, are the rest of all C(blocks, blocks / 2) in lexical order.
    """
    masks = np.arange(2**blocks - 1, 2 ** (blocks - 1) - 1, -1, dtype=np.int64)
    halves: IntArray = masks[np.bitwise_count(masks) == blocks // 2]
    return halves


@dataclass(frozen=True, slots=True)
class _Halves:
    """Sums of every subset of the first blocks (`high`) and of the others (`low`), so that a split is one addition.

    Every column is added up in the same order, which a matrix product does not promise: equal trials stay equal.
    """

    high: FloatArray
    low: FloatArray
    total: FloatArray

    @classmethod
    def of(cls, values: FloatArray) -> _Halves:
        middle = len(values) // 2
        return cls(_subset_sums(values[:middle]), _subset_sums(values[middle:]), values.sum(axis=0))

    def both(self, masks: IntArray) -> tuple[FloatArray, FloatArray]:
        """Sums over the blocks of each mask and over the others."""
        bits = len(self.low).bit_length() - 1
        sums = self.high[masks >> bits] + self.low[masks & (len(self.low) - 1)]
        return sums, self.total - sums


def _subset_sums(values: FloatArray) -> FloatArray:
    """Row m holds the sum of the rows whose bit is set in m; the last row is bit 0."""
    table = np.zeros((1, values.shape[1]))
    for row in values[::-1]:
        table = np.concatenate([table, table + row])
    return table


def _judge(inside: FloatArray, outside: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Chosen trial, its Sharpe ratios in and out of sample, and its rank out of sample, by split."""
    chosen = inside.argmax(axis=1)
    rows = np.arange(len(inside))
    own = outside[rows, chosen]
    below, equal = (outside < own[:, None]).sum(axis=1), (outside == own[:, None]).sum(axis=1)
    return chosen.astype(np.float64), inside[rows, chosen], own, below + (equal + 1.0) / 2.0


def sharpe_of_sums(
    sums: FloatArray, squares: FloatArray, level: FloatArray, count: int | IntArray, still: float = 0.0
) -> FloatArray:
    """Sharpe ratios from sums and sums of squares of `count` returns less `level`; `still` where nothing varies."""
    mean = sums / count
    variance = (squares - count * mean**2) / (count - 1)
    varies = (variance > MIN_SD**2) & (variance > _ROUNDING * squares / count)
    sharpe: FloatArray = np.where(varies, (mean + level) / np.sqrt(np.where(varies, variance, 1.0)), still)
    return sharpe


@dataclass(frozen=True, slots=True)
class Split:
    """Positions of one walk-forward step: training is [0, train_stop), the test [test_start, test_stop)."""

    train_stop: int
    test_start: int
    test_stop: int


def walk_forward(
    sessions: int, min_training: int = MIN_TRAINING, test: int = TEST, embargo: int = EMBARGO
) -> Iterator[Split]:
    """M39: expanding training, then a gap of `embargo` sessions, then a test; the tests stand one after the other.

    The last test may be shorter. Nothing when there is no room for a first one (López de Prado 2018, chapter 12).
    """
    for start in range(min_training + embargo, sessions, test):
        yield Split(start - embargo, start, min(start + test, sessions))


def purged_training(split: Split, settled: IntArray) -> BoolArray:
    """M39: which rows a step may train on: those before its gap whose label was settled before the test begins.

    `settled` holds, for each session, the position at which the outcome of its label is known.
    """
    before = np.arange(len(settled)) < split.train_stop
    return np.asarray(before & (settled < split.test_start))


def decayed(live: FloatArray, backtest_sharpe: float, sessions: int = DECAY_SESSIONS) -> BoolArray:
    """M39: where the live Sharpe ratio has stood below half of the backtest's for `sessions` sessions on end.

    `live` is the trailing (60-day) Sharpe ratio of each session; NaN counts as not below. A backtest without a positive
    Sharpe ratio has nothing to lose: never true.
    """
    low = (live < DECAY_SHARE * backtest_sharpe) & (backtest_sharpe > 0.0)
    places = np.arange(len(low))
    last_good = np.maximum.accumulate(np.where(low, -1, places)) if len(low) else places
    return np.asarray(low & (places - last_good >= sessions))
