"""Path-dependent replays against slow references; risk parity against its definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qgtm_core.maths.allocation import equal_risk_contribution, inverse_volatility
from qgtm_core.strategies.replay import buffered, hysteresis, windows

VALUES = st.one_of(st.just(math.nan), st.floats(-5, 5).map(lambda v: round(v, 2)))
PATHS = hnp.arrays(float, st.tuples(st.integers(1, 25), st.integers(1, 2)), elements=VALUES)


def slow_buffer(path: list[float], buffer: float) -> float:
    held = math.nan
    for value in path:
        if not math.isnan(value) and (math.isnan(held) or abs(value - held) >= buffer):
            held = value
    return held if not math.isnan(path[-1]) else math.nan


def slow_hysteresis(path: list[float], enter: float, leave: float, stop: float) -> float:
    side, stopped = 0.0, False
    for z in path:
        if math.isnan(z):
            continue
        against = float(-np.sign(z))
        if abs(z) <= leave:
            side, stopped = 0.0, False
        elif abs(z) >= stop:
            side, stopped = 0.0, True
        elif side not in (0.0, against):
            side = 0.0
        if side == 0.0 and abs(z) >= enter and not stopped:
            side = against
    return side if not math.isnan(path[-1]) else math.nan


@given(PATHS, st.integers(1, 8))
def test_the_buffer_replays_only_its_window(raw: np.ndarray, sessions: int) -> None:
    fast = buffered(raw, 0.10, sessions)
    for t in range(raw.shape[0]):
        for leg in range(raw.shape[1]):
            want = slow_buffer(list(raw[max(0, t - sessions + 1) : t + 1, leg]), 0.10)
            np.testing.assert_equal(fast[t, leg], want)


@given(PATHS, st.integers(1, 30))
def test_hysteresis_replays_only_its_window(z: np.ndarray, sessions: int) -> None:
    fast = hysteresis(z, 2.0, 0.5, 4.0, sessions)
    for t in range(z.shape[0]):
        for leg in range(z.shape[1]):
            want = slow_hysteresis(list(z[max(0, t - sessions + 1) : t + 1, leg]), 2.0, 0.5, 4.0)
            np.testing.assert_equal(fast[t, leg], want)


def test_a_score_inside_the_buffer_is_not_followed() -> None:
    held = buffered(np.array([[0.20], [0.29], [0.31], [0.25]]), 0.10, 63)
    assert held[:, 0].tolist() == [0.20, 0.20, 0.31, 0.31]


def test_windows_pad_with_nan_before_the_first_row() -> None:
    seen = windows(np.array([[1.0], [2.0]]), 3)
    np.testing.assert_equal(seen[:, 0], [[math.nan, math.nan, 1.0], [math.nan, 1.0, 2.0]])


def test_equal_risk_contribution_gives_the_worked_weights() -> None:
    volatility = np.array([0.15, 0.30, 0.28])
    correlation = np.array([[1.0, 0.8, 0.5], [0.8, 1.0, 0.6], [0.5, 0.6, 1.0]])
    weights = equal_risk_contribution(correlation * np.outer(volatility, volatility))
    np.testing.assert_allclose(weights, [0.4869, 0.2334, 0.2797], atol=5e-4)


@given(hnp.arrays(float, (6, 4), elements=st.floats(-1, 1)), st.lists(st.floats(0.01, 1.0), min_size=4, max_size=4))
def test_equal_risk_contributions_are_equal(factors: np.ndarray, scales: list[float]) -> None:
    covariance = (factors.T @ factors + 0.1 * np.eye(4)) * np.outer(scales, scales)
    weights = equal_risk_contribution(covariance)
    contributions = weights * (covariance @ weights)
    assert weights.sum() == pytest.approx(1.0)
    assert (weights > 0.0).all()
    np.testing.assert_allclose(contributions, contributions.mean(), rtol=1e-6)


def test_equal_risk_is_unknown_for_correlations_that_do_not_fit_together() -> None:
    impossible = np.array([[1.0, 0.9, 0.9], [0.9, 1.0, -0.9], [0.9, -0.9, 1.0]])
    assert np.isnan(equal_risk_contribution(impossible)).all()


def test_equal_risk_is_unknown_when_the_steps_run_out() -> None:
    covariance = np.array([[0.04, 0.01], [0.01, 0.09]])
    assert np.isfinite(equal_risk_contribution(covariance, max_steps=20)).all()
    assert np.isnan(equal_risk_contribution(covariance, max_steps=1)).all()


def test_inverse_volatility_ignores_what_it_does_not_know() -> None:
    weights = inverse_volatility(np.array([[0.1, 0.2, math.nan], [math.nan, math.nan, 0.0]]))
    np.testing.assert_allclose(weights, [[2 / 3, 1 / 3, 0.0], [0.0, 0.0, 0.0]])
