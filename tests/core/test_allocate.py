"""Inverse volatility, correlation and portfolio volatility."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qgtm_core.portfolio.allocate import correlation_matrix, inverse_vol_weights, portfolio_vol

NAN = np.nan
RETURNS = np.random.default_rng(3).normal(0, 0.01, (120, 3)) @ np.array([[1, 0.5, 0], [0, 1, 0.3], [0, 0, 1]])


def test_inverse_volatility_gives_the_worked_weights() -> None:
    vol = np.array([0.15, 0.30, 0.25, 0.35, 0.33])
    weights = inverse_vol_weights(vol, np.ones(5, bool))
    np.testing.assert_allclose(weights, [0.3352, 0.1676, 0.2011, 0.1437, 0.1524], atol=5e-5)
    rho = np.full((5, 5), 0.6) + 0.4 * np.eye(5)
    assert portfolio_vol(weights, vol, rho) == pytest.approx(0.2073, abs=5e-5)


@pytest.mark.parametrize("vol", [NAN, 0.0, -0.1, np.inf])
def test_a_symbol_without_a_usable_volatility_has_no_weight(vol: float) -> None:
    assert inverse_vol_weights(np.array([0.2, vol]), np.ones(2, bool)).tolist() == [1.0, 0.0]
    assert portfolio_vol(np.array([1.0, 0.0]), np.array([0.2, vol]), np.eye(2)) == pytest.approx(0.2)


def test_nothing_eligible_has_no_weights() -> None:
    assert inverse_vol_weights(np.array([0.2, 0.3]), np.zeros(2, bool)).tolist() == [0.0, 0.0]


def test_a_weight_without_volatility_makes_the_risk_unknown() -> None:
    assert np.isnan(portfolio_vol(np.array([1.0, 0.1]), np.array([0.2, NAN]), np.eye(2)))


def test_a_matrix_that_is_not_positive_definite_gives_no_imaginary_risk() -> None:
    assert portfolio_vol(np.array([1.0, 1.0]), np.array([0.2, 0.2]), np.array([[1.0, -2.0], [-2.0, 1.0]])) == 0.0


def test_full_columns_give_the_textbook_correlation() -> None:
    np.testing.assert_allclose(correlation_matrix(RETURNS, 60), np.corrcoef(RETURNS.T), atol=1e-12)


def test_gaps_are_left_out_pair_by_pair() -> None:
    gappy = RETURNS.copy()
    gappy[:50, 1] = NAN
    gappy[110:, 2] = NAN
    rho = correlation_matrix(gappy, 60)
    assert rho[0, 1] == pytest.approx(np.corrcoef(RETURNS[50:, 0], RETURNS[50:, 1])[0, 1])
    assert rho[1, 2] == pytest.approx(np.corrcoef(RETURNS[50:110, 1], RETURNS[50:110, 2])[0, 1])


def test_two_equal_columns_of_which_one_has_gaps_stay_perfectly_correlated() -> None:
    twin = np.column_stack([RETURNS[:, 0], RETURNS[:, 0]])
    twin[::2, 1] = NAN
    np.testing.assert_allclose(correlation_matrix(twin, 60), np.ones((2, 2)))


def test_a_pair_with_too_few_common_rows_brings_no_benefit() -> None:
    gappy = RETURNS.copy()
    gappy[:61, 1] = NAN
    rho = correlation_matrix(gappy, 60)
    assert rho[0, 1] == 1.0
    assert rho[0, 2] < 1.0


def test_a_column_that_never_moves_or_is_never_known_brings_no_benefit() -> None:
    odd = RETURNS.copy()
    odd[:, 0], odd[:, 1] = 0.001, NAN
    np.testing.assert_allclose(correlation_matrix(odd, 60), np.ones((3, 3)))


@given(hnp.arrays(float, (30, 3), elements=st.one_of(st.just(NAN), st.floats(-0.1, 0.1))))
def test_correlations_are_symmetric_and_bounded(returns: np.ndarray) -> None:
    rho = correlation_matrix(returns, 10)
    assert (np.abs(rho) <= 1.0).all()
    np.testing.assert_allclose(rho, rho.T, atol=1e-9)
    assert (np.diag(rho) == 1.0).all()


@given(hnp.arrays(float, 4, elements=st.floats(0.01, 1.0)))
def test_inverse_volatility_weights_carry_equal_volatility(vol: np.ndarray) -> None:
    weights = inverse_vol_weights(vol, np.ones(4, bool))
    assert weights.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(weights * vol, (weights * vol)[0])
