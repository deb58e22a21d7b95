"""QGTM's side of the peer harness: `BENCH_HOME=FOLDER python peer_workloads.py WORKLOAD`, one `@@{json}` line a task.

Started by the harness, not by hand (see `benchmarks.peers`). Data, definitions of the workloads, clock and form of the
result are the harness's own modules in BENCH_HOME; what is timed is the product's research engine.
"""

from __future__ import annotations

import importlib
import math
import os
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qgtm_core.backtest.research.events import BarRules, FillAt, compile_decision, run_bars
from qgtm_core.backtest.research.price_rules import (
    Family,
    PriceRule,
    grid,
    target_weights,
    volatility_scale,
    walk_forward,
)
from qgtm_core.backtest.research.vectorised import simulate
from qgtm_core.maths.allocation import Linkage, hierarchical_risk_parity
from qgtm_core.maths.asof import as_of_panel
from qgtm_core.maths.cross_validation import Fold
from qgtm_core.maths.statistics import kalman_hedge

Floats = NDArray[np.float64]
PEER = "qgtm"
FAST, SLOW, SHARES = 50, 200, 100.0  # of the bar workload
FAST_SUM, SLOW_SUM, SEEN, BARS, RING = 0, 1, 2, 3, 4  # places in its memory


def average_crossing(_t: int, bar: Floats, _shares: Floats, state: Floats, target: Floats) -> None:
    """Long 100 shares above the slow average, short 100 below; nothing new on the last bar."""
    price, seen = bar[0, 3], int(state[SEEN])
    state[FAST_SUM] += price
    state[SLOW_SUM] += price
    if seen >= FAST:
        state[FAST_SUM] -= state[RING + (seen - FAST) % SLOW]
    if seen >= SLOW:
        state[SLOW_SUM] -= state[RING + seen % SLOW]
    state[RING + seen % SLOW] = price
    state[SEEN] = seen + 1
    apart = state[FAST_SUM] * (SLOW / FAST) - state[SLOW_SUM]
    if SLOW - 1 <= seen < state[BARS] - 1 and abs(apart) > 1e-7:
        target[0] = math.copysign(SHARES, apart)


def measure(
    bench: Any, workload: str, task: str, work: Callable[[], Any], check: Callable[[Any], dict[str, Any]], reps: int
) -> Any:
    """Time one task and print it; the first call, which compiles or loads what is compiled, stands beside."""
    started = time.perf_counter()
    work()
    first = time.perf_counter() - started
    times, found = bench.timed(work, reps)
    bench.emit(workload, task, PEER, version("qgtm"), times, {**check(found), "first_call_s": round(first, 3)})
    return found


def w1(bench: Any) -> None:
    """One momentum book, volatility-scaled, daily and monthly."""
    definitions = importlib.import_module("signals_pandas")
    price, dates = bench.load("close"), bench.load("dates")
    rule = PriceRule(Family.MOMENTUM, bench.LOOK)
    for task, mask in (("daily", definitions.mask_daily(dates)), ("monthly", definitions.mask_monthly(dates))):

        def work(mask: NDArray[np.bool_] = mask) -> Floats:
            scale = volatility_scale(price, bench.VOLWIN, bench.VOLTGT)
            weight = target_weights(price, (rule,), scale)[0]
            return simulate(price, weight, mask, bench.FEE, bench.CASH).equity_usd

        equity = measure(bench, "w1", task, work, lambda e: {"final": e[-1] / bench.CASH}, 30)
        bench.save_curve("w1", task, PEER, equity)


def w2(bench: Any) -> None:
    """Fifty books of five families, weekly, combined walk-forward."""
    definitions = importlib.import_module("signals_pandas")
    price, dates = bench.load("close"), bench.load("dates")
    lookbacks = (definitions.A, definitions.B, definitions.C, definitions.D, definitions.A)
    rules = [rule for family, given in zip(Family, lookbacks, strict=True) for rule in grid(family, given)]
    weekly, final = definitions.mask_weekly(dates), definitions.w2_final_mask(dates)
    row = np.arange(len(dates))
    folds = [
        Fold((row >= first) & (row < stop), (row >= test) & (row < end), str(test))
        for first, stop, test, end in definitions.folds()
    ]

    def work() -> Floats:
        weight = target_weights(price, rules, volatility_scale(price, bench.VOLWIN, bench.VOLTGT))
        books = simulate(price, weight, weekly, bench.FEE, bench.CASH)
        combined = walk_forward(books.returns, weight, folds)
        return simulate(price, combined.weight, final, bench.FEE, bench.CASH).equity_usd

    equity = measure(bench, "w2", "wf", work, lambda e: {"final": e[-1] / bench.CASH}, 15)
    bench.save_curve("w2", "wf", PEER, equity)


