"""Published examples of the verdicts on backtests, small cases enumerated by hand, and what pure noise gets.

PSR: Bailey and López de Prado, The Sharpe ratio efficient frontier (2012). DSR: the same, The deflated Sharpe ratio
(2014). PBO: Bailey, Borwein, López de Prado and Zhu (2017). Digits beyond the printed ones were computed with 40-digit
arithmetic from the printed inputs.
"""

from __future__ import annotations

import math
import statistics
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import noise
from benchmarks.tables import markdown
from qgtm_core.maths import validation
from qgtm_core.maths.validation import Moments

DAILY_SHARPE, VARIANCE = 2.5 / math.sqrt(250), 0.5 / 250  # an annual ratio of 2.5; an annual variance of one half
HEDGE_FUND = {"sharpe": 0.458, "periods": 24}  # monthly returns of two years


def exactly(value: float) -> object:
    return pytest.approx(value, abs=1e-9, rel=0)


def printed(value: float, digits: int = 4) -> object:
    return pytest.approx(value, abs=0.5 * 10.0**-digits, rel=0)


# --- Sharpe ratios


@pytest.mark.parametrize(
    ("skewness", "kurtosis", "in_print", "digits"),
    [(0.0, 3.0, 0.982, 0.98167491909108), (-2.448, 10.164, 0.913, 0.91336108386093)],
)
def test_the_two_year_hedge_fund_is_less_sure_of_its_skill_with_its_own_tails(
    skewness: float, kurtosis: float, in_print: float, digits: float
) -> None:
    got = validation.probabilistic_sharpe(Moments(skewness=skewness, kurtosis=kurtosis, **HEDGE_FUND))
    assert got == exactly(digits)
    assert got == printed(in_print, 3)


def test_the_best_of_a_hundred_trials_shows_the_published_ratio_without_skill() -> None:
    got = validation.expected_best_sharpe(100, VARIANCE)
    assert got == exactly(0.11317200186513)
    assert got == printed(0.1132)


@pytest.mark.parametrize(
    ("trials", "skewness", "kurtosis", "in_print", "digits"),
    [
        (100, -3.0, 10.0, 0.9004, 0.90039683444939),  # rejected
        (46, -3.0, 10.0, 0.9505, 0.95050170687558),  # so many trials would have been allowed
        (88, 0.0, 3.0, 0.9505, 0.95049081667601),  # and so many had returns been normal
    ],
)
def test_five_years_at_two_and_a_half_are_deflated_as_published(
    trials: int, skewness: float, kurtosis: float, in_print: float, digits: float
) -> None:
    got = validation.deflated_sharpe(Moments(DAILY_SHARPE, skewness, kurtosis, 1250), trials, VARIANCE)
    assert got == exactly(digits)
    assert got == printed(in_print)


def test_the_worked_check_of_m37_holds_to_nine_digits() -> None:
    worked = Moments(sharpe=0.08, skewness=-0.5, kurtosis=6.0, periods=1250)
    assert validation.expected_best_sharpe(76, 4e-4) == exactly(0.048649826329765)
    assert validation.deflated_sharpe(worked, 76, 4e-4) == exactly(0.86043643083119)
    assert validation.probabilistic_sharpe(worked) == exactly(0.99712572309565)


@given(st.floats(-0.3, 0.3), st.floats(-1.0, 1.0), st.floats(2.1, 20.0), st.integers(30, 3000), st.integers(2, 10_000))
def test_the_formula_is_that_of_the_paper(
    sharpe: float, skewness: float, kurtosis: float, periods: int, trials: int
) -> None:
    normal, gamma = statistics.NormalDist(), 0.577215664901532860
    hurdle = math.sqrt(VARIANCE) * (
        (1.0 - gamma) * normal.inv_cdf(1.0 - 1.0 / trials) + gamma * normal.inv_cdf(1.0 - 1.0 / (trials * math.e))
    )
    error = math.sqrt((1.0 - skewness * sharpe + (kurtosis - 1.0) / 4.0 * sharpe**2) / (periods - 1))
    assert validation.expected_best_sharpe(trials, VARIANCE) == exactly(hurdle)
    got = validation.deflated_sharpe(Moments(sharpe, skewness, kurtosis, periods), trials, VARIANCE)
    assert got == exactly(normal.cdf((sharpe - hurdle) / error))


