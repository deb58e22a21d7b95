"""Formulas over reports of positions and seasonal expectations: worked numbers and plain references."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as hyp

from qgtm_core.maths import positioning as cot
from qgtm_core.maths.expectation import same_season_mean

X = pl.col("x")


def column(values: list[float | None], expr: pl.Expr) -> list[float | None]:
    return pl.DataFrame({"x": values}, schema={"x": pl.Float64}).select(expr.alias("out"))["out"].to_list()


def test_net_share_is_that_of_the_worked_example() -> None:
    frame = pl.DataFrame({"long": [210_000], "short": [60_000], "oi": [480_000]})
    assert frame.select(cot.net_share(pl.col("long"), pl.col("short"), pl.col("oi"))).item() == pytest.approx(0.3125)


@pytest.mark.parametrize(("net", "index"), [(-120e3, 90.0), (-210e3, 45.0)])
def test_the_cot_index_is_that_of_the_worked_example(net: float, index: float) -> None:
    assert column([-300e3, -100e3, net], cot.cot_index(X, 3))[-1] == pytest.approx(index, abs=5e-4)


def test_the_cot_index_is_null_before_its_window_is_filled_and_where_nothing_varies() -> None:
    assert column([1.0, 2.0, 3.0, 4.0], cot.cot_index(X, 5)) == [None, None, None, 100.0]
    assert column([5.0] * 6, cot.cot_index(X, 5)) == [None] * 6


@given(hyp.lists(hyp.integers(-500_000, 500_000), min_size=5, max_size=60))
def test_the_cot_index_stays_between_0_and_100_and_ignores_scale(net: list[int]) -> None:
    index = column([float(v) for v in net], cot.cot_index(X, 5))
    assert all(v is None or 0.0 <= v <= 100.0 for v in index)
    scaled = column([8.0 * v + 1_000.0 for v in net], cot.cot_index(X, 5))
    assert scaled == pytest.approx(index)


@given(hyp.integers(0, 10**6), hyp.integers(0, 10**6))
def test_hedging_pressure_is_a_share_and_turns_with_the_sides(long: int, short: int) -> None:
    frame = pl.DataFrame({"a": [long, short], "b": [short, long]})
    first, second = frame.select(cot.hedging_pressure(pl.col("a"), pl.col("b"))).to_series()
    if long + short == 0:
        assert first is second is None
    else:
        assert first == -second == pytest.approx((short - long) / (short + long))


def test_a_sound_report_has_no_gap_and_one_without_a_category_cannot_be_judged() -> None:
    rows = pl.DataFrame({"oi": [100, 100, 100], "a": [60, 61, 60], "b": [30, 30, None], "s": [10, 10, 10]})
    gap = cot.open_interest_gap(pl.col("oi"), [pl.col("a"), pl.col("b")], [pl.col("s")])
    assert rows.select(gap).to_series().to_list() == [0, -1, None]


def slow_season_mean(
    values: np.ndarray, years: np.ndarray, seasons: np.ndarray, back: int, i: int
) -> tuple[float, int]:
    earlier = [
        v
        for v, y, s in zip(values, years, seasons, strict=True)
        if s == seasons[i] and years[i] - back <= y < years[i] and np.isfinite(v)
    ]
    return (float(np.mean(earlier)) if earlier else np.nan), len(earlier)


@given(hyp.integers(0, 10_000), hyp.integers(1, 6))
def test_the_mean_of_a_season_is_that_of_the_years_before(seed: int, back: int) -> None:
    rng = np.random.default_rng(seed)
    years, seasons = (part.ravel() for part in np.meshgrid(np.arange(2001, 2012), np.arange(4), indexing="ij"))
    kept = rng.random(years.size) < 0.8  # some seasons are missing
    years, seasons = years[kept], seasons[kept]
    values = np.where(rng.random(years.size) < 0.1, np.nan, rng.normal(size=years.size))
    mean, count = same_season_mean(values, years, seasons, back)
    for i in range(years.size):
        want, known = slow_season_mean(values, years, seasons, back, i)
        assert count[i] == known
        assert mean[i] == pytest.approx(want, nan_ok=True)


def test_the_mean_of_a_season_of_nothing_is_nothing() -> None:
    mean, count = same_season_mean(np.empty(0), np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), 5)
    assert mean.size == count.size == 0
