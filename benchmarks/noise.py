"""What the gates let through when nothing works: families of trials that are pure noise, judged as strategies are."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.tables import Result, Table
from qgtm_core.maths.validation import DSR_GATE, PBO_GATE, backtest_overfitting, deflated_sharpe, moments

FAMILIES, TRIALS, DAYS, BLOCKS = 1000, 10, 1000, 8
SEED = 20170301
PBO_RANGE = (0.47, 0.53)  # of the mean
FALSE_SHARE = 0.01  # of families in which the best trial may look skilled

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Of every family: its probability of overfitting and the deflated Sharpe ratio of its best trial."""

    pbo: FloatArray
    dsr: FloatArray

    @property
    def skilled(self) -> float:
        """Share of families whose best trial looks skilled."""
        return float((self.dsr > DSR_GATE).mean())


def judge(families: int = FAMILIES, seed: int = SEED) -> Verdicts:
    """Judge families of `TRIALS` independent normal series of `DAYS` returns, with the functions that gate strategies.

    The variance that deflates is that of the family's own Sharpe ratios.
    """
    random = np.random.default_rng(seed)
    pbo, dsr = np.empty(families), np.empty(families)
    for family in range(families):
        returns = random.normal(0.0, 0.01, (DAYS, TRIALS))
        pbo[family] = backtest_overfitting(returns, BLOCKS).probability
        sharpe = returns.mean(axis=0) / returns.std(axis=0, ddof=1)
        best = moments(returns[:, sharpe.argmax()])
        dsr[family] = deflated_sharpe(best, TRIALS, float(sharpe.var(ddof=1)))
    return Verdicts(pbo, dsr)


def run() -> Result:
    """Judge the noise and hold the figures against their goals."""
    started = time.perf_counter()
    found = judge()
    seconds = time.perf_counter() - started
    mean = float(found.pbo.mean())
    low, high = PBO_RANGE
    rows = [
        {"what": "mean PBO", "value": mean, "goal": f"{low} to {high}"},
        {"what": "standard error of the mean", "value": float(found.pbo.std(ddof=1)) / FAMILIES**0.5, "goal": ""},
        {"what": f"share with DSR > {DSR_GATE}", "value": found.skilled, "goal": f"at most {FALSE_SHARE}"},
        {
            "what": f"share let through: PBO up to {PBO_GATE} and DSR from {DSR_GATE}",
            "value": float(((found.pbo <= PBO_GATE) & (found.dsr >= DSR_GATE)).mean()),
            "goal": "",
        },
        {"what": "seconds", "value": seconds, "goal": ""},
    ]
    title = f"{FAMILIES} families of pure noise: {TRIALS} trials, {DAYS} days, {BLOCKS} blocks, seed {SEED}"
    ok = low <= mean <= high and found.skilled <= FALSE_SHARE
    return Result("noise", [Table(title, rows)], ok=ok)
