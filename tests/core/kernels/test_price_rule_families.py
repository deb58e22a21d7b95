"""Rules on prices: each family against its definition, what is missing, no look-ahead, and the walk-forward book."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from qgtm_core.backtest.research.price_rules import (
    Family,
    PriceRule,
    grid,
    signal,
    target_weights,
    volatility_scale,
    walk_forward,
)
from qgtm_core.errors import DataError
from qgtm_core.maths.cross_validation import Fold, rolling_folds
from qgtm_core.maths.threads import each

RNG = np.random.default_rng(3)
PRICE = 50 * np.exp(np.cumsum(RNG.normal(0, 0.02, (200, 4)), axis=0))
FRAME = pd.DataFrame(PRICE)
ALL = (
    *grid(Family.MOMENTUM, [10]),
    *grid(Family.CROSSOVER, [(5, 20)]),
    *grid(Family.REVERSION, [10]),
    *grid(Family.CHANNEL, [10]),
    *grid(Family.RANK, [10]),
)


def by_definition(rule: PriceRule) -> pd.DataFrame:
    n, rolled = rule.lookback, FRAME.rolling(rule.lookback)
    if rule.family is Family.MOMENTUM:
        return np.sign(FRAME / FRAME.shift(n) - 1)
    if rule.family is Family.CROSSOVER:
        return np.sign(rolled.mean() - FRAME.rolling(rule.slow).mean())
    if rule.family is Family.REVERSION:
        return -((FRAME - rolled.mean()) / rolled.std()).clip(-2, 2) / 2
    if rule.family is Family.CHANNEL:
        return 2 * (FRAME - rolled.min()) / (rolled.max() - rolled.min()) - 1
    return 2 * ((FRAME / FRAME.shift(n)).rank(axis=1) - 1) / 3 - 1


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.family.lower())
def test_a_rule_says_what_its_definition_says(rule: PriceRule) -> None:
    np.testing.assert_allclose(signal(PRICE, rule), by_definition(rule), atol=1e-9)


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.family.lower())
def test_no_rule_knows_prices_to_come(rule: PriceRule) -> None:
    np.testing.assert_array_equal(signal(PRICE[:120], rule), signal(PRICE, rule)[:120])


def test_a_missing_price_silences_a_rule_as_long_as_it_looks_back() -> None:
    price = PRICE.copy()
    price[100, 0] = np.nan
    for rule in ALL:
        silent = np.isnan(signal(price, rule)[60:, 0])
        reach = rule.slow or rule.lookback
        last = reach if rule.family in {Family.MOMENTUM, Family.RANK} else reach - 1
        assert silent[40]
        assert not silent[:40].any()
        assert not silent[41 + last :].any()
        assert np.isfinite(signal(price, rule)[60:, 1:]).all()


def test_prices_that_do_not_move_give_no_reversion_and_no_channel_and_no_crossing() -> None:
    flat = np.full((60, 2), 0.1)
    assert np.isnan(signal(flat, PriceRule(Family.REVERSION, 10))).all()
    assert np.isnan(signal(flat, PriceRule(Family.CHANNEL, 10))).all()
    assert (signal(flat, PriceRule(Family.CROSSOVER, 7, 21))[20:] == 0.0).all()
    assert np.isnan(signal(PRICE[:, :1], PriceRule(Family.RANK, 10))).all()


def test_scaling_gives_each_position_the_target_volatility_up_to_the_cap() -> None:
    found = volatility_scale(PRICE, 20, 0.10, 2.0)
    wanted = (0.10 / (FRAME.pct_change().rolling(20).std() * np.sqrt(252))).clip(upper=2.0) / 4
    np.testing.assert_allclose(found, wanted, rtol=1e-9)
    assert volatility_scale(np.full((30, 2), 5.0), 20)[-1].tolist() == [1.0, 1.0]  # the cap over two instruments


def test_weights_come_in_force_after_the_prices_they_saw() -> None:
    weight = target_weights(PRICE, ALL, delay=2)
    assert weight.shape == (5, 200, 4)
    assert (weight[:, :2] == 0.0).all()
    for k, rule in enumerate(ALL):
        np.testing.assert_array_equal(weight[k, 2:], np.nan_to_num(signal(PRICE, rule)[:-2] / 4))
    assert (target_weights(PRICE[:3], ALL, delay=9) == 0.0).all()


def test_the_number_of_threads_changes_no_bit() -> None:
    scale = volatility_scale(PRICE)
    assert np.array_equal(target_weights(PRICE, ALL, scale, threads=1), target_weights(PRICE, ALL, scale, threads=3))


def test_the_first_error_of_a_thread_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        each(lambda part: 1 / (part - 2), 4, threads=2)


def test_shares_go_by_inverse_volatility_to_books_that_earned_in_training() -> None:
    wave = np.where(np.arange(100) % 2 == 0, 1.0, -1.0)
    returns = np.stack([0.001 + 0.01 * wave, 0.001 + 0.02 * wave, -0.001 + 0.01 * wave])
    weight = RNG.normal(size=(3, 100, 2))
    [fold] = rolling_folds(100, 40, 50, 5)[:1]
    found = walk_forward(returns, weight, [fold])
    np.testing.assert_allclose(found.share, [[2 / 3, 1 / 3, 0.0]])
    np.testing.assert_allclose(found.weight[fold.test], (2 * weight[0] + weight[1])[fold.test] / 3)
    assert np.isnan(found.weight[~fold.test]).all()


def test_where_no_book_earned_all_have_the_same_share_and_tests_may_stand_apart() -> None:
    row = np.arange(10)
    fold = Fold(row < 5, (row == 6) | (row == 8), "01")
    found = walk_forward(np.full((2, 10), -0.01), np.ones((2, 10, 1)), [fold])
    assert found.share.tolist() == [[0.5, 0.5]]
    assert np.flatnonzero(np.isfinite(found.weight[:, 0])).tolist() == [6, 8]


def test_a_walk_forward_that_cannot_be_is_refused() -> None:
    row, ones = np.arange(10), np.ones((1, 10, 1))
    fold = Fold(row < 5, row > 6, "01")
    with pytest.raises(DataError, match="tested before"):
        walk_forward(np.zeros((1, 10)), ones, [fold, fold])
    with pytest.raises(DataError, match="missing returns"):
        walk_forward(np.full((1, 10), np.nan), ones, [fold])


@pytest.mark.parametrize(
    ("family", "given"),
    [(Family.MOMENTUM, (0,)), (Family.MOMENTUM, (5, 10)), (Family.CROSSOVER, (5,)), (Family.CROSSOVER, (10, 5))],
)
def test_a_rule_that_cannot_be_is_refused(family: Family, given: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="price rule"):
        PriceRule(family, *given)
