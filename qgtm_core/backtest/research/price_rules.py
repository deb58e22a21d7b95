"""Families of rules on prices alone, over grids of lookbacks: what a parameter sweep needs, and nothing of a strategy.

A rule says a number from −1 (short) to 1 (long) of each instrument at each session, from prices up to it; NaN where it
cannot say. Volatility scaling makes weights of it, `walk_forward` one book of many. Shapes: prices (T, N), oldest row
first; rules (K,).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum, unique

import numpy as np
from numpy.typing import NDArray

from qgtm_core.backtest.metrics import SESSIONS_A_YEAR
from qgtm_core.errors import DataError
from qgtm_core.maths import rolling_arrays as rolling
from qgtm_core.maths.allocation import inverse_volatility
from qgtm_core.maths.cross_validation import Fold
from qgtm_core.maths.threads import each

FloatArray = NDArray[np.float64]

TIE = 1e-12  # of the slow average: averages closer than that are equal but for rounding
WIDEST_Z = 2.0  # standard deviations at which mean reversion is fully invested


@unique
class Family(StrEnum):
    """What a rule looks at over its lookback."""

    MOMENTUM = "MOMENTUM"  # sign of the return (Moskowitz, Ooi and Pedersen 2012)
    CROSSOVER = "CROSSOVER"  # sign of fast minus slow moving average (Brock, Lakonishok and LeBaron 1992)
    REVERSION = "REVERSION"  # minus the z-score of the price, cut at ±2, halved
    CHANNEL = "CHANNEL"  # place between the lowest and the highest price: −1 and 1 (Donchian)
    RANK = "RANK"  # rank of the return among the instruments: −1 the lowest, 1 the highest


@dataclass(frozen=True, slots=True)
class PriceRule:
    """One member of a family; lookbacks in sessions, `slow` of a crossover only."""

    family: Family
    lookback: int
    slow: int | None = None

    def __post_init__(self) -> None:
        crossing = self.family is Family.CROSSOVER
        if self.lookback < 1 or crossing != (self.slow is not None) or (self.slow or math.inf) <= self.lookback:
            raise DataError("price rule", f"{self} cannot be", remedy="Lookbacks start at 1; only crossovers are two.")


def grid(family: Family, lookbacks: Iterable[int | tuple[int, int]]) -> tuple[PriceRule, ...]:
    """Rules of one family: lookbacks, or (fast, slow) pairs for crossovers."""
    return tuple(PriceRule(family, *(one if isinstance(one, tuple) else (one,))) for one in lookbacks)


def signal(price: FloatArray, rule: PriceRule) -> FloatArray:
    """What a rule says (T, N), from −1 to 1.

    NaN before its lookback is full, where a price in it is missing, where nothing moved (reversion, channel) and where
    fewer than two can be ranked.
    """
    return _SIGNALS[rule.family](price, rule)


def _momentum(price: FloatArray, rule: PriceRule) -> FloatArray:
    out: FloatArray = np.sign(rolling.ratio_to_past(price, rule.lookback) - 1.0)
    return out


def _crossover(price: FloatArray, rule: PriceRule) -> FloatArray:
    assert rule.slow is not None
    slow = rolling.rolling_mean(price, rule.slow)
    apart = rolling.rolling_mean(price, rule.lookback) - slow
    out: FloatArray = np.sign(apart)
    out[np.abs(apart) <= TIE * np.abs(slow)] = 0.0
    return out


def _reversion(price: FloatArray, rule: PriceRule) -> FloatArray:
    mean, sd = rolling.rolling_moments(price, rule.lookback)
    z = np.divide(price - mean, sd, out=np.full(price.shape, np.nan), where=sd > 0.0)
    out: FloatArray = np.clip(z, -WIDEST_Z, WIDEST_Z) / -WIDEST_Z
    return out


def _channel(price: FloatArray, rule: PriceRule) -> FloatArray:
    low, width = rolling.rolling_min(price, rule.lookback), rolling.rolling_max(price, rule.lookback)
    width -= low
    place = np.divide(price - low, width, out=np.full(price.shape, np.nan), where=width > 0.0)
    out: FloatArray = 2.0 * place - 1.0
    return out


def _rank(price: FloatArray, rule: PriceRule) -> FloatArray:
    rank = rolling.rank_across(rolling.ratio_to_past(price, rule.lookback))
    others = np.isfinite(rank).sum(axis=1, keepdims=True) - 1.0
    out: FloatArray = 2.0 * (rank - 1.0) / np.where(others > 0.0, others, np.nan) - 1.0
    return out


_SIGNALS: Mapping[Family, Callable[[FloatArray, PriceRule], FloatArray]] = {
    Family.MOMENTUM: _momentum,
    Family.CROSSOVER: _crossover,
    Family.REVERSION: _reversion,
    Family.CHANNEL: _channel,
    Family.RANK: _rank,
}


def volatility_scale(price: FloatArray, window: int = 60, target: float = 0.10, cap: float = 2.0) -> FloatArray:
    """Weight (T, N) of a full position: target / annual volatility of the last `window` returns, at most `cap`, over N.

    Volatilities as decimals a year of 252 sessions; `cap` where nothing moved; NaN until `window` returns are known.
    """
    volatility = rolling.rolling_sd(rolling.ratio_to_past(price, 1) - 1.0, window) * math.sqrt(SESSIONS_A_YEAR)
    full = np.divide(target, volatility, out=np.full(price.shape, np.inf), where=volatility != 0.0)
    out: FloatArray = np.minimum(full, cap) / price.shape[1]
    return out


def target_weights(
    price: FloatArray,
    rules: Sequence[PriceRule],
    scale: FloatArray | None = None,
    delay: int = 1,
    *,
    threads: int | None = None,
) -> FloatArray:
    """Weights (K, T, N) of each rule: signal × scale (default 1/N), in force `delay` rows after the prices it saw.

    A rule without an opinion holds nothing: 0. With `delay` 0 the weights of a row have seen the prices of that row.
    """
    price = np.ascontiguousarray(price, dtype=np.float64)
    sessions, instruments = price.shape
    if scale is None:
        scale = np.full(price.shape, 1.0 / instruments)
    out = np.empty((len(rules), sessions, instruments))
    seen = max(sessions - delay, 0)

    def fill(k: int) -> None:
        weight = out[k, sessions - seen :]
        np.multiply(signal(price, rules[k])[:seen], scale[:seen], out=weight)
        weight[np.isnan(weight)] = 0.0
        out[k, : sessions - seen] = 0.0

    each(fill, len(rules), threads)
    return out


@dataclass(frozen=True, slots=True, eq=False)
class Combined:
    """One book of many: weights (T, N), NaN where no fold tests, and the share of each rule by fold (F, K)."""

    weight: FloatArray
    share: FloatArray


def walk_forward(returns: FloatArray, weight: FloatArray, folds: Sequence[Fold]) -> Combined:
    """Combine books (K, T, N) by their returns (K, T): shares are chosen on a fold's training rows, held on its test.

    Shares are in proportion to 1/volatility among books whose mean return in training is positive; equal shares of all
    where none is. Raises DataError where two folds test the same row or a return of a training row is missing.
    """
    combined, share = np.full(weight.shape[1:], np.nan), np.empty((len(folds), len(weight)))
    tested = np.zeros(weight.shape[1], dtype=np.bool_)
    for number, fold in enumerate(folds):
        if (tested & fold.test).any():
            raise DataError("walk-forward", f"fold {fold.label} tests rows tested before", remedy="Keep tests apart.")
        tested |= fold.test
        share[number] = _shares(returns[:, _rows(fold.train)], fold.label)
        rows = _rows(fold.test)
        combined[rows] = np.tensordot(share[number], weight[:, rows], 1)
    return Combined(combined, share)


def _shares(training: FloatArray, label: str) -> FloatArray:
    if not np.isfinite(training).all():
        raise DataError("walk-forward", f"fold {label} trains on missing returns", remedy="Leave those books out.")
    volatility = np.where(training.mean(axis=1) > 0.0, training.std(axis=1), np.nan)
    share: FloatArray = inverse_volatility(volatility)
    return share if share.any() else np.full(len(training), 1.0 / len(training))


def _rows(mask: NDArray[np.bool_]) -> slice | NDArray[np.intp]:
    """Rows of a mask, as a slice where they stand together: that copies nothing."""
    rows = np.flatnonzero(mask)
    if len(rows) and rows[-1] - rows[0] + 1 == len(rows):
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows
