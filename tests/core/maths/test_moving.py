"""Statistics at asked places against the whole-column expressions and plain loops."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as hyp

from qgtm_core.maths import moving
from qgtm_core.maths import statistics as stats

X = pl.col("x")
PAIRS = {
    "zscore": (lambda v, e: moving.zscore(v, e, 21), stats.zscore(X, 21)),
    "change_z": (lambda v, e: moving.change_z(v, e, 5, 21), stats.change_z(X, 5, 21)),
    "rank": (lambda v, e: moving.percentile_rank(v, e, 21), stats.percentile_rank(X, 21)),
    "sd": (lambda v, e: moving.standard_deviation(v, e, 21), stats.rolling_sd(X, 21)),
    "maximum": (lambda v, e: moving.below_maximum(v, e, 21), X - X.rolling_max(21, min_samples=17)),
}


def walk(seed: int, n: int = 60) -> np.ndarray:
    return np.cumsum(np.random.default_rng(seed).normal(size=n))


def column(expression: pl.Expr, values: np.ndarray) -> np.ndarray:
    return pl.DataFrame({"x": values}).select(expression.fill_null(np.nan)).to_series().to_numpy()


@pytest.mark.parametrize("name", PAIRS)
@settings(max_examples=20, deadline=None)
@given(seed=hyp.integers(0, 1000), n=hyp.integers(1, 60))
def test_every_place_agrees_with_the_expression_over_the_column(name, seed, n):
    ours, theirs = PAIRS[name]
    values = walk(seed, n)
    assert ours(values, np.arange(n)) == pytest.approx(column(theirs, values), rel=1e-9, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("name", PAIRS)
def test_one_place_has_the_bits_it_has_among_many_and_in_a_longer_column(name):
    statistic, values = PAIRS[name][0], walk(1, 5000)
    whole = statistic(values, np.arange(len(values)))
    for i in (3, 16, 17, 20, 25, 4_001, 4_999):
        assert np.array_equal(statistic(values[: i + 1], np.array([i])), whole[i : i + 1], equal_nan=True)


@pytest.mark.parametrize("name", ["zscore", "sd", "change_z"])
def test_nothing_that_never_varies_has_a_score(name):
    assert np.isnan(PAIRS[name][0](np.full(40, 0.3), np.arange(40))).all()


def test_trends_are_returns_over_volatility_and_the_square_root_of_time():
    log_price = np.log(100.0) + 0.01 * walk(2, 50)
    returns = np.diff(log_price, prepend=np.nan)
    sd = moving.riskmetrics_sd(returns)
    assert np.isnan(sd[:20]).all()
    assert np.isfinite(sd[20:]).all()
    found = moving.trend_t(log_price, sd, np.array([3, 30]), (5,))[5]
    assert found == pytest.approx([np.nan, (log_price[30] - log_price[25]) / (sd[30] * 5**0.5)], nan_ok=True)
