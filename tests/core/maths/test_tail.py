"""Tail risk against worked numbers, a solver, a statistics library and a known tail."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize
from scipy import stats as scipy_stats

from qgtm_core.maths import tail

WORKED = np.array([0.05, 0.04, 0.03, *np.linspace(-0.03, 0.02, 17)])
FIT = tail.TailFit(np.array([0.2]), np.array([0.01]), np.array([0.02]), exceedances=50, sample=1000)
LOSSES = st.lists(st.floats(-0.2, 0.2), min_size=1, max_size=60)


def test_the_worked_losses_have_the_worked_var_and_cvar() -> None:
    assert tail.historical_var_cvar(np.random.default_rng(1).permutation(WORKED), 0.90) == pytest.approx((0.040, 0.045))
    assert tail.optimised_cvar(WORKED, 0.90) == pytest.approx(0.045)


@given(LOSSES, st.integers(1, 20))
def test_both_cvars_agree_where_the_tail_is_a_whole_number_of_losses(losses: list[float], k: int) -> None:
    values = np.array(losses)
    confidence = 1.0 - min(k, len(losses)) / len(losses) * (1.0 - 1e-12)
    var, cvar = tail.historical_var_cvar(values, confidence)
    assert var == np.sort(values)[::-1][min(k, len(losses)) - 1]
    assert tail.optimised_cvar(values, confidence) == pytest.approx(cvar, abs=1e-9)


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.975])
def test_optimised_cvar_is_that_of_the_linear_programme(confidence: float) -> None:
    losses = np.random.default_rng(3).standard_t(3, 77) * 0.01
    n = len(losses)
    cost = np.concatenate([[1.0], np.full(n, 1.0 / ((1.0 - confidence) * n))])
    above = np.hstack([-np.ones((n, 1)), -np.eye(n)])  # u_i >= L_i - zeta
    solved = optimize.linprog(cost, A_ub=above, b_ub=-losses, bounds=[(None, None), *[(0, None)] * n])
    assert tail.optimised_cvar(losses, confidence) == pytest.approx(solved.fun, abs=1e-10)


@pytest.mark.parametrize("function", [tail.historical_var_cvar, tail.optimised_cvar])
def test_no_losses_have_no_tail(function: object) -> None:
    assert callable(function)
    with pytest.raises(ValueError, match="no losses"):
        function(np.empty(0), 0.9)


def test_the_worked_tail_has_the_worked_quantile_and_shortfall() -> None:
    assert tail.tail_var(FIT, 0.99)[0] == pytest.approx(0.0390, abs=5e-5)
    assert tail.tail_expected_shortfall(FIT, 0.99)[0] == pytest.approx(0.0562, abs=5e-5)


def test_a_tail_without_a_mean_has_no_shortfall() -> None:
    heavy = tail.TailFit(np.array([1.0, 1.3]), np.ones(2), np.ones(2), 50, 1000)
    assert np.isnan(tail.tail_expected_shortfall(heavy, 0.99)).all()


def test_an_exponential_tail_is_the_limit_of_its_neighbours() -> None:
    shapes = np.array([-1e-7, 0.0, 1e-7])
    fit = tail.TailFit(shapes, np.full(3, 0.01), np.full(3, 0.02), 50, 1000)
    assert tail.tail_var(fit, 0.99) == pytest.approx(np.full(3, 0.02 + 0.01 * math.log(5.0)), abs=1e-8)


@pytest.mark.parametrize("shape", [-0.2, 0.0, 0.2, 0.4])
def test_a_fit_finds_a_known_tail_about_as_well_as_maximum_likelihood(shape: float) -> None:
    excess = scipy_stats.genpareto.rvs(shape, scale=0.01, size=20_000, random_state=7)
    losses = np.concatenate([0.02 + excess, [0.02], np.full(5_000, -0.01)])
    fit = tail.fit_tail(losses[None, :], 20_000)
    likely, _, scale = scipy_stats.genpareto.fit(excess, floc=0.0)
    assert fit.threshold[0] == 0.02
    assert fit.shape[0] == pytest.approx(shape, abs=0.04)
    assert fit.shape[0] == pytest.approx(likely, abs=0.04)
    assert fit.scale[0] == pytest.approx(scale, rel=0.04)
    expected = 0.02 + scipy_stats.genpareto.isf(25_001 / 20_000 * (1.0 - 0.99), shape, scale=0.01)
    assert tail.tail_var(fit, 0.99)[0] == pytest.approx(expected, rel=0.05)


def test_shortfalls_of_the_fit_are_those_of_the_sample() -> None:
    losses = scipy_stats.t.rvs(4, size=200_000, random_state=5) * 0.01
    fit = tail.fit_tail(losses[None, :], 10_000)
    assert tail.tail_expected_shortfall(fit, 0.99)[0] == pytest.approx(
        losses[losses > np.quantile(losses, 0.99)].mean(), rel=0.03
    )


def test_a_plain_loop_gives_the_same_moments() -> None:
    losses = np.random.default_rng(2).standard_t(4, (3, 200)) * 0.01
    fit = tail.fit_tail(losses, 20)
    for row in range(3):
        ordered = sorted(losses[row])
        excess = [loss - ordered[-21] for loss in ordered[-20:]]
        a0 = sum(excess) / 20
        a1 = sum((1 - (i - 0.35) / 20) * x for i, x in enumerate(excess, start=1)) / 20
        assert fit.shape[row] == pytest.approx(2 - a0 / (a0 - 2 * a1))
        assert fit.scale[row] == pytest.approx(2 * a0 * a1 / (a0 - 2 * a1))
        assert fit.threshold[row] == ordered[-21]


def test_a_window_has_the_same_bits_alone_and_among_others() -> None:
    losses = np.random.default_rng(4).standard_t(4, (300, 1000)) * 0.01
    whole = tail.tail_expected_shortfall(tail.fit_tail(losses, 50), 0.99)
    for row in (0, 17, 299):
        alone = tail.tail_expected_shortfall(tail.fit_tail(losses[row : row + 1], 50), 0.99)
        assert alone[0] == whole[row]


@given(st.floats(0.01, 100.0), st.integers(0, 99))
def test_a_tail_scales_with_its_losses(scale: float, seed: int) -> None:
    losses = np.random.default_rng(seed).standard_t(5, (1, 200))
    one, other = (tail.tail_expected_shortfall(tail.fit_tail(losses * s, 20), 0.99)[0] for s in (1.0, scale))
    assert other == pytest.approx(one * scale, rel=1e-9, nan_ok=True)


def test_equal_excesses_have_no_fit() -> None:
    losses = np.concatenate([np.zeros(90), np.full(10, 0.05)])[None, :]
    assert np.isfinite(tail.fit_tail(losses, 10).shape).all()  # a point mass above the threshold is a bounded tail
    assert np.isnan(tail.fit_tail(np.zeros((1, 100)), 10).shape).all()
