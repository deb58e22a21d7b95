"""Event by event over bars: orders fill, the account is marked, the rule decides, new orders go out.

The order of work is that of `qgtm_core.engine.step_session`, for rules that need every bar of the past in sequence
(minutes, ticks summed into bars) and would be too slow as Python. No rules of portfolio, approval or risk: those are
`qgtm_core.backtest.replay`.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qgtm_core.errors import DataError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Decide = Callable[[int, FloatArray, FloatArray, FloatArray, FloatArray], None]
FIELDS = ("open", "high", "low", "close", "volume")


@unique
class FillAt(StrEnum):
    """When an order executes: at the close of the bar that decided it, or at the close of the next one."""

    THIS_CLOSE = "THIS_CLOSE"
    NEXT_CLOSE = "NEXT_CLOSE"


@dataclass(frozen=True, slots=True)
class BarRules:
    """How orders execute: costs as a fraction of the notional, largest share of a bar's volume, smallest quantity.

    `participation` infinite: volume does not matter and need not be known. `lot_shares` 0: any fraction of a share.
    """

    fill_at: FillAt = FillAt.NEXT_CLOSE
    cost_rate: float = 0.0
    participation: float = math.inf
    lot_shares: float = 1.0

    def __post_init__(self) -> None:
        if not (self.cost_rate >= 0.0 and self.participation > 0.0 and self.lot_shares >= 0.0):
            raise DataError(
                "bar rules", f"{self} cannot be", remedy="Costs and lots are not negative, shares positive."
            )


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """A compiled rule; `python` is what it was compiled from."""

    python: Decide
    compiled: Any


@dataclass(frozen=True, slots=True, eq=False)
class BarRun:
    """Equity after each bar (T,), USD, and the fills in order: bar, instrument, signed shares, price and fee in USD."""

    equity_usd: FloatArray
    bar: IntArray
    instrument: IntArray
    shares: FloatArray
    price_usd: FloatArray
    fee_usd: FloatArray
    position_shares: FloatArray  # (N,), at the end
    state: FloatArray  # the rule's memory at the end


def compile_decision(decide: Decide) -> Decision:
    """Compile a rule once and keep it on disk; it must be a function of a module and use what numba knows.

    `decide(t, bar, shares, state, target)`: number of the bar, its (N, 5) FIELDS, shares held (N,), the rule's own
    memory (changed in place), and where to write the target in shares (N,), which starts as what is held; NaN: no
    order. It must not raise: a compiled one cannot.
    """
    compiled = importlib.import_module("qgtm_core.kernels.events").compiled_decision(decide)
    return Decision(decide, compiled)


def run_bars(
    bars: FloatArray,
    decide: Decision | Decide,
    state: FloatArray,
    rules: BarRules | None = None,
    cash_usd: float = 1_000_000.0,
) -> BarRun:
    """Run a rule over `bars` (T, N, 5), or (T, 5) of one instrument, prices in USD and volume in shares.

    Each bar: pending orders fill (NEXT_CLOSE), positions are marked, the rule decides, the difference to its target
    becomes an order (which fills at once with THIS_CLOSE). An order fills at the bar's close up to `participation` of
    the bar's volume in whole lots; the rest is cancelled, and the next decision may order it anew. A bar without a
    close, or without a volume that is needed, fills nothing; positions keep their last mark. A plain function runs as
    Python with the same result, for looking into a rule. `state` is copied. Raises DataError for other shapes.
    """
    rules = rules or BarRules()
    bars = np.require(bars if bars.ndim == 3 else bars[:, None, :], np.float64, ["C", "W"])  # as it was compiled for
    if bars.ndim != 3 or bars.shape[2] != len(FIELDS):
        raise DataError("run_bars", f"bars have shape {bars.shape}", remedy=f"Pass (T, N, 5): {', '.join(FIELDS)}.")
    if not cash_usd > 0.0:
        raise DataError("run_bars", f"cash_usd is {cash_usd}", remedy="Start with a positive amount.")
    count, instruments, _ = bars.shape
    shares, equity = np.zeros(instruments), np.empty(count)
    memory = np.array(state, dtype=np.float64).ravel()
    places, values = np.empty((count * instruments, 2), np.int64), np.empty((count * instruments, 3))
    kernel: Any = importlib.import_module("qgtm_core.kernels.events")
    loop, rule = (kernel.run_bars_nb, decide.compiled) if isinstance(decide, Decision) else (kernel.run_bars, decide)
    limits = float(rules.cost_rate), float(rules.participation), float(rules.lot_shares)
    late = rules.fill_at is FillAt.NEXT_CLOSE
    fills = loop(rule, bars, float(cash_usd), late, limits, memory, shares, equity, places, values)
    places, values = places[:fills].copy(), values[:fills].copy()
    return BarRun(equity, places[:, 0], places[:, 1], values[:, 0], values[:, 1], values[:, 2], shares, memory)