def w3(bench: Any) -> None:
    """Crossing averages on minute bars, bar by bar."""
    fields = ("open", "high", "low", "close", "volume")
    bars = np.stack([bench.load(f"m_{field}") for field in fields], axis=1)
    state = np.zeros(RING + SLOW)
    state[BARS] = len(bars)
    decide, rules = compile_decision(average_crossing), BarRules(FillAt.THIS_CLOSE, bench.FEE)
    measure(
        bench,
        "w3",
        "sma",
        lambda: run_bars(bars, decide, state, rules, bench.CASH),
        lambda run: {"pnl": float(run.equity_usd[-1] - bench.CASH), "fills": len(run.bar), "bars": len(bars)},
        15,
    )


def w4(bench: Any) -> None:
    """Kalman hedge ratio of gold on silver."""
    close = bench.load("close")
    pairs = {"daily": (close[:, 0], close[:, 1]), "minute": (bench.load("m_close"), bench.load("m_silver"))}
    for task, (gold, silver) in pairs.items():
        y, x = np.log(gold), np.log(silver)
        plain = kalman_hedge(y, x, drift=1e-5, noise=1e-4).slope
        measure(
            bench,
            "w4",
            task,
            lambda y=y, x=x: kalman_hedge(y, x, drift=1e-5, noise=1e-4, compiled=True),  # type: ignore[misc]
            lambda path, plain=plain: {"max_dbeta": float(np.abs(path.slope - plain).max())},  # type: ignore[misc]
            30 if task == "daily" else 9,
        )


def w5(bench: Any) -> None:
    """As-of panel of slow series, held against the harness's own kernel."""
    dates, series, instrument = bench.load("dates"), bench.load("slow_series"), bench.load("slow_inst")
    available, value = bench.load("slow_avail"), bench.load("slow_value")
    codes = series.astype(np.int64), instrument.astype(np.int64)
    size = int(series.max()) + 1, int(instrument.max()) + 1
    room = np.empty((*size, len(dates)))
    kernel = importlib.import_module("w5_kernel")
    wanted = kernel.panel(dates, instrument, series, available, value, size[1], size[0])
    measure(
        bench,
        "w5",
        "pit",
        lambda: as_of_panel(*codes, available, value, dates, shape=size, out=room),
        lambda panel: {"equal": bool(np.array_equal(panel, wanted, equal_nan=True))},
        15,
    )


def w6(bench: Any) -> None:
    """Hierarchical risk parity of 20 and 200 assets in the harness's setting, held against its hand-written one."""
    by_hand = importlib.import_module("w6_portfolio").hrp_np
    close = bench.load("close")
    for task, returns in (("hrp20", close[1:] / close[:-1] - 1.0), ("hrp200", bench.load("ret200"))):

        def work(returns: Floats = returns) -> Floats:
            covariance = np.cov(returns, rowvar=False)
            return hierarchical_risk_parity(covariance, linkage=Linkage.PAIRS, optimal_order=True)

        wanted = by_hand(returns)
        measure(
            bench,
            "w6",
            task,
            work,
            lambda w, wanted=wanted: {"gap": float(np.abs(w - wanted).max())},  # type: ignore[misc]
            9,
        )


WORKLOADS = {"w1": w1, "w2": w2, "w3": w3, "w4": w4, "w5": w5, "w6": w6}


def main() -> None:
    """Measure the workload named on the command line."""
    workload = sys.argv.pop(1)  # the harness's modules read the command line too
    sys.argv.append("nothing")  # of theirs is to run
    sys.path.insert(0, os.environ["BENCH_HOME"])
    WORKLOADS[workload](importlib.import_module("common"))


if __name__ == "__main__":
    main()
