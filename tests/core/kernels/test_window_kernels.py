"""Compiled trailing windows against Polars and NumPy, compiled and plain."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qgtm_core.errors import DataError
from qgtm_core.kernels import windows as kernel
from qgtm_core.maths import rolling_arrays as rolling

LEVELS = st.floats(-1e6, 1e6, allow_subnormal=False)
MATRICES = arrays(np.float64, st.tuples(st.integers(1, 40), st.integers(1, 3)), elements=LEVELS | st.just(np.nan))

POLARS: dict[str, tuple[Callable[[np.ndarray, int], np.ndarray], Callable[[pl.Expr, int], pl.Expr]]] = {
    "sum": (rolling.rolling_sum, lambda x, n: x.rolling_sum(n)),
    "mean": (rolling.rolling_mean, lambda x, n: x.rolling_mean(n)),
    "sd": (rolling.rolling_sd, lambda x, n: x.rolling_std(n)),
    "min": (rolling.rolling_min, lambda x, n: x.rolling_min(n)),
    "max": (rolling.rolling_max, lambda x, n: x.rolling_max(n)),
}


def by_window(values: np.ndarray, n: int, statistic: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Each window by itself; NumPy hands NaN through."""
    out = np.full(values.shape, np.nan)
    for t in range(n - 1, len(values)):
        out[t] = statistic(values[t - n + 1 : t + 1])
    return out


@pytest.mark.parametrize("name", POLARS)
@settings(deadline=None, max_examples=40)
@given(values=MATRICES, n=st.integers(2, 12))
def test_a_window_agrees_with_polars_and_nan_is_null(name: str, values: np.ndarray, n: int) -> None:
    ours, theirs = POLARS[name]
    frame = pl.DataFrame(values).fill_nan(None).select(theirs(pl.all(), n).fill_null(np.nan))
    # Polars subtracts what leaves a window, so it is only as exact as the largest number of the whole column.
    largest = np.nanmax(np.abs(values), initial=1.0)
    np.testing.assert_allclose(
        ours(values, n), frame.to_numpy(), rtol=1e-9, atol=largest * (1e-4 if name == "sd" else 1e-8)
    )


@settings(deadline=None, max_examples=60)
@given(values=MATRICES, n=st.integers(2, 12))
def test_every_window_is_as_exact_as_computed_by_itself(values: np.ndarray, n: int) -> None:
    def spread(window: np.ndarray) -> np.ndarray:
        return np.abs(window).max(axis=0) * 1e-14

    room = np.nan_to_num(by_window(values, n, spread))
    for found, wanted in (
        (rolling.rolling_sum(values, n), by_window(values, n, lambda w: w.sum(axis=0))),
        (rolling.rolling_mean(values, n), by_window(values, n, lambda w: w.mean(axis=0))),
        (rolling.rolling_sd(values, n), by_window(values, n, lambda w: w.std(axis=0, ddof=1))),
    ):
        assert np.array_equal(np.isnan(found), np.isnan(wanted))
        assert (np.nan_to_num(np.abs(found - wanted)) <= n * room + 1e-300).all()
    assert np.array_equal(rolling.rolling_min(values, n), by_window(values, n, lambda w: w.min(axis=0)), equal_nan=True)
    assert np.array_equal(rolling.rolling_max(values, n), by_window(values, n, lambda w: w.max(axis=0)), equal_nan=True)


@settings(deadline=None, max_examples=30)
@given(values=MATRICES, n=st.integers(2, 12))
def test_the_plain_kernel_gives_what_the_compiled_one_gives(values: np.ndarray, n: int) -> None:
    def both(name: str, *arguments: float) -> None:
        outs = [np.empty(values.shape) for _ in range(4)]
        used = 2 if name == "trailing_moments" else 1
        getattr(kernel, name)(values, *arguments, *outs[:used])
        getattr(kernel, f"{name}_nb")(values, *arguments, *outs[2 : 2 + used])
        for plain, compiled in zip(outs[:used], outs[2:], strict=False):
            np.testing.assert_allclose(plain, compiled, rtol=1e-12, atol=1e-6 if used == 2 else 1e-9)

    both("trailing_sum", n, 0.5)
    both("trailing_extreme", n, 1.0)
    both("trailing_extreme", n, -1.0)
    both("trailing_moments", n)
    both("rank_rows")


def test_a_great_number_that_left_the_window_leaves_no_rounding_behind() -> None:
    values = np.array([[1e16], [1.0], [2.0], [4.0], [1.0]])
    assert rolling.rolling_sum(values, 2)[:, 0].tolist()[2:] == [3.0, 6.0, 5.0]
    assert rolling.rolling_sd(values, 2)[2, 0] == pytest.approx(np.sqrt(0.5), rel=1e-15)


def test_what_does_not_move_has_a_deviation_of_exactly_zero() -> None:
    assert rolling.rolling_sd(np.full((50, 2), 0.1), 7)[6:].max() == 0.0


def test_an_infinite_value_does_not_outlive_its_windows() -> None:
    values = np.array([[np.inf], [1.0], [2.0], [3.0]])
    assert rolling.rolling_mean(values, 2)[2:, 0].tolist() == [1.5, 2.5]
    assert rolling.rolling_sd(values, 2)[2:, 0].tolist() == pytest.approx([np.sqrt(0.5)] * 2)


def test_a_ratio_to_the_past_needs_both_values_and_something_to_divide_by() -> None:
    found = rolling.ratio_to_past(np.array([[2.0], [0.0], [3.0], [np.nan], [6.0]]), 1)[:, 0]
    np.testing.assert_array_equal(found, [np.nan, 0.0, np.nan, np.nan, np.nan])
    assert rolling.ratio_to_past(np.array([[2.0], [0.0], [3.0]]), 2)[2, 0] == 1.5


@settings(deadline=None, max_examples=40)
@given(
    arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(1, 8)), elements=st.integers(0, 4) | st.just(np.nan))
)
def test_ranks_across_are_those_of_polars(values: np.ndarray) -> None:
    long = pl.DataFrame(values.T).fill_nan(None).select(pl.all().rank("average").fill_null(np.nan))
    np.testing.assert_array_equal(rolling.rank_across(values), long.to_numpy().T)


def test_a_window_that_cannot_be_is_refused() -> None:
    with pytest.raises(DataError, match="Take at least 2"):
        rolling.rolling_sd(np.zeros((3, 1)), 1)
    with pytest.raises(DataError, match=r"\(sessions, instruments\)"):
        rolling.rolling_sum(np.zeros(3), 1)
