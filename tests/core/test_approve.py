"""Risk approval shrinks targets, never adds to them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qgtm_core.policy import RiskLimits
from qgtm_core.risk.approve import Approval, approve
from qgtm_core.types import Gate, KillTier
from qgtm_core.view import Array, SessionView, leverages, metal_groups
from tests.core.views import SYMBOLS, full, view

NAN = np.nan
EQUITY = 1_000_000.0
LIMITS = RiskLimits()
NO_FLOOR = RiskLimits(min_order_notional_usd=0.0)
NORMAL = Gate(KillTier.NORMAL, "")
NOTHING = np.zeros(4)
NOISE = 1e-9

weights = hnp.arrays(float, 4, elements=st.one_of(st.just(0.0), st.floats(-0.6, 0.6)))
held = hnp.arrays(float, 4, elements=st.one_of(st.just(0.0), st.integers(-5000, 5000).map(float)))
volumes = hnp.arrays(float, 4, elements=st.one_of(st.just(NAN), st.just(0.0), st.floats(100, 1e6)))
tiers = st.sampled_from(list(KillTier))


def ask(
    target: float | list[float] | Array,
    current: float | list[float] | Array = 0.0,
    tier: KillTier = KillTier.NORMAL,
    limits: RiskLimits = LIMITS,
    equity: float = EQUITY,
    market: SessionView | None = None,
) -> Approval:
    return approve(market or view(), full(target), full(current), equity, Gate(tier, "why"), limits)  # type: ignore[arg-type]


def test_a_target_within_all_limits_passes_unchanged() -> None:
    approval = ask([0.10, 0.05, 0.0, 0.02])
    np.testing.assert_allclose(approval.approved_shares, [1000, 500, 0, 200])
    np.testing.assert_allclose(approval.approved_shares, approval.wanted_shares)
    np.testing.assert_allclose(approval.approved_weight, [0.10, 0.05, 0.0, 0.02])
    assert approval.reasons == ("", "", "", "")


def test_a_leveraged_fund_may_hold_half_as_much() -> None:
    approval = ask([0.30, 0.0, 0.0, 0.20])
    np.testing.assert_allclose(approval.approved_weight, [0.25, 0, 0, 0.125])
    assert approval.reasons == ("POSITION_LIMIT", "", "", "POSITION_LIMIT")


def test_one_metal_is_scaled_as_a_whole_counting_leverage() -> None:
    limits = RiskLimits(max_metal_weight=0.3)
    approval = ask([0.20, 0.25, 0.0, 0.10], limits=limits)
    np.testing.assert_allclose(approval.approved_weight, [0.15, 0.25, 0, 0.075])
    assert approval.reasons == ("CONCENTRATION", "", "", "CONCENTRATION")


def test_gross_is_scaled_after_the_metals() -> None:
    approval = ask([0.25, 0.25, 0.25, 0.0], limits=RiskLimits(max_gross_weight=0.5))
    np.testing.assert_allclose(approval.approved_weight, [1 / 6, 1 / 6, 1 / 6, 0])
    assert approval.reasons == ("GROSS_LIMIT", "GROSS_LIMIT", "GROSS_LIMIT", "")


def test_throttle_halves_additions_only() -> None:
    approval = ask([0.10, 0.05, 0.0, 0.0], [0, 1000, 0, 0], KillTier.THROTTLE)
    np.testing.assert_allclose(approval.approved_shares, [500, -500, 0, 0])
    assert approval.reasons == ("THROTTLE", "", "", "")


def test_no_new_keeps_reductions_only_and_stops_a_reversal_at_nothing() -> None:
    approval = ask([0.10, 0.05, -0.10, 0.0], [0, 1000, 300, -200], KillTier.NO_NEW)
    np.testing.assert_allclose(approval.approved_shares, [0, -500, -300, 200])
    assert approval.reasons == ("NO_NEW", "", "NO_NEW", "")


def test_warn_changes_nothing() -> None:
    target, shares = [0.1, 0.2, 0.0, 0.0], [50.0, 0, 70, 0]
    warned, normal = ask(target, shares, KillTier.WARN), ask(target, shares)
    assert warned.approved_shares.tolist() == normal.approved_shares.tolist()


def test_flatten_closes_whatever_is_held_of_whatever_volume_or_price() -> None:
    market = view(mid=[100, 100, NAN, 100], adv=[NAN, 10, 1e6, 1e6])
    approval = ask([0.25, 0.2, 0.1, 0.1], [1, 500, 30, -20.5], KillTier.FLATTEN, market=market)
    assert approval.approved_shares.tolist() == [-1, -500, -30, 20.5]
    assert approval.approved_weight.tolist() == [0, 0, 0, 0]
    assert approval.reasons == ("FLATTEN", "FLATTEN", "NO_QUOTE,FLATTEN", "FLATTEN")


def test_an_order_is_cut_to_its_share_of_volume() -> None:
    approval = ask([0.20, 0, 0, 0], [0, 2000, 0, 0], market=view(adv=[10_000, 10_000, 1e6, 1e6]))
    assert approval.approved_shares.tolist() == [500, -500, 0, 0]
    assert approval.reasons == ("ADV_LIMIT", "ADV_LIMIT", "", "")


@pytest.mark.parametrize("volume", [NAN, 0.0])
def test_an_unknown_volume_allows_nothing_new_but_holds_nobody_in(volume: float) -> None:
    approval = ask([0.10, 0, -0.1, 0.05], [0, 2000, 500, 900], market=view(adv=volume))
    np.testing.assert_allclose(approval.approved_shares, [0, -2000, -500, -400])
    assert approval.reasons == ("NO_VOLUME", "", "NO_VOLUME", "")


def test_a_purchase_must_fit_beside_what_could_not_be_sold() -> None:
    limits = RiskLimits(max_position_weight=0.5, max_metal_weight=0.4, max_gross_weight=0.5)
    market = view(symbols=("GLD", "IAU", "SLV", "GDX"), adv=[10_000, 1e6, 1e6, 1e6])
    approval = ask([0.0, 0.4, 0.1, 0.0], [3000, 0, 0, 0], limits=limits, market=market)
    np.testing.assert_allclose(approval.approved_weight, [0.25, 0.15, 0.1, 0])
    assert approval.reasons == ("ADV_LIMIT", "CONCENTRATION", "", "")
    tighter = RiskLimits(max_position_weight=0.5, max_metal_weight=0.4, max_gross_weight=0.45)
    approval = ask([0.0, 0.3, 0.15, 0.0], [3000, 0, 0, 0], limits=tighter, market=market)
    np.testing.assert_allclose(np.abs(approval.approved_weight).sum(), 0.45)
    assert approval.reasons == ("ADV_LIMIT", "CONCENTRATION,GROSS_LIMIT", "GROSS_LIMIT", "")


def test_a_small_order_is_dropped_unless_it_closes() -> None:
    approval = ask([0.00015, 0.0, 0.0001, 0.0], [0, 1, 3, 0])
    np.testing.assert_allclose(approval.approved_shares, [0, -1, 0, 0])
    assert approval.reasons == ("TOO_SMALL", "", "TOO_SMALL", "")


def test_without_a_quote_nothing_is_traded_and_the_weight_is_unknown() -> None:
    approval = ask([0.1, 0.1, 0.0, 0.0], [0, 100, 100, 0], market=view(mid=[NAN, NAN, NAN, 100], score=NAN))
    assert approval.approved_shares.tolist() == [0, 0, 0, 0]
    np.testing.assert_equal(approval.approved_weight, [0, NAN, NAN, 0])
    assert approval.reasons == ("NO_QUOTE", "NO_QUOTE", "NO_QUOTE", "")


def test_an_opinion_that_cannot_be_sized_says_why() -> None:
    market = view(mid=[NAN, 100, 100, 100], vol=[0.2, NAN, 0.2, NAN], score=[0.5, 0.5, 0.5, NAN])
    approval = ask(0.0, market=market)
    assert approval.reasons == ("NO_QUOTE", "NO_VOLATILITY", "", "")
    assert approval.approved_shares.tolist() == [0, 0, 0, 0]


def test_a_target_nobody_knows_changes_nothing() -> None:
    approval = ask([NAN, NAN, 0.1, 0], [500, 0, 0, 0])
    np.testing.assert_allclose(approval.approved_shares, [0, 0, 1000, 0])
    np.testing.assert_allclose(approval.wanted_shares, [0, 0, 1000, 0])


@pytest.mark.parametrize("equity", [0.0, -5000.0])
def test_a_book_without_equity_buys_nothing(equity: float) -> None:
    approval = ask([0.2, 0.1, 0.1, 0], [100, 0, -10, 0], equity=equity)
    assert approval.approved_shares.tolist() == [0, 0, 0, 0]
    assert approval.approved_weight.tolist() == [0, 0, 0, 0]


@given(weights, held, volumes, tiers)
def test_approval_never_adds_risk_beyond_target_or_book(
    target: Array, shares: Array, adv: Array, tier: KillTier
) -> None:
    approval = ask(target, shares, tier, market=view(adv=adv.tolist()))
    before, after = shares * 100 / EQUITY, approval.approved_weight
    assert (np.abs(after) <= np.maximum(np.abs(before), np.abs(target)) + NOISE).all()
    same_way = (after * before >= -NOISE) | (after * target >= -NOISE)
    assert same_way.all()
    assert np.isfinite(approval.approved_shares).all()


@given(weights, held, volumes, tiers)
def test_what_was_bought_holds_every_cap(target: Array, shares: Array, adv: Array, tier: KillTier) -> None:
    approval = ask(target, shares, tier, NO_FLOOR, market=view(adv=adv.tolist()))
    before, after, lever = shares * 100 / EQUITY, approval.approved_weight, leverages(SYMBOLS)
    added = np.abs(after) > np.abs(before) + NOISE
    assert (np.abs(after)[added] * lever[added] <= LIMITS.max_position_weight + NOISE).all()
    for metal in metal_groups(SYMBOLS) > 0:
        if (added & metal).any():
            assert (np.abs(after) * lever)[metal].sum() <= LIMITS.max_metal_weight + 1e-6
    if added.any():
        assert (np.abs(after) * lever).sum() <= LIMITS.max_gross_weight + 1e-6


@given(weights, held, volumes)
def test_no_new_never_lets_a_position_grow(target: Array, shares: Array, adv: Array) -> None:
    approval = ask(target, shares, KillTier.NO_NEW, market=view(adv=adv.tolist()))
    after = shares + approval.approved_shares
    assert (np.abs(after) <= np.abs(shares) + NOISE).all()
    assert (after * shares >= -NOISE).all()


@given(weights, held, volumes)
def test_throttle_buys_at_most_half_of_what_normal_does(target: Array, shares: Array, adv: Array) -> None:
    market = view(adv=adv.tolist())
    throttled = ask(target, shares, KillTier.THROTTLE, NO_FLOOR, market=market)
    wide = dataclasses.replace(NO_FLOOR, max_metal_weight=9.0, max_gross_weight=9.0)
    plain = ask(target, shares, KillTier.NORMAL, wide, market=market)
    grown = np.abs(shares + throttled.approved_shares) - np.abs(shares)
    assert (grown <= np.maximum(np.abs(plain.wanted_shares) / 2, 0) + 1e-6).all()


@given(weights, held, volumes)
def test_flatten_leaves_nothing(target: Array, shares: Array, adv: Array) -> None:
    approval = ask(target, shares, KillTier.FLATTEN, market=view(adv=adv.tolist()))
    assert (shares + approval.approved_shares == 0).all()


@given(weights, held, volumes, tiers)
def test_approving_twice_gives_the_same(target: Array, shares: Array, adv: Array, tier: KillTier) -> None:
    market = view(adv=adv.tolist())
    here, there = ask(target, shares, tier, market=market), ask(target, shares, tier, market=market)
    assert here.approved_shares.tolist() == there.approved_shares.tolist()
    assert here.reasons == there.reasons


@given(held)
def test_closing_is_never_blocked_by_an_unknown_volume(shares: Array) -> None:
    approval = ask(0.0, shares, market=view(adv=NAN))
    np.testing.assert_allclose(shares + approval.approved_shares, 0.0, atol=1e-6)


def test_a_reason_is_given_once_however_often_it_applies() -> None:
    market = view(symbols=("GLD", "IAU", "SLV", "GDX"), adv=[10_000, 1e6, 1e6, 1e6])
    limits = RiskLimits(max_position_weight=0.5, max_metal_weight=0.3)
    approval = ask([0.1, 0.4, 0.0, 0.0], [2500, 0, 0, 0], limits=limits, market=market)
    assert approval.reasons == ("CONCENTRATION,ADV_LIMIT", "CONCENTRATION", "", "")
    np.testing.assert_allclose(approval.approved_weight, [0.2, 0.1, 0, 0])
