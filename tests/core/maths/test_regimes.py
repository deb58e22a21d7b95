"""Regimes: worked numbers, the filter and the change points against their plain forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as hyp

from qgtm_core.maths import regimes

TWO_STATES = regimes.GaussianHmm(
    np.array([0.5, 0.5]),
    np.array([[0.95, 0.05], [0.1, 0.9]]),
    np.array([[0.0008], [-0.0005]]),
    np.array([[0.008**2], [0.02**2]]),
)


def walk(seed: int, n: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_t(4, n) * 0.01


def test_one_step_of_the_filter_gives_the_printed_probabilities():
    assert regimes.filtered(TWO_STATES, np.array([[-0.025]]))[0] == pytest.approx([0.0313, 0.9687], abs=5e-4)


def test_the_run_lengths_after_three_returns_are_the_printed_ones():
    found = regimes.run_lengths(np.array([0.01, -0.005, 0.06]))
    assert found == pytest.approx([0.0040, 0.0209, 0.0060, 0.9691], abs=5e-4)


def test_the_filter_agrees_with_the_forward_pass_of_hmmlearn():
    from hmmlearn.hmm import GaussianHMM

    x = walk(1, 60)[:, None]
    other = GaussianHMM(2, covariance_type="diag", init_params="")
    other.startprob_ = TWO_STATES.start @ TWO_STATES.transition  # ours predicts before the first observation
    other.transmat_, other.means_, other.covars_ = TWO_STATES.transition, TWO_STATES.mean, TWO_STATES.variance
    ours = regimes.filtered(TWO_STATES, x)
    for n in (1, 20, 60):  # the smoothed last state is the filtered one
        assert ours[n - 1] == pytest.approx(other.predict_proba(x[:n])[-1], abs=1e-10)


def test_the_filter_never_looks_ahead_and_has_the_same_bits_among_others():
    x = np.stack([walk(2, 50), walk(3, 50)])[..., None]
    stacked = [np.stack([a, a]) for a in (TWO_STATES.start, TWO_STATES.transition)]
    density = regimes.log_density(np.stack([TWO_STATES.mean] * 2), np.stack([TWO_STATES.variance] * 2), x)
    both = regimes.forward_filter(*stacked, density)
    assert np.array_equal(both[1], regimes.filtered(TWO_STATES, x[1]))
    assert np.array_equal(both[0, :20], regimes.filtered(TWO_STATES, x[0, :20]))


def test_a_missing_observation_leaves_the_prediction():
    x = np.array([[0.001], [np.nan]])
    found = regimes.filtered(TWO_STATES, x)
    assert found[1] == pytest.approx(found[0] @ TWO_STATES.transition)


def test_a_fit_finds_two_volatilities_and_is_the_same_every_time():
    rng = np.random.default_rng(4)
    state = np.repeat([0, 1, 0, 1], 150)
    x = (rng.normal(size=600) * np.where(state, 0.03, 0.01))[:, None] * 100
    model, likelihood = regimes.fit_hmm(x, 2, seed=7, restarts=3)
    again, same = regimes.fit_hmm(x, 2, seed=7, restarts=3)
    assert np.sort(np.sqrt(model.variance.ravel())) == pytest.approx([1.0, 3.0], rel=0.15)
    assert likelihood == same
    assert np.array_equal(model.variance, again.variance)
    assert model.start @ model.transition == pytest.approx(model.start)
    calm = int(np.argmin(model.variance[:, 0]))
    assert ((regimes.filtered(model, x)[:, calm] > 0.5) == (state == 0)).mean() > 0.9


@settings(max_examples=20, deadline=None)
@given(hyp.integers(0, 10_000), hyp.integers(251, 420), hyp.floats(0.2, 5.0))
def test_the_alarm_is_the_recursion_from_its_start(seed, n, scale):
    x = walk(seed, n) * scale
    start = (n - 1 - regimes.CHANGE_MEMORY) // regimes.CHANGE_BLOCK * regimes.CHANGE_BLOCK
    slow = regimes.run_lengths(x[start:])[:10].sum()
    # the plain form drops runs less likely than 1e-8 at every step
    assert regimes.change_probability(x, 10)[-1] == pytest.approx(slow, abs=5e-5)


def test_the_alarm_has_the_same_bits_for_one_value_and_for_all():
    x = walk(5, 1000)
    whole = regimes.change_probability(x, 10)
    for i in (250, 311, 312, 313, 640, 999):
        assert regimes.change_probability(x[: i + 1], 10, first=i)[i] == whole[i]
    assert np.isnan(whole[:250]).all()
    assert np.isfinite(whole[250:]).all()
    assert np.isnan(regimes.change_probability(x[:250], 10)).all()


def test_the_alarm_rings_after_a_change_of_volatility():
    x = walk(6, 700) * 0.3
    x[600:] *= 12.0
    alarm = regimes.change_probability(x, 10)
    assert alarm[590:600].max() < 0.5
    assert alarm[600:606].max() > 0.9
    assert math.isclose(alarm[690], regimes.run_lengths(x)[:10].sum(), abs_tol=0.02)