# --- overfitting


def plain_ratio(returns: list[float]) -> float:
    return statistics.fmean(returns) / statistics.stdev(returns)


def test_the_worked_check_of_m38_holds_to_nine_digits() -> None:
    assert validation.rank_logit(np.array([2.0]), 5)[0] == exactly(-math.log(2.0))


@pytest.mark.parametrize(("blocks", "seed"), [(2, 0), (4, 1), (6, 2), (8, 3)])
def test_every_split_of_a_small_sample_is_that_of_an_enumeration_by_hand(blocks: int, seed: int) -> None:
    returns = np.random.default_rng(seed).integers(-9, 10, (3 * blocks, 4)) / 1000.0
    days = [tuple(range(3 * block, 3 * block + 3)) for block in range(blocks)]
    got = validation.backtest_overfitting(returns, blocks)
    want = []
    for train in combinations(range(blocks), blocks // 2):
        inside, outside = [], []
        for trial in returns.T.tolist():
            inside.append(plain_ratio([trial[day] for block in train for day in days[block]]))
            outside.append(plain_ratio([trial[day] for b in set(range(blocks)) - set(train) for day in days[b]]))
        best = inside.index(max(inside))
        rank = 1 + sum(ratio < outside[best] for ratio in outside)
        want.append((best, inside[best], outside[best], math.log(rank / (5 - rank))))
    chosen, inside_best, outside_best, logit = (list(column) for column in zip(*want, strict=True))
    assert got.chosen.tolist() == chosen
    assert got.in_sample.tolist() == exactly(inside_best)
    assert got.out_of_sample.tolist() == exactly(outside_best)
    assert got.logit.tolist() == exactly(logit)
    assert got.probability == exactly(sum(value <= 0.0 for value in logit) / math.comb(blocks, blocks // 2))


@given(st.integers(0, 99), st.integers(2, 40))
def test_equal_trials_are_chosen_by_place_and_share_their_rank(seed: int, trials: int) -> None:
    returns = np.repeat(np.random.default_rng(seed).normal(0.0, 0.01, (160, 1)), trials, axis=1)
    found = validation.backtest_overfitting(returns, 8)
    assert set(found.chosen.tolist()) == {0}
    assert (found.logit == 0.0).all()


def test_a_trial_that_is_silent_in_half_of_the_time_has_no_ratio_there() -> None:
    returns = np.random.default_rng(8).normal(-0.002, 0.001, (400, 3))
    returns[:200, 2], returns[200:, 2] = 0.0, np.abs(returns[200:, 2])
    found = validation.backtest_overfitting(returns, 2)
    assert found.chosen.tolist() == [2, 2]  # silence is better than a loss, and a gain is better still
    assert found.in_sample[0] == found.out_of_sample[1] == 0.0


@given(st.sampled_from([2, 4, 6, 8, 10]))
def test_half_splits_and_their_mirror_images_are_all_splits_in_order(blocks: int) -> None:
    masks = validation.half_splits(blocks).tolist()
    every = [*masks, *(2**blocks - 1 - mask for mask in reversed(masks))]
    named = [tuple(b for b in range(blocks) if mask >> (blocks - 1 - b) & 1) for mask in every]
    assert named == list(combinations(range(blocks), blocks // 2))


# --- noise


def test_pure_noise_is_overfitted_half_of_the_time_and_looks_skilled_in_under_one_of_a_hundred_families() -> None:
    found = noise.run()
    figures = {row["what"]: row["value"] for row in found.tables[0].rows}
    assert 0.47 <= figures["mean PBO"] <= 0.53
    assert figures["share with DSR > 0.95"] <= 0.01
    assert found.ok
    assert "mean PBO" in markdown(found.tables[0].rows)
