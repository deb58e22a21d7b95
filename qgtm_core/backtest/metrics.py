"""Performance figures, each with one definition. Inputs are returns; nothing here knows where they came from."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np

from qgtm_core.view import Array

SESSIONS_A_YEAR = 252
SD_NOISE = 1e-9  # of the largest return
MAX_EXPONENT = 700.0  # e to this is the largest float, about


@dataclass(frozen=True, slots=True)
class Performance:
    """Figures of one return series. `sessions` is its sample; null figures mean the sample cannot give them."""

    sessions: int
    total_return: float
    annual_return: float | None  # geometric
    annual_vol: float | None  # sd x sqrt(252), ddof 1
    sharpe: float | None  # mean / sd x sqrt(252), no risk-free rate subtracted
    sharpe_standard_error: float | None  # Lo (2002), independent returns
    max_drawdown: float  # share of the running peak, positive
    longest_drawdown_sessions: int
    hit_rate: float | None  # share of non-zero returns above zero
    worst_day: float | None

    def as_dict(self) -> dict[str, float | int | None]:
        """Plain values for tables and JSON."""
        return asdict(self)


def performance(returns: Array) -> Performance:
    """Figures of a series of simple returns, one a session, oldest first; NaN rows are left out of the sample."""
    r = returns[np.isfinite(returns)]
    n = len(r)
    curve = np.cumprod(1.0 + r)
    total = float(curve[-1] - 1.0) if n else 0.0
    sd = float(r.std(ddof=1)) if n > 1 else 0.0
    if n and sd < SD_NOISE * float(np.abs(r).max()):
        sd = 0.0  # a constant series: what is left is rounding
    daily_sharpe = float(r.mean()) / sd if sd > 0 else None
    peak = np.maximum.accumulate(np.concatenate([[1.0], curve]))
    depth = 1.0 - np.concatenate([[1.0], curve]) / peak
    moved = r[r != 0.0]
    return Performance(
        sessions=n,
        total_return=total,
        annual_return=_annual(total, n),
        annual_vol=sd * math.sqrt(SESSIONS_A_YEAR) if n > 1 else None,
        sharpe=None if daily_sharpe is None else daily_sharpe * math.sqrt(SESSIONS_A_YEAR),
        sharpe_standard_error=None
        if daily_sharpe is None
        else math.sqrt((1.0 + daily_sharpe**2 / 2.0) / n * SESSIONS_A_YEAR),
        max_drawdown=float(depth.max()),
        longest_drawdown_sessions=_longest_run(depth > 0),
        hit_rate=float((moved > 0).mean()) if len(moved) else None,
        worst_day=float(r.min()) if n else None,
    )


def _annual(total: float, sessions: int) -> float | None:
    """Geometric return a year; null for a total loss, an empty sample, or one too short to say anything finite."""
    if not sessions or total <= -1.0:
        return None
    exponent = math.log1p(total) * SESSIONS_A_YEAR / sessions
    return math.expm1(exponent) if exponent < MAX_EXPONENT else None


def _longest_run(flags: np.ndarray) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    return int((edges[1::2] - edges[::2]).max()) if len(edges) else 0
