"""Variance from ranges (M21) and realised variance (M20) against worked numbers, plain loops and simulated paths."""

from __future__ import annotations

import math
import statistics
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qgtm_core.maths import ranges, variance

OHLC = (pl.col("o"), pl.col("h"), pl.col("l"), pl.col("c"))
WORKED = {"o": [100.0, 102.5, 101.0], "h": [103.0, 104.0, 102.0], "l": [99.0, 101.0, 99.5], "c": [102.0, 101.5, 100.2]}


def of(expr: pl.Expr, bars: dict[str, list[float]]) -> list[float | None]:
    return pl.DataFrame(bars).select(x=expr)["x"].to_list()


def relative(value: float, digits: float) -> object:
    return pytest.approx(value, abs=digits)


def test_one_bar_has_the_worked_variances() -> None:
    assert of(ranges.parkinson(pl.col("h"), pl.col("l")), WORKED)[0] == relative(5.658552e-04, 1e-10)
    assert of(ranges.garman_klass(*OHLC), WORKED)[0] == relative(6.329589e-04, 1e-10)
    assert of(ranges.rogers_satchell(*OHLC), WORKED)[0] == relative(5.884132e-04, 1e-10)


def test_three_bars_have_the_worked_yang_zhang_variance() -> None:
    before = {"o": 99.5, "h": 99.5, "l": 99.5, "c": 99.5}
    bars = {name: [before[name], *WORKED[name]] for name in "ohlc"}
    assert ranges.yang_zhang_weight(3) == relative(0.1018, 5e-5)
    assert of(ranges.yang_zhang(*OHLC, 3), bars) == [None, None, None, relative(4.4834e-04, 5e-9)]


def plain_yang_zhang(bars: list[tuple[float, float, float, float]], n: int) -> float:
    log = [[math.log(price) for price in bar] for bar in bars[-n - 1 :]]
    overnight = [after[0] - before[3] for before, after in pairwise(log)]
    session = [c - o for o, _, _, c in log[1:]]
    inside = [(h - c) * (h - o) + (low - c) * (low - o) for o, h, low, c in log[1:]]
    k = 0.34 / (1.34 + (n + 1) / (n - 1))
    return statistics.variance(overnight) + k * statistics.variance(session) + (1 - k) * statistics.fmean(inside)


@given(st.integers(2, 12), st.integers(0, 999))
def test_yang_zhang_agrees_with_a_plain_loop(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0, 0.02, 20)))
    open_ = close * np.exp(rng.normal(0, 0.01, 20))
    high, low = np.maximum(open_, close) * 1.004, np.minimum(open_, close) * 0.997
    bars = dict(zip("ohlc", (open_, high, low, close), strict=True))
    got = pl.DataFrame(bars).select(x=ranges.yang_zhang(*OHLC, n))["x"]
    assert got[19] == pytest.approx(plain_yang_zhang(list(zip(*bars.values(), strict=True)), n), rel=1e-9, abs=1e-15)
    assert got[:n].null_count() == n


@given(st.floats(0.1, 100.0))
def test_no_estimator_has_a_unit_of_price(scale: float) -> None:
    scaled = {name: [price * scale for price in values] for name, values in WORKED.items()}
    for expr in (ranges.parkinson(pl.col("h"), pl.col("l")), ranges.garman_klass(*OHLC), ranges.rogers_satchell(*OHLC)):
        assert of(expr, scaled) == pytest.approx(of(expr, WORKED), rel=1e-9)


def test_all_estimators_find_the_variance_of_a_walk_and_only_one_ignores_its_drift() -> None:
    rng = np.random.default_rng(8)
    steps = rng.normal(0.0, 0.01 / math.sqrt(2000), (1500, 2000))  # a day's standard deviation is 1 %

    def means(drift: float) -> list[float]:
        path = np.cumsum(steps + drift / 2000, axis=1)
        bars = {"h": path.max(axis=1), "l": path.min(axis=1), "c": path[:, -1]}
        frame = pl.DataFrame({"o": np.ones(1500)} | {name: np.exp(values) for name, values in bars.items()})
        frame = frame.with_columns(h=pl.max_horizontal("h", "o"), l=pl.min_horizontal("l", "o"))
        exprs = (ranges.parkinson(pl.col("h"), pl.col("l")), ranges.garman_klass(*OHLC), ranges.rogers_satchell(*OHLC))
        return [float(value) for value in frame.select(*(e.mean().alias(str(i)) for i, e in enumerate(exprs))).row(0)]

    assert means(0.0) == pytest.approx([1e-4] * 3, rel=0.08)
    parkinson, _, rogers_satchell = means(0.03)
    assert rogers_satchell == pytest.approx(1e-4, rel=0.12)  # a path of steps misses some of its range
    assert parkinson > 2e-4


def test_the_variance_premium_is_the_worked_one() -> None:
    frame = pl.DataFrame({"iv": [18.0], "rv": [0.14]})
    got = frame.select(x=variance.variance_premium(pl.col("iv"), pl.col("rv") ** 2))["x"][0]
    assert got == pytest.approx(0.0128, abs=5e-6)


def test_realised_variance_is_annual_and_of_whole_windows() -> None:
    frame = pl.DataFrame({"r": [None, *([0.01, -0.01] * 12)]})
    got = frame.select(x=variance.realised_variance(pl.col("r")))["x"].to_list()
    assert got[20] is None
    assert got[21] == pytest.approx(252 * 1e-4)


def test_a_place_in_a_range_runs_from_zero_to_one() -> None:
    frame = pl.DataFrame({"x": [3.0, 1.0, 5.0, 2.0, 2.0, 2.0, 2.0, 2.0]})
    got = frame.select(x=variance.range_rank(pl.col("x"), 4))["x"].to_list()
    assert got[:3] == [None] * 3
    assert got[3] == 0.25
    assert got[7] is None
