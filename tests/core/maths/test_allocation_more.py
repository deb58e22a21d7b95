"""Weights of M27 to M30 against their worked numbers and their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qgtm_core.maths.allocation import (
    Linkage,
    equal_risk_contribution,
    hierarchical_risk_parity,
    inverse_volatility,
    kelly,
)

SIGMA = np.array([0.15, 0.30, 0.28, 0.35])
RHO = np.array([[1.0, 0.8, 0.5, 0.4], [0.8, 1.0, 0.6, 0.5], [0.5, 0.6, 1.0, 0.7], [0.4, 0.5, 0.7, 1.0]])
WORKED = RHO * np.outer(SIGMA, SIGMA)


def covariance(seed: int, n: int) -> np.ndarray:
    return np.cov(np.random.default_rng(seed).normal(size=(3 * n + 5, n)), rowvar=False).reshape(n, n)


def test_inverse_volatility_gives_each_the_same_stand_alone_risk() -> None:
    weights = inverse_volatility(SIGMA)
    assert weights.sum() == pytest.approx(1.0)
    assert weights * SIGMA == pytest.approx(np.full(4, weights[0] * 0.15))
    assert inverse_volatility(np.array([0.15, np.nan, 0.30])).tolist() == pytest.approx([2 / 3, 0.0, 1 / 3])


def test_equal_risk_contribution_gives_the_worked_weights() -> None:
    sigma, rho = np.array([0.15, 0.30, 0.28]), np.array([[1.0, 0.8, 0.5], [0.8, 1.0, 0.6], [0.5, 0.6, 1.0]])
    assert equal_risk_contribution(rho * np.outer(sigma, sigma)) == pytest.approx([0.4869, 0.2334, 0.2797], abs=5e-4)


def test_hierarchical_risk_parity_gives_the_worked_weights() -> None:
    assert hierarchical_risk_parity(WORKED) == pytest.approx([0.5853, 0.1463, 0.1637, 0.1048], abs=5e-4)


def test_two_assets_share_in_inverse_proportion_to_their_variances() -> None:
    got = hierarchical_risk_parity(WORKED[:2, :2])
    assert got == pytest.approx([0.30**2 / (0.15**2 + 0.30**2), 0.15**2 / (0.15**2 + 0.30**2)])


def test_one_asset_gets_all() -> None:
    assert hierarchical_risk_parity(np.array([[0.04]])).tolist() == [1.0]


def test_without_correlation_hierarchical_risk_parity_is_inverse_variance() -> None:
    variance = np.array([0.01, 0.04, 0.09, 0.16])
    assert hierarchical_risk_parity(np.diag(variance)) == pytest.approx(1 / variance / (1 / variance).sum())


@given(st.integers(0, 999), st.integers(1, 9))
def test_hierarchical_weights_are_positive_and_sum_to_one_whatever_the_unit(seed: int, n: int) -> None:
    matrix = covariance(seed, n)
    weights = hierarchical_risk_parity(matrix)
    assert (weights > 0.0).all()
    assert weights.sum() == pytest.approx(1.0)
    assert hierarchical_risk_parity(matrix * 4.0) == pytest.approx(weights)


@pytest.mark.parametrize("n", [2, 7, 20])
def test_by_pairs_in_optimal_order_hierarchical_risk_parity_is_that_of_skfolio(n: int) -> None:
    from skfolio.cluster import HierarchicalClustering, LinkageMethod
    from skfolio.distance import PearsonDistance
    from skfolio.optimization import HierarchicalRiskParity
    from skfolio.seriation import HierarchicalSeriation

    mixed = np.random.default_rng(n).normal(0.0, 0.01, (300, n)) @ np.random.default_rng(1).normal(size=(n, n))
    tree = HierarchicalSeriation(
        hierarchical_clustering_estimator=HierarchicalClustering(linkage_method=LinkageMethod.SINGLE)
    )
    theirs = HierarchicalRiskParity(distance_estimator=PearsonDistance(), seriation_estimator=tree)
    ours = hierarchical_risk_parity(np.cov(mixed, rowvar=False), linkage=Linkage.PAIRS, optimal_order=True)
    np.testing.assert_allclose(ours, theirs.fit(mixed).weights_, atol=1e-12)


@pytest.mark.parametrize("bad", [np.array([[0.04, 0.0], [0.0, 0.0]]), np.array([[0.04, np.nan], [np.nan, 0.04]])])
def test_an_asset_without_variance_leaves_no_weights(bad: np.ndarray) -> None:
    assert np.isnan(hierarchical_risk_parity(bad)).all()


def test_kelly_gives_the_worked_leverage() -> None:
    mean, variance = np.array([0.06]), np.array([[0.04]])
    assert kelly(mean, variance, 1.0)[0] == pytest.approx(1.50)
    assert kelly(mean, variance)[0] == pytest.approx(0.75)


@given(st.integers(0, 999), st.integers(1, 6))
def test_no_other_leverage_grows_faster(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    matrix, mean = covariance(seed, n), rng.normal(0, 0.1, n)
    best = kelly(mean, matrix, 1.0)

    def growth(w: np.ndarray) -> float:
        return float(w @ mean - w @ matrix @ w / 2.0)

    assert growth(best) >= growth(best + rng.normal(0, 0.1, n)) - 1e-12


def test_a_covariance_that_is_none_gives_no_leverage() -> None:
    assert np.isnan(kelly(np.array([0.1, 0.1]), np.array([[1.0, 2.0], [2.0, 1.0]]))).all()
    assert np.isnan(kelly(np.array([0.1]), np.array([[np.nan]]))).all()
