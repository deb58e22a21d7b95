"""Tests of backtests against their worked numbers, plain loops and samples whose answer is known."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from qgtm_core.maths import validation
from qgtm_core.maths.validation import Moments

WORKED = Moments(sharpe=0.08, skewness=-0.5, kurtosis=6.0, periods=1250)


def near(value: float) -> object:
    return pytest.approx(value, abs=5e-4)


def test_the_worked_strategy_beats_zero_but_not_the_best_of_76_trials() -> None:
    assert validation.expected_best_sharpe(76, 4e-4) == near(0.0486)
    assert validation.deflated_sharpe(WORKED, 76, 4e-4) == near(0.8604)
    assert validation.probabilistic_sharpe(WORKED) == near(0.9971)
    assert validation.deflated_sharpe(WORKED, 76, 4e-4) < validation.DSR_GATE


def test_one_trial_is_not_deflated() -> None:
    assert validation.deflated_sharpe(WORKED, 1, 4e-4) == validation.probabilistic_sharpe(WORKED)


def test_the_best_of_many_without_skill_shows_about_the_expected_ratio() -> None:
    best = np.random.default_rng(2).normal(0.0, 0.02, (20_000, 76)).max(axis=1)
    assert validation.expected_best_sharpe(76, 4e-4) == pytest.approx(best.mean(), rel=0.02)


def test_moments_are_those_of_a_statistics_library() -> None:
    r = np.random.default_rng(3).standard_t(5, 900) * 0.01 + 0.001
    got = validation.moments(r)
    assert got.sharpe == pytest.approx(r.mean() / r.std(ddof=1))
    assert got.skewness == pytest.approx(scipy_stats.skew(r))
    assert got.kurtosis == pytest.approx(scipy_stats.kurtosis(r, fisher=False))
    assert got.periods == 900


def test_a_normal_series_has_the_familiar_error_of_a_sharpe_ratio() -> None:
    normal = Moments(0.1, 0.0, 3.0, 401)
    error = math.sqrt((1.0 + 0.1**2 / 2.0) / 400)
    assert validation.probabilistic_sharpe(normal) == pytest.approx(scipy_stats.norm.cdf(0.1 / error))


@pytest.mark.parametrize("returns", [np.zeros(50), np.full(50, 0.01), np.empty(0), np.ones(1)])
def test_a_series_that_never_varies_proves_nothing(returns: np.ndarray) -> None:
    assert math.isnan(validation.probabilistic_sharpe(validation.moments(returns)))


@given(st.floats(-0.3, 0.3), st.floats(-1.0, 1.0), st.floats(2.1, 20.0), st.integers(30, 3000))
def test_a_higher_hurdle_is_never_cleared_with_more_certainty(
    sharpe: float, skewness: float, kurtosis: float, periods: int
) -> None:
    found = Moments(sharpe, skewness, kurtosis, periods)
    sure = [validation.probabilistic_sharpe(found, hurdle) for hurdle in (-0.1, 0.0, 0.1)]
    assert sure == sorted(sure, reverse=True)
    assert all(0.0 <= p <= 1.0 for p in sure)


# --- overfitting


def test_the_second_worst_of_five_has_the_worked_logit() -> None:
    assert validation.rank_logit(np.array([2.0]), 5)[0] == near(-0.6931)


def plain_overfitting(returns: np.ndarray, blocks: int) -> list[tuple[int, float, float]]:
    """(chosen, its Sharpe ratio out of sample, logit) of every split, one at a time."""
    size = len(returns) // blocks
    parts = returns[len(returns) - size * blocks :].reshape(blocks, size, -1)
    out = []
    for train in combinations(range(blocks), blocks // 2):
        rest = [b for b in range(blocks) if b not in train]
        inside, outside = (
            half.mean(axis=0) / half.std(axis=0, ddof=1)
            for half in (np.concatenate(parts[list(train)]), np.concatenate(parts[rest]))
        )
        best = int(inside.argmax())
        share = scipy_stats.rankdata(outside)[best] / (returns.shape[1] + 1)
        out.append((best, float(outside[best]), math.log(share / (1 - share))))
    return out


def test_every_split_is_that_of_a_plain_loop() -> None:
    returns = np.random.default_rng(7).normal(0.0003, 0.01, (205, 7))
    got, want = validation.backtest_overfitting(returns, 8), plain_overfitting(returns, 8)
    assert got.chosen.tolist() == [best for best, _, _ in want]
    assert got.out_of_sample == pytest.approx([sharpe for _, sharpe, _ in want])
    assert got.logit == pytest.approx([logit for _, _, logit in want])
    assert got.probability == sum(logit <= 0 for _, _, logit in want) / 70


def test_sixteen_blocks_make_12870_splits() -> None:
    returns = np.random.default_rng(1).normal(0.0, 0.01, (320, 5))
    found = validation.backtest_overfitting(returns)
    assert found.logit.shape == (math.comb(16, 8),)
    assert 0.2 < found.probability < 0.9  # noise: the choice says little


def test_one_trial_with_skill_is_not_overfitting_and_only_luck_is() -> None:
    returns = np.random.default_rng(4).normal(0.0, 0.01, (1600, 20))
    returns[:, 3] += 0.004
    skilled = validation.backtest_overfitting(returns, 10)
    assert skilled.probability == 0.0
    assert set(skilled.chosen.tolist()) == {3}
    # trials that only lean one way in each half of the time: the best of one half is the worst of the other
    lean = np.where(np.arange(400) < 200, 1.0, -1.0)[:, None] * np.linspace(-0.01, 0.01, 6)
    fooled = validation.backtest_overfitting(lean + np.random.default_rng(5).normal(0, 1e-4, (400, 6)), 2)
    assert fooled.probability == 1.0


def test_a_trial_that_never_trades_has_no_sharpe_ratio_and_breaks_nothing() -> None:
    returns = np.random.default_rng(6).normal(-0.01, 0.01, (160, 3))
    returns[:, 1] = 0.0
    found = validation.backtest_overfitting(returns, 4)
    assert set(found.chosen.tolist()) == {1}
    assert (found.in_sample == 0.0).all()


@given(st.integers(2, 6), st.sampled_from([2, 4, 6]), st.integers(0, 99))
def test_the_scale_of_returns_changes_no_verdict(trials: int, blocks: int, seed: int) -> None:
    returns = np.random.default_rng(seed).normal(0.0, 0.01, (60, trials))
    one, ten = (validation.backtest_overfitting(returns * scale, blocks) for scale in (1.0, 8.0))
    assert one.chosen.tolist() == ten.chosen.tolist()
    assert one.logit.tolist() == ten.logit.tolist()


@pytest.mark.parametrize(("shape", "blocks"), [((100, 1), 4), ((100, 3), 5), ((7, 3), 4), ((100, 3), 0)])
def test_too_little_to_split_is_an_error(shape: tuple[int, int], blocks: int) -> None:
    with pytest.raises(ValueError, match="cannot be split"):
        validation.backtest_overfitting(np.ones(shape), blocks)


# --- walk-forward


def test_steps_train_on_three_years_and_test_on_half_a_year_after_a_gap() -> None:
    steps = list(validation.walk_forward(1100))
    assert [(s.train_stop, s.test_start, s.test_stop) for s in steps] == [
        (756, 777, 903),
        (882, 903, 1029),
        (1008, 1029, 1100),
    ]


@given(st.integers(0, 900), st.integers(1, 200), st.integers(1, 90), st.integers(0, 30))
def test_tests_follow_one_another_and_training_ends_an_embargo_before(
    sessions: int, training: int, test: int, embargo: int
) -> None:
    steps = list(validation.walk_forward(sessions, training, test, embargo))
    tested = [t for s in steps for t in range(s.test_start, s.test_stop)]
    assert tested == list(range(training + embargo, sessions))
    assert all(s.test_start - s.train_stop == embargo and s.train_stop >= training for s in steps)


def test_a_label_settled_in_the_test_trains_nothing() -> None:
    step = validation.Split(train_stop=8, test_start=10, test_stop=15)
    settled = np.arange(20) + 5
    got = validation.purged_training(step, settled)
    assert np.flatnonzero(got).tolist() == [0, 1, 2, 3, 4]
    assert np.flatnonzero(validation.purged_training(step, np.arange(20))).tolist() == list(range(8))


def test_three_months_below_half_the_backtest_is_decay() -> None:
    live = np.full(200, 0.10)
    live[100:180] = 0.02
    flagged = np.flatnonzero(validation.decayed(live, 0.08))
    assert flagged.tolist() == list(range(162, 180))  # the 63rd session below 0.04 on end
    assert not validation.decayed(live, -0.08).any()
    assert not validation.decayed(np.full(200, math.nan), 0.08).any()
    assert validation.decayed(np.empty(0), 0.08).shape == (0,)
