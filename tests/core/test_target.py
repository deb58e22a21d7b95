"""Opinions into target weights."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qgtm_core.policy import PortfolioPolicy
from qgtm_core.portfolio.target import Target, build_target
from tests.core.views import full, view

NAN = np.nan
POLICY = PortfolioPolicy()
some_scores = hnp.arrays(float, (3, 4), elements=st.one_of(st.just(NAN), st.floats(-1, 1)))
some_vols = hnp.arrays(float, 4, elements=st.one_of(st.just(NAN), st.floats(0.05, 0.8)))


def target(policy: PortfolioPolicy = POLICY, current: float | list[float] = 0.0, **market: object) -> Target:
    found = view(**market)  # type: ignore[arg-type]
    return build_target(found, full(current), ["trend"] * len(found.strategies), policy)


def test_equal_opinions_on_perfectly_correlated_symbols_carry_equal_risk_up_to_the_target() -> None:
    policy = PortfolioPolicy(correlation_min_obs=10_000)  # every pair counts as perfectly correlated
    found = target(policy, vol=[0.1, 0.2, 0.4, 0.2], score=1.0)
    np.testing.assert_allclose(found.target_weight * [0.1, 0.2, 0.4, 0.2], 0.025)
    assert found.annual_vol == pytest.approx(0.10)


def test_weak_opinions_are_scaled_up_no_further_than_the_multiplier() -> None:
    found = target(score=0.1, vol=0.2)
    np.testing.assert_allclose(found.target_weight, 3.0 * 0.1 * 0.25)
    assert found.annual_vol < 0.10


def test_a_symbol_without_opinion_volatility_or_quote_gets_nothing() -> None:
    found = target(score=[NAN, 0.5, 0.5, 0.5], vol=[0.2, NAN, 0.2, 0.2], mid=[100, 100, NAN, 100])
    assert found.target_weight[:3].tolist() == [0, 0, 0]
    assert found.target_weight[3] > 0
    assert np.isnan(found.conviction[0])
    assert found.opinions.tolist() == [0, 1, 1, 1]


def test_no_opinions_at_all_close_the_book() -> None:
    found = target(score=NAN, current=[0.2, 0.0, -0.1, 0.001])
    assert found.target_weight.tolist() == [0, 0, 0, 0]
    assert found.annual_vol == 0.0


def test_a_book_that_may_not_be_short_has_no_negative_target() -> None:
    found = target(score=[-0.5, 0.5, -1.0, 0.2], current=[-0.1, 0, 0.3, 0])
    assert found.target_weight[0] == 0.0
    assert found.target_weight[2] == 0.0
    assert target(PortfolioPolicy(allow_short=True), score=[-0.5, 0.5, -1.0, 0.2]).target_weight[2] < 0.0


def test_a_change_inside_the_band_keeps_the_current_weight() -> None:
    wanted = target(score=0.1).target_weight
    kept = target(score=0.1, current=(wanted + np.array([0.004, -0.004, 0.006, 0.0])).tolist())
    np.testing.assert_allclose(kept.target_weight - wanted, [0.004, -0.004, 0.0, 0.0], atol=1e-12)


def test_the_band_keeps_neither_a_closed_opinion_nor_the_wrong_side() -> None:
    found = target(score=[0.0, 0.004, 0.004, 0.004], current=[0.004, -0.001, 0.0, 0.0])
    assert found.target_weight[0] == 0.0
    assert found.target_weight[1] > 0.0


def test_scores_of_zero_are_an_opinion_to_hold_nothing() -> None:
    found = target(score=0.0, current=0.1)
    assert found.target_weight.tolist() == [0, 0, 0, 0]
    assert found.conviction.tolist() == [0, 0, 0, 0]


@given(some_scores, some_vols, st.booleans())
def test_targets_are_finite_within_volatility_and_on_the_side_of_conviction(
    score: np.ndarray, vol: np.ndarray, short: bool
) -> None:
    policy = PortfolioPolicy(allow_short=short, no_trade_band_weight=0.0, correlation_min_obs=10_000)
    found = target(policy, score=score, vol=vol.tolist())
    assert np.isfinite(found.target_weight).all()
    assert found.annual_vol <= policy.annual_vol_target + 1e-9
    side = np.nan_to_num(found.conviction) * found.target_weight
    assert (side >= 0).all()
    assert short or (found.target_weight >= 0).all()
    assert np.abs(found.target_weight).sum() <= policy.max_multiplier + 1e-9
