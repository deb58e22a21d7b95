"""Shared maths: worked numbers of the specification and slow plain references."""

from __future__ import annotations

import math
import statistics as st
from collections.abc import Callable, Sequence

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as hyp

from qgtm_core.maths import statistics as stats

X = pl.col("x")


def column(values: Sequence[float | None], expr: pl.Expr) -> list[float | None]:
    return pl.DataFrame({"x": values}, schema={"x": pl.Float64}).select(expr.alias("out"))["out"].to_list()


def walk(n: int, seed: int = 0) -> list[float]:
    return (100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.01, n)))).tolist()


def returns(n: int, seed: int = 0) -> list[float]:
    return np.random.default_rng(seed).normal(0, 0.01, n).tolist()


def rolled(values: Sequence[float], n: int, measure: Callable[[Sequence[float]], float | None]) -> list[float | None]:
    """Plain reference: the measure of the last n values where at least 0.8 n are there."""
    return [
        measure(values[max(0, i - n + 1) : i + 1]) if i + 1 >= math.ceil(0.8 * n) else None for i in range(len(values))
    ]


def same(got: Sequence[float | None], want: Sequence[float | None], tolerance: float = 1e-9) -> None:
    assert [v is None for v in got] == [v is None for v in want]
    assert [v for v in got if v is not None] == pytest.approx(
        [v for v in want if v is not None], rel=tolerance, abs=tolerance
    )


def test_a_z_score_agrees_with_a_plain_loop():
    x = walk(120)
    want = rolled(x, 50, lambda w: (w[-1] - st.fmean(w)) / st.stdev(w))
    same(column(x, stats.zscore(X, 50)), want)


def test_a_z_score_needs_four_fifths_of_its_window():
    got = column(walk(60), stats.zscore(X, 50))
    assert got[:39] == [None] * 39
    assert got[39] is not None


@given(st_level=hyp.floats(-1e3, 1e3), before=hyp.lists(hyp.floats(-1e4, 1e4), max_size=40))
def test_a_window_without_variance_has_no_z_score(st_level, before):
    assert column([*before, *[st_level] * 30], stats.zscore(X, 20))[-1] is None


@given(hyp.lists(hyp.floats(-1e6, 1e6).map(lambda v: round(v, 3)), min_size=20, max_size=60))
def test_a_z_score_never_exceeds_its_bound(values):
    n = 20
    z = [v for v in column(values, stats.zscore(X, n)) if v is not None]
    assert all(abs(v) <= (n - 1) / math.sqrt(n) + 1e-6 for v in z)


def test_a_change_z_does_not_remove_the_mean_of_changes():
    x = [0.5 * i for i in range(60)]  # every 5-step change is 2.5, so their root mean square is 2.5
    assert column(x, stats.change_z(X, 5, 20))[-1] == pytest.approx(1.0)


def test_a_change_z_agrees_with_a_plain_loop():
    x = walk(150)
    changes = [b - a for a, b in zip(x[:-10], x[10:], strict=True)]
    want = rolled(changes, 40, lambda w: w[-1] / math.sqrt(st.fmean(c * c for c in w)))
    same(column(x, stats.change_z(X, 10, 40)), [None] * 10 + want)


def test_a_series_that_never_moves_has_no_change_z():
    assert column([3.0] * 40, stats.change_z(X, 5, 20))[-1] is None


def test_a_percentile_rank_counts_values_not_above_the_newest():
    assert column([1.0, 5.0, 3.0, 4.0, 3.0], stats.percentile_rank(X, 5))[-1] == pytest.approx(3 / 5)


def test_a_percentile_rank_agrees_with_a_plain_loop():
    x = [round(v) for v in walk(120)]  # rounding makes ties
    want = rolled(x, 50, lambda w: sum(v <= w[-1] for v in w) / len(w))
    same(column([float(v) for v in x], stats.percentile_rank(X, 50)), want)


def test_ewma_variance_follows_the_worked_step():
    side = math.sqrt(1e-4 * 19 / 20)  # twenty returns of ±side have a sample variance of 1e-4
    seeded = [side if i % 2 else -side for i in range(20)]
    got = column([*seeded, 0.02], stats.ewma_variance(X))
    assert got[19] == pytest.approx(1e-4)
    assert got[20] == pytest.approx(1.18e-4, abs=1e-12)
    assert math.sqrt(got[20] * 252) == pytest.approx(0.1724, abs=5e-5)


