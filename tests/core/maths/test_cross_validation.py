"""Folds are partitions of time without a shared label; choices and paths are those of a plain loop and of skfolio."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qgtm_core.maths import cross_validation as cv
from qgtm_core.maths.cross_validation import Fold

small = st.integers(1, 90)


def noise(sessions: int, trials: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0002, 0.01, (sessions, trials))


def shares_a_label(fold: Fold, horizon: int) -> bool:
    """Does a training label [t, t + horizon] live in a session in which a test label lives?"""
    train, test = np.flatnonzero(fold.train), np.flatnonzero(fold.test)
    return bool((np.abs(train[:, None] - test[None, :]) <= horizon).any())


def plain_choice(returns: np.ndarray, train: np.ndarray) -> tuple[int, float]:
    best, found = 0, -math.inf
    for column, r in enumerate(returns[train].T):
        if len(r) > 1 and np.ptp(r) > 0 and r.mean() / r.std(ddof=1) > found:
            best, found = column, float(r.mean() / r.std(ddof=1))
    return best, found


# --- walk-forward


def test_the_first_test_comes_after_three_years_and_a_month() -> None:
    first, *_, last = cv.expanding_folds(1100)
    assert np.flatnonzero(first.train).tolist() == list(range(756))
    assert np.flatnonzero(first.test).tolist() == list(range(777, 903))
    assert np.flatnonzero(last.train).tolist() == list(range(1008))
    assert np.flatnonzero(last.test).tolist() == list(range(1029, 1100))
    assert [fold.label for fold in cv.expanding_folds(1100)] == ["01", "02", "03"]


@given(st.integers(0, 500), small, small, st.integers(0, 30), st.integers(0, 5))
def test_walk_forward_tests_every_session_once_and_trains_on_none_that_is_not_settled(
    sessions: int, training: int, test: int, embargo: int, horizon: int
) -> None:
    for folds in (
        cv.expanding_folds(sessions, training, test, embargo, horizon),
        cv.rolling_folds(sessions, training, test, embargo, horizon),
    ):
        tested = sum((fold.test.astype(int) for fold in folds), np.zeros(sessions, int))
        assert tested.tolist() == [0] * min(training + embargo, sessions) + [1] * (sessions - training - embargo)
        for fold in folds:
            start, trained = int(fold.test.argmax()), np.flatnonzero(fold.train)
            assert (trained < start - embargo).all()
            assert (trained + horizon < start).all()


@given(st.integers(100, 400), st.integers(10, 60), st.integers(5, 60), st.integers(1, 20))
def test_rolling_training_is_the_end_of_the_expanding_one(
    sessions: int, training: int, test: int, embargo: int
) -> None:
    expanding = cv.expanding_folds(sessions, training, test, embargo)
    rolling = cv.rolling_folds(sessions, training, test, embargo)
    for long, short in zip(expanding, rolling, strict=True):
        assert np.flatnonzero(short.train).tolist() == np.flatnonzero(long.train)[-training:].tolist()
        assert (long.test == short.test).all()
        assert long.label == short.label


# --- k-fold


@given(st.integers(2, 9), st.integers(0, 250), st.integers(0, 6), st.integers(0, 25))
def test_k_fold_tests_every_session_once_and_shares_no_label(folds: int, more: int, horizon: int, embargo: int) -> None:
    sessions = folds + more
    rows = np.arange(sessions)
    blocks = cv.purged_folds(sessions, folds, horizon, embargo)
    assert len({fold.label for fold in blocks}) == folds
    assert (sum(fold.test.astype(int) for fold in blocks) == 1).all()
    for fold in blocks:
        first, last = np.flatnonzero(fold.test)[[0, -1]]
        assert last - first + 1 == fold.test.sum()
        # nothing more is dropped than the horizon on both sides and the embargo after it
        assert (fold.train == ((rows < first - horizon) | (rows > last + horizon + embargo))).all()
        assert not shares_a_label(fold, horizon)


@pytest.mark.parametrize(("sessions", "folds", "horizon"), [(10, 1, 1), (5, 6, 1), (10, 2, -1)])
def test_blocks_without_a_session_are_an_error(sessions: int, folds: int, horizon: int) -> None:
    with pytest.raises(ValueError, match="cannot be split"):
        cv.purged_folds(sessions, folds, horizon)


# --- combinatorial


@given(st.integers(2, 8), st.data(), st.integers(0, 120), st.integers(0, 4), st.integers(0, 12))
def test_combinatorial_folds_share_no_label_and_their_paths_are_complete(
    groups: int, data: st.DataObject, more: int, horizon: int, embargo: int
) -> None:
    tested_groups = data.draw(st.integers(1, groups - 1))
    sessions = groups + more
    found = cv.combinatorial_folds(sessions, groups, tested_groups, horizon, embargo)
    splits = math.comb(groups, tested_groups)
    assert len(found.folds) == len({fold.label for fold in found.folds}) == splits
    assert found.paths.shape == (splits * tested_groups // groups, groups)
    assert np.bincount(found.group_of, minlength=groups).sum() == sessions
    for fold in found.folds:
        assert not shares_a_label(fold, horizon)
        assert len(set(found.group_of[fold.test].tolist())) == tested_groups
    for path in found.paths:  # the fold that supplies a group tests the whole of it
        assert all(found.folds[fold].test[found.group_of == group].all() for group, fold in enumerate(path))
    supplied = {(group, fold) for path in found.paths.tolist() for group, fold in enumerate(path)}
    assert len(supplied) == found.paths.size  # no fold serves two paths with the same group


def test_ten_groups_two_of_them_tested_make_45_folds_and_9_paths() -> None:
    found = cv.combinatorial_folds(4650)
    assert (len(found.folds), found.paths.shape) == (45, (9, 10))
    assert [fold.label for fold in found.folds[:2]] == ["01+02", "01+03"]
    rows = np.arange(4650)
    around = found.folds[1]  # groups of 465: rows 0 to 464 and 930 to 1,394
    dropped = (rows < 487) | ((rows >= 929) & (rows < 1417))  # one before, then the test, one after and 21
    assert (around.train == ~dropped).all()


@pytest.mark.parametrize("tested", [0, 4])
def test_none_or_all_groups_cannot_be_tested(tested: int) -> None:
    with pytest.raises(ValueError, match="cannot be tested"):
        cv.combinatorial_folds(100, 4, tested)


# --- choices


@given(st.integers(3, 120), st.integers(1, 6), st.integers(0, 999))
def test_the_choice_is_that_of_a_plain_loop(sessions: int, trials: int, seed: int) -> None:
    returns = noise(sessions, trials, seed)
    random = np.random.default_rng(seed)
    returns[:, random.random(trials) < 0.2] = 0.001
    train = random.random(sessions) < 0.6
    assert cv.choose(returns, train) == plain_choice(returns, train)[0]


@given(st.integers(0, 99), st.integers(2, 40))
def test_of_equal_trials_the_first_is_chosen(seed: int, trials: int) -> None:
    returns = np.repeat(noise(333, 1, seed), trials, axis=1)
    assert cv.choose(returns, np.random.default_rng(seed).random(333) < 0.5) == 0


def test_a_trial_that_is_silent_in_training_loses_even_to_a_bad_one() -> None:
    returns = noise(200, 3)
    returns[:, 1] -= 0.05
    train = np.arange(200) < 100
    returns[train, 0] = 0.0
    returns[train, 2] = 0.02  # a constant has no Sharpe ratio, whatever it adds up to
    assert cv.choose(returns, train) == 1
    assert cv.choose(returns, np.zeros(200, bool)) == 0
    assert cv.choose(returns[:, [0, 2]], train) == 0


def test_training_ratios_are_the_plain_ones_and_unknown_where_nothing_varies() -> None:
    returns, folds = noise(900, 5), cv.combinatorial_folds(900, 6, 2).folds
    returns[:, 4] = 0.0
    train = np.array([fold.train for fold in folds])
    got = cv.training_sharpe(returns, train)
    want = [[r.mean() / r.std(ddof=1) for r in returns[mask, :4].T] for mask in train]
    assert got[:, :4] == pytest.approx(np.array(want), abs=1e-12)
    assert np.isnan(got[:, 4]).all()


@pytest.mark.parametrize("returns", [np.ones(9), np.ones((9, 0)), np.ones((8, 2)), np.full((9, 2), math.nan)])
def test_returns_that_are_no_table_of_numbers_are_an_error(returns: np.ndarray) -> None:
    with pytest.raises(ValueError, match="not finite"):
        cv.choose(returns, np.ones(9, bool))


# --- out of sample


def test_every_tested_session_has_the_return_of_the_choice_of_its_fold() -> None:
    returns = noise(700, 6)
    for folds in (
        cv.expanding_folds(700, 200, 90, 5),
        cv.rolling_folds(700, 100, 33, 5),
        cv.purged_folds(700, 7, 2, 5),
    ):
        found = cv.out_of_sample(returns, folds)
        want = np.full(700, math.nan)
        for fold, chosen, sharpe in zip(folds, found.chosen, found.in_sample, strict=True):
            best, ratio = plain_choice(returns, fold.train)
            assert chosen == best
            assert sharpe == pytest.approx(ratio, abs=1e-12)
            want[fold.test] = returns[fold.test, best]
        assert np.array_equal(found.returns, want, equal_nan=True)


@given(st.integers(0, 50), st.integers(0, 640))
def test_what_comes_after_training_changes_no_walk_forward_choice(seed: int, cut: int) -> None:
    folds = cv.expanding_folds(700, 200, 90, 5)
    returns = noise(700, 6, seed)
    other = returns.copy()
    other[cut:] = noise(700 - cut, 6, seed + 1)
    one, two = cv.out_of_sample(returns, folds), cv.out_of_sample(other, folds)
    before = [fold.train.nonzero()[0][-1] < cut for fold in folds]
    assert [a for a, known in zip(one.chosen, before, strict=True) if known] == [
        b for b, known in zip(two.chosen, before, strict=True) if known
    ]


def test_without_a_fold_nothing_is_out_of_sample() -> None:
    found = cv.out_of_sample(noise(50, 2), cv.expanding_folds(50))
    assert np.isnan(found.returns).all()
    assert (found.chosen, len(found.in_sample)) == ((), 0)


def test_sessions_tested_twice_need_paths() -> None:
    with pytest.raises(ValueError, match="combinatorial_paths"):
        cv.out_of_sample(noise(60, 2), cv.combinatorial_folds(60, 4, 2, 1, 2).folds)


def test_every_path_takes_each_session_from_the_fold_that_supplies_its_group() -> None:
    returns, found = noise(600, 5), cv.combinatorial_folds(600, 6, 2, 1, 5)
    got = cv.combinatorial_paths(returns, found)
    best = [plain_choice(returns, fold.train)[0] for fold in found.folds]
    assert list(got.chosen) == best
    assert got.returns.shape == (5, 600)
    for path, line in zip(found.paths, got.returns, strict=True):
        want = [returns[t, best[path[group]]] for t, group in enumerate(found.group_of)]
        assert line.tolist() == want
    assert got.in_sample == pytest.approx([plain_choice(returns, fold.train)[1] for fold in found.folds])


def test_one_trial_is_the_same_on_every_path() -> None:
    returns = noise(400, 1)
    got = cv.combinatorial_paths(returns, cv.combinatorial_folds(400))
    assert (got.returns == returns[:, 0]).all()


# --- an independent judge
#
# skfolio cuts n // folds sessions a fold and gives the remainder to the last one, ours are spread: both agree where
# the folds divide the sessions. Its purge and embargo are counted in rows as ours are; for walk-forward its purge is
# our embargo. It refuses a test of one group, and purge and embargo longer than a group.


@pytest.mark.parametrize(("groups", "tested", "horizon", "embargo"), [(10, 2, 1, 21), (6, 3, 4, 10), (5, 4, 0, 0)])
def test_combinatorial_folds_and_paths_are_those_of_skfolio(
    groups: int, tested: int, horizon: int, embargo: int
) -> None:
    from skfolio.model_selection import CombinatorialPurgedCV

    rows = np.zeros((60 * groups, 1))
    ours = cv.combinatorial_folds(len(rows), groups, tested, horizon, embargo)
    theirs = CombinatorialPurgedCV(groups, tested, purged_size=horizon, embargo_size=embargo)
    for fold, (train, tests) in zip(ours.folds, theirs.split(rows), strict=True):
        assert np.flatnonzero(fold.train).tolist() == train.tolist()
        assert np.flatnonzero(fold.test).tolist() == sorted(np.concatenate(tests).tolist())
    assert ours.paths.T.tolist() == theirs.recombined_paths.tolist()


@pytest.mark.parametrize("expand", [True, False])
def test_walk_forward_folds_are_those_of_skfolio(expand: bool) -> None:
    from skfolio.model_selection import WalkForward

    folds = (cv.expanding_folds if expand else cv.rolling_folds)(1100)
    theirs = WalkForward(126, 756, expand_train=expand, reduce_test=True, purged_size=21)
    for fold, (train, test) in zip(folds, theirs.split(np.zeros((1100, 1))), strict=True):
        assert np.flatnonzero(fold.train).tolist() == train.tolist()
        assert np.flatnonzero(fold.test).tolist() == test.tolist()
