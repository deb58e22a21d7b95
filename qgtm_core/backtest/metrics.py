"""Performance figures: every metric has one definition, one unit and one source, and stands here and nowhere else.

Inputs are simple returns, one a session, oldest first. Every surface (tables, commands, pages) takes its figures and
their labels from `METRICS`; `performance` computes them all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Value = float | int | None

SESSIONS_A_YEAR = 252
TAIL = 0.05  # share of the worst sessions in the expected shortfall
SD_NOISE = 1e-9  # of the largest return
MAX_EXPONENT = 700.0  # e to this is the largest float, about


class Sample:
    """A return series and what several metrics share; NaN and infinite rows are left out."""

    def __init__(self, returns: Array) -> None:
        self.returns: Array = returns[np.isfinite(returns)]
        self.sessions = len(self.returns)

    @cached_property
    def curve(self) -> Array:
        """Growth of one unit of capital, one value a session."""
        return np.asarray(np.cumprod(1.0 + self.returns), dtype=np.float64)

    @cached_property
    def total(self) -> float:
        """Growth of the whole sample less one."""
        return float(self.curve[-1] - 1.0) if self.sessions else 0.0

    @cached_property
    def mean(self) -> float:
        """Arithmetic mean a session."""
        return float(self.returns.mean()) if self.sessions else 0.0

    @cached_property
    def sd(self) -> float:
        """Standard deviation a session, ddof 1; 0 for a constant series, where all that is left is rounding."""
        if self.sessions < 2:
            return 0.0
        sd = float(self.returns.std(ddof=1))
        return sd if sd >= SD_NOISE * float(np.abs(self.returns).max()) else 0.0

    @cached_property
    def depth(self) -> Array:
        """Drawdown as a share of the running peak, the start included, positive."""
        curve = np.concatenate([[1.0], self.curve])
        below: Array = 1.0 - curve / np.maximum.accumulate(curve)
        return below

    @cached_property
    def annual(self) -> float | None:
        """Geometric return a year; null for a total loss, an empty sample or one too short to say anything finite."""
        if not self.sessions or self.total <= -1.0:
            return None
        exponent = math.log1p(self.total) * SESSIONS_A_YEAR / self.sessions
        return math.expm1(exponent) if exponent < MAX_EXPONENT else None

    def moment(self, power: int) -> float | None:
        """Central moment over that power of the population's standard deviation; null where nothing varies."""
        if self.sd <= 0.0:
            return None
        return float((((self.returns - self.mean) / self.returns.std()) ** power).mean())


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure. `unit` is decimal (of capital), annual, sessions, share or ratio; null = the sample cannot say."""

    id: str
    label: str
    unit: str
    definition: str
    source: str
    of: Callable[[Sample], Value]


def _sharpe(s: Sample) -> float | None:
    return s.mean / s.sd * math.sqrt(SESSIONS_A_YEAR) if s.sd > 0.0 else None


def sharpe_standard_error(sharpe: float, sessions: int) -> float:
    """Of an annual Sharpe ratio of that many independent returns (Lo 2002)."""
    return math.sqrt((1.0 + sharpe**2 / SESSIONS_A_YEAR / 2.0) / sessions * SESSIONS_A_YEAR)


def _sharpe_error(s: Sample) -> float | None:
    sharpe = _sharpe(s)
    return None if sharpe is None else sharpe_standard_error(sharpe, s.sessions)


def _downside(s: Sample) -> float | None:
    return math.sqrt(float((np.minimum(s.returns, 0.0) ** 2).mean()) * SESSIONS_A_YEAR) if s.sessions else None


def _sortino(s: Sample) -> float | None:
    downside = _downside(s)
    return s.mean * SESSIONS_A_YEAR / downside if downside and s.sd > 0.0 else None


def _calmar(s: Sample) -> float | None:
    deepest = float(s.depth.max())
    return s.annual / deepest if s.annual is not None and deepest > 0.0 else None


def _shortfall(s: Sample) -> float | None:
    if not s.sessions:
        return None
    worst = np.sort(s.returns)[: max(math.ceil(TAIL * s.sessions), 1)]
    return float(worst.mean())


def _hit_rate(s: Sample) -> float | None:
    moved = s.returns[s.returns != 0.0]
    return float((moved > 0).mean()) if len(moved) else None


def _longest_run(flags: NDArray[np.bool_]) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    return int((edges[1::2] - edges[::2]).max()) if len(edges) else 0


_ROOT = f"√{SESSIONS_A_YEAR}"
_ALL = (
    Metric("sessions", "sessions", "sessions", "count of finite returns", "", lambda s: s.sessions),
    Metric("total_return", "total return", "decimal", "Π(1 + r) − 1", "", lambda s: s.total),
    Metric(
        "annual_return", "annual return", "decimal", f"(Π(1 + r))^({SESSIONS_A_YEAR}/n) − 1, geometric", "",
        lambda s: s.annual,
    ),
    Metric(
        "annual_vol", "annual vol", "decimal", f"sd(r), ddof 1, × {_ROOT}", "",
        lambda s: s.sd * math.sqrt(SESSIONS_A_YEAR) if s.sessions > 1 else None,
    ),
    Metric("sharpe", "Sharpe", "annual", f"mean(r) / sd(r) × {_ROOT}; no risk-free rate", "Sharpe 1994", _sharpe),
    Metric(
        "sharpe_standard_error", "standard error", "annual", f"√((1 + SR²/2)/n) × {_ROOT}, SR a session; independent r",
        "Lo 2002", _sharpe_error,
    ),
    Metric(
        "downside_vol", "downside vol", "decimal", f"√mean(min(r, 0)²) × {_ROOT}", "Sortino and Price 1994", _downside
    ),
    Metric(
        "sortino", "Sortino", "annual", f"mean(r) × {SESSIONS_A_YEAR} / downside vol", "Sortino and Price 1994",
        _sortino,
    ),
    Metric(
        "max_drawdown", "max drawdown", "share", "deepest fall below the running peak, the start included", "",
        lambda s: float(s.depth.max()),
    ),
    Metric("calmar", "Calmar", "ratio", "annual return / max drawdown", "Young 1991", _calmar),
    Metric(
        "longest_drawdown_sessions", "longest drawdown", "sessions", "longest stay below a peak", "",
        lambda s: _longest_run(s.depth > 0),
    ),
    Metric("hit_rate", "hit rate", "share", "share of non-zero r above zero", "", _hit_rate),
    Metric(
        "worst_day", "worst day", "decimal", "smallest r", "",
        lambda s: float(s.returns.min()) if s.sessions else None,
    ),
    Metric(
        "expected_shortfall", "expected shortfall", "decimal",
        f"mean of the worst {TAIL:.0%} of r (rounded up, at least one)", "Acerbi and Tasche 2002", _shortfall,
    ),
    Metric("skewness", "skewness", "ratio", "m₃ / m₂^1.5", "", lambda s: s.moment(3)),
    Metric("kurtosis", "kurtosis", "ratio", "m₄ / m₂², 3 for a normal distribution", "", lambda s: s.moment(4)),
)  # fmt: skip
METRICS: Mapping[str, Metric] = {metric.id: metric for metric in _ALL}


@dataclass(frozen=True, slots=True)
class Performance:
    """The figures of one return series, by the names of `METRICS`; null = its sample cannot give the figure."""

    sessions: int
    total_return: float
    annual_return: float | None
    annual_vol: float | None
    sharpe: float | None
    sharpe_standard_error: float | None
    downside_vol: float | None
    sortino: float | None
    max_drawdown: float
    calmar: float | None
    longest_drawdown_sessions: int
    hit_rate: float | None
    worst_day: float | None
    expected_shortfall: float | None
    skewness: float | None
    kurtosis: float | None

    def as_dict(self) -> dict[str, Value]:
        """Plain values for tables and JSON."""
        return {name: getattr(self, name) for name in METRICS}


def performance(returns: Array) -> Performance:
    """All figures of a series of simple returns; NaN rows are left out of the sample."""
    sample = Sample(returns)
    figures: dict[str, Any] = {name: metric.of(sample) for name, metric in METRICS.items()}
    return Performance(**figures)


def annual_sharpe(returns: Array) -> Value:
    """The one metric alone; null where nothing varies."""
    return METRICS["sharpe"].of(Sample(returns))