def test_ewma_variance_is_null_before_twenty_returns_and_starts_after_a_leading_null():
    got = column([None, *returns(40)], stats.ewma_variance(X, 0.97))
    assert got[:20] == [None] * 20
    assert got[20] is not None


def test_ewma_variance_agrees_with_a_plain_loop():
    r = returns(200)
    variance = st.variance(r[:20])
    want: list[float | None] = [None] * 19 + [variance]
    for value in r[20:]:
        variance = 0.94 * variance + 0.06 * value * value
        want.append(variance)
    same(column(r, stats.ewma_variance(X)), want)


def test_ex_ante_volatility_agrees_with_a_plain_loop():
    r, decay = returns(130), 60 / 61
    want: list[float | None] = []
    for i in range(len(r)):
        weights = [decay ** (i - j) for j in range(i + 1)]
        mean = sum(w * v for w, v in zip(weights, r, strict=False)) / sum(weights)
        squares = sum(w * (v - mean) ** 2 for w, v in zip(weights, r, strict=False)) / sum(weights)
        want.append(math.sqrt(261 * squares) if i >= 59 else None)
    same(column(r, stats.mop_volatility(X)), want)


def test_a_half_life_follows_the_worked_number():
    assert column([-0.05], stats.half_life_of_slope(X)) == pytest.approx([13.513], abs=5e-4)


@pytest.mark.parametrize("slope", [0.0, 0.2, -1.0, -1.5])
def test_a_slope_that_does_not_revert_has_no_half_life(slope):
    assert column([slope], stats.half_life_of_slope(X)) == [None]


def test_a_decaying_path_has_the_half_life_of_its_decay():
    x = [3.0 + 0.95**i for i in range(60)]
    assert column(x, stats.half_life(X, 40))[-1] == pytest.approx(13.513, abs=5e-4)


def test_a_mean_reversion_slope_agrees_with_a_plain_regression():
    x = walk(120)
    pairs = list(zip(x[:-1], np.diff(x).tolist(), strict=True))
    want = rolled(pairs, 50, lambda w: st.linear_regression(*zip(*w, strict=True)).slope)
    same(column(x, stats.mean_reversion_slope(X, 50)), [None, *want], tolerance=1e-7)


def test_a_rolling_correlation_agrees_with_a_plain_loop():
    a, b = returns(120), returns(120, seed=1)
    pairs = list(zip(a, b, strict=True))
    want = rolled(pairs, 50, lambda w: st.correlation(*zip(*w, strict=True)))
    frame = pl.DataFrame({"a": a, "b": b})
    same(frame.select(c=stats.rolling_correlation(pl.col("a"), pl.col("b"), 50))["c"].to_list(), want)


def test_a_side_without_variance_has_no_correlation():
    frame = pl.DataFrame({"a": returns(40) + [0.001] * 40, "b": returns(80, seed=1)})
    assert frame.select(c=stats.rolling_correlation(pl.col("a"), pl.col("b"), 30))["c"][-1] is None


def test_a_correlation_of_a_series_with_itself_is_one():
    frame = pl.DataFrame({"a": returns(60)})
    assert frame.select(c=stats.rolling_correlation(pl.col("a"), pl.col("a"), 50))["c"][-1] == pytest.approx(1.0)


def plain_price_volatility(p: list[float]) -> list[float | None]:
    alpha = 2 / 36
    deviations: list[float | None] = [None]
    for i in range(1, len(p)):
        d = [p[j] - p[j - 1] for j in range(1, i + 1)]
        w = [(1 - alpha) ** (len(d) - 1 - j) for j in range(len(d))]
        mean = sum(a * b for a, b in zip(w, d, strict=True)) / sum(w)
        biased = sum(a * (b - mean) ** 2 for a, b in zip(w, d, strict=True)) / sum(w)
        unbias = sum(w) ** 2 / (sum(w) ** 2 - sum(a * a for a in w)) if len(d) > 1 else math.nan
        deviations.append(math.sqrt(biased * unbias) if len(d) >= 35 else None)
    out: list[float | None] = []
    for i, sd in enumerate(deviations):
        window = [v for v in deviations[max(0, i - 499) : i + 1] if v is not None]
        floor = float(np.quantile(window, 0.05)) if len(window) >= 100 else 0.0
        out.append(None if sd is None else max(sd, floor))
    return out


