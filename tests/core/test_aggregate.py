"""Opinions of many strategies into one conviction a symbol."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qgtm_core.portfolio.aggregate import aggregate, strategy_budgets

NAN = np.nan
opinions = hnp.arrays(float, (4, 3), elements=st.one_of(st.just(NAN), st.floats(-1, 1)))
trust = hnp.arrays(float, (4, 3), elements=st.floats(0, 1))
caps_of = st.dictionaries(st.sampled_from("abc"), st.floats(0, 1), max_size=3)


def test_budgets_are_equal_without_caps() -> None:
    assert strategy_budgets(["a", "b", "b", "c"], {}).tolist() == [0.25] * 4


def test_a_capped_cluster_gives_up_to_the_others() -> None:
    budgets = strategy_budgets(["momentum", "momentum", "momentum", "value"], {"momentum": 0.25})
    np.testing.assert_allclose(budgets, [1 / 12, 1 / 12, 1 / 12, 0.75])


def test_capping_one_cluster_does_not_lift_another_over_its_cap() -> None:
    budgets = strategy_budgets(["a"] * 3 + ["b"] * 6 + ["c"], {"a": 0.25, "b": 0.25})
    np.testing.assert_allclose([budgets[:3].sum(), budgets[3:9].sum(), budgets[9]], [0.25, 0.25, 0.5])


@pytest.mark.parametrize(("caps", "total"), [({"a": 0.2}, 1.0), ({"a": 0.0}, 0.0)])
def test_a_cluster_alone_has_the_whole_budget_unless_its_cap_is_zero(caps: dict[str, float], total: float) -> None:
    assert strategy_budgets(["a", "a"], caps).sum() == pytest.approx(total)


def test_no_strategies_have_no_budget() -> None:
    assert strategy_budgets([], {"momentum": 0.25}).tolist() == []


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=12), caps_of)
def test_budgets_sum_to_one_and_hold_every_cap_that_can_hold(clusters: list[str], caps: dict[str, float]) -> None:
    budgets = strategy_budgets(clusters, caps)
    total = sum(caps.get(c, 1.0) for c in set(clusters))
    assert (budgets >= 0).all()
    if total > 1e-6:
        assert budgets.sum() == pytest.approx(1.0)
    if total >= 1.0:
        for cluster, cap in caps.items():
            assert budgets[np.array(clusters) == cluster].sum() <= cap + 1e-9


def test_one_without_a_signal_is_left_out_of_the_mean() -> None:
    score = np.array([[0.8, NAN, NAN], [NAN, 0.5, NAN], [0.2, -0.5, NAN]])
    conviction, disagreement = aggregate(score, np.ones((3, 3)), np.full(3, 1 / 3))
    np.testing.assert_allclose(conviction, [0.5, 0.0, NAN])
    np.testing.assert_allclose(disagreement, [0.0, 1.0, 0.0])


def test_votes_weigh_by_budget_and_confidence() -> None:
    conviction, disagreement = aggregate(np.array([[1.0], [-1.0]]), np.array([[0.5], [1.0]]), np.array([0.8, 0.2]))
    np.testing.assert_allclose(conviction, [0.2])
    np.testing.assert_allclose(disagreement, [1 - 0.2 / 0.6])


def test_an_unknown_confidence_is_no_opinion() -> None:
    conviction, _ = aggregate(np.array([[0.9], [0.1]]), np.array([[NAN], [1.0]]), np.array([0.5, 0.5]))
    np.testing.assert_allclose(conviction, [0.1])


@given(opinions, trust)
def test_conviction_lies_within_the_opinions(score: np.ndarray, confidence: np.ndarray) -> None:
    conviction, disagreement = aggregate(score, confidence, np.full(4, 0.25))
    assert ((disagreement >= 0) & (disagreement <= 1)).all()
    assert (np.isfinite(conviction) == np.isfinite(score).any(axis=0)).all()
    assert (np.abs(conviction[np.isfinite(conviction)]) <= 1).all()


@given(opinions, trust, st.permutations(range(4)))
def test_the_order_of_strategies_does_not_matter(score: np.ndarray, confidence: np.ndarray, order: list[int]) -> None:
    here = aggregate(score, confidence, np.full(4, 0.25))
    there = aggregate(score[order], confidence[order], np.full(4, 0.25))
    np.testing.assert_allclose(here[0], there[0], atol=1e-12)
