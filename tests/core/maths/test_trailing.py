"""Statistics of trailing windows against the rolling ones."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from qgtm_core.maths import statistics as stats
from qgtm_core.maths import trailing, variance

VALUES = np.random.default_rng(11).normal(size=400).cumsum()
PLACES = np.arange(400)


def rolling(expr: pl.Expr) -> np.ndarray:
    return pl.DataFrame({"x": VALUES}).select(expr)["x"].fill_null(np.nan).to_numpy()


def test_windows_agree_with_the_rolling_formulas() -> None:
    past = trailing.Trailing.read(VALUES, PLACES, PLACES, PLACES, reach=10_000)
    assert trailing.zscore(past.last(60)) == pytest.approx(rolling(stats.zscore(pl.col("x"), 60)), nan_ok=True)
    changes = trailing.change_z(past.last(70), 10)
    assert changes == pytest.approx(rolling(stats.change_z(pl.col("x"), 10, 60)), nan_ok=True)
    ranks = trailing.range_rank(past.last(60))
    assert ranks == pytest.approx(rolling(variance.range_rank(pl.col("x"), 60)), nan_ok=True)


def test_a_reader_sees_nothing_older_than_its_reach() -> None:
    whole = trailing.Trailing.read(VALUES, PLACES, PLACES, PLACES, reach=50)
    assert whole.counts.max() == 50
    for reader in (30, 120, 399):
        held = reader - 50 < PLACES
        alone = trailing.Trailing.read(VALUES[held], PLACES[held], PLACES[held], np.array([reader]), reach=50)
        for function in (trailing.zscore, trailing.range_rank):
            assert np.array_equal(function(alone.last(50)), function(whole.last(50))[[reader]], equal_nan=True)


def test_a_late_observation_is_seen_only_once_it_is_known() -> None:
    past = trailing.Trailing.read(np.ones(2), np.array([1, 2]), np.array([3, 2]), np.arange(5), reach=10)
    assert past.counts.tolist() == [0, 0, 0, 2, 2]


def test_without_variance_there_is_no_statistic() -> None:
    flat = np.ones((1, 20))
    assert np.isnan(trailing.zscore(flat)).all()
    assert np.isnan(trailing.range_rank(flat)).all()
    assert np.isnan(trailing.change_z(flat, 5)).all()


def test_no_observations_are_no_windows() -> None:
    past = trailing.Trailing.read(np.zeros(0), PLACES[:0], PLACES[:0], np.arange(3), reach=10)
    assert np.isnan(past.last(5)).all()