def test_price_volatility_agrees_with_a_plain_loop_and_keeps_its_floor():
    p = walk(220)
    p[150:] = [p[149] + 0.001 * i for i in range(70)]  # a dead calm, so that the floor binds
    got, want = column(p, stats.price_volatility(X)), plain_price_volatility(p)
    same(got, want, tolerance=1e-7)


def test_ewmac_agrees_with_a_plain_loop():
    p, fast, slow = walk(140), 16, 64

    def average(span: int, i: int) -> float:
        w = [(1 - 2 / (span + 1)) ** (i - j) for j in range(i + 1)]
        return sum(a * b for a, b in zip(w, p, strict=False)) / sum(w)

    sd = plain_price_volatility(p)
    want = [(average(fast, i) - average(slow, i)) / sd[i] if i >= slow - 1 else None for i in range(len(p))]
    same(column(p, stats.ewmac(X, fast, slow, stats.price_volatility(X))), want, tolerance=1e-7)


def test_ewmac_of_a_price_that_never_moves_is_null():
    assert column([10.0] * 100, stats.ewmac(X, 16, 64, stats.price_volatility(X)))[-1] is None


def test_the_kalman_step_follows_the_worked_numbers():
    path = stats.kalman_hedge(np.array([3.6]), np.array([3.0]), slope=1.0, intercept=0.5, covariance=0.01)
    assert path.innovation[0] == pytest.approx(0.1, abs=5e-7)
    assert path.variance[0] == pytest.approx(0.102, abs=5e-6)
    assert path.slope[0] == pytest.approx(1.0297, abs=5e-5)
    assert path.intercept[0] == pytest.approx(0.5099, abs=5e-5)


def random_pair(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    x = 3 + np.cumsum(rng.normal(0, 0.01, n))
    return 0.7 * x + 0.4 + rng.normal(0, 0.02, n), x


def test_the_kalman_filter_agrees_with_matrix_algebra():
    y, x = random_pair(300)
    beta, p = np.zeros(2), np.eye(2)
    path = stats.kalman_hedge(y, x)
    for i in range(len(y)):
        h = np.array([x[i], 1.0])
        r = p + 1e-4 / (1 - 1e-4) * np.eye(2)
        q = h @ r @ h + 1e-3
        e = y[i] - h @ beta
        gain = r @ h / q
        beta, p = beta + gain * e, r - np.outer(gain, h @ r)
        want = (e, q, beta[0], beta[1])
        got = (path.innovation[i], path.variance[i], path.slope[i], path.intercept[i])
        assert got == pytest.approx(want, rel=1e-7, abs=1e-10)


def test_the_compiled_kalman_filter_gives_the_same_bits_as_the_plain_one():
    y, x = random_pair(2_000)
    plain, compiled = stats.kalman_hedge(y, x), stats.kalman_hedge(y, x, compiled=True)
    for name in ("innovation", "variance", "slope", "intercept"):
        assert np.array_equal(getattr(plain, name), getattr(compiled, name)), name


def test_drift_and_noise_of_the_kalman_filter_can_be_given():
    y, x = random_pair(50)
    usual = stats.kalman_hedge(y, x)
    assert np.array_equal(usual.slope, stats.kalman_hedge(y, x, drift=1e-4 / (1.0 - 1e-4), noise=1e-3).slope)
    still, restless = (stats.kalman_hedge(y, x, drift=drift, noise=0.1).slope for drift in (0.0, 1e-2))
    assert np.abs(np.diff(still[10:])).max() < np.abs(np.diff(restless[10:])).max()


EXPRESSIONS = {
    "zscore": stats.zscore(X, 20),
    "change_z": stats.change_z(X, 3, 20),
    "percentile_rank": stats.percentile_rank(X, 20),
    "ewma_variance": stats.ewma_variance(X.pct_change()),
    "mop_volatility": stats.mop_volatility(X.pct_change()),
    "half_life": stats.half_life(X.log(), 20),
    "rolling_correlation": stats.rolling_correlation(X.diff(), X.pct_change(), 20),
    "ewmac": stats.ewmac(X, 4, 16, stats.price_volatility(X)),
}


@pytest.mark.parametrize("name", EXPRESSIONS)
@settings(max_examples=10)
@given(cut=hyp.integers(1, 149), seed=hyp.integers(0, 1_000))
def test_no_value_changes_when_later_rows_arrive(name, cut, seed):
    x = walk(150, seed)
    assert column(x, EXPRESSIONS[name])[:cut] == column(x[:cut], EXPRESSIONS[name])
