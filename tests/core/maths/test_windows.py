"""Moving windows against plain computations, and the same bits however many windows there are."""

from __future__ import annotations

import numpy as np
import pytest

from qgtm_core.maths import windows

VALUES = np.random.default_rng(5).normal(size=400).cumsum()


@pytest.mark.parametrize("size", [3, 60, 130])
def test_each_window_is_the_same_alone_and_among_many(size: int) -> None:
    other = np.random.default_rng(6).normal(size=400)
    every = windows.windows(VALUES, size)
    last = windows.windows(VALUES, size, first=399)
    assert last.shape == (1, size)
    assert windows.sample_sd(every)[-1:].tobytes() == windows.sample_sd(last).tobytes()
    assert windows.path_z(every)[-1:].tobytes() == windows.path_z(last).tobytes()
    x, x_last = windows.windows(other, size), windows.windows(other, size, first=399)
    assert windows.slope(x, every)[-1:].tobytes() == windows.slope(x_last, last).tobytes()


def test_statistics_are_the_textbook_ones() -> None:
    rows = windows.windows(VALUES, 50)
    assert rows.shape == (351, 50)
    assert rows[-1].tolist() == VALUES[-50:].tolist()
    assert windows.sample_sd(rows)[7] == pytest.approx(np.std(rows[7], ddof=1))
    path = np.concatenate([[0.0], np.cumsum(rows[7][1:])])
    assert windows.path_z(rows)[7] == pytest.approx((path[-1] - path.mean()) / np.std(path, ddof=1))
    y = 1.5 * rows + np.random.default_rng(1).normal(size=rows.shape)
    assert windows.slope(rows, y)[9] == pytest.approx(np.polyfit(rows[9], y[9], 1)[0])


def test_a_window_that_does_not_vary_has_no_statistics() -> None:
    flat = np.ones((2, 20))
    assert np.isnan(windows.sample_sd(flat)).all()
    assert np.isnan(windows.slope(flat, flat)).all()
    assert np.isnan(windows.path_z(np.zeros((1, 20)))).all()


def test_too_short_a_column_has_no_window() -> None:
    assert windows.windows(VALUES[:10], 11).shape == (0, 11)
    assert np.isnan(windows.at_ends(np.array([1.0]), 3)[:2]).all()
