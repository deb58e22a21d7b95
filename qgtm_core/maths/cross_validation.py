"""Which sessions train a choice among trials and which judge it: walk-forward, purged k-fold, combinatorial (M26, M39).

Rows are sessions, oldest first; positions count from 0. The label of row t lives over the sessions [t, t + horizon]: a
return from one close to the next has horizon 1. `returns` is (sessions, trials), one return a session, all finite.
Sharpe ratios are per session and not annualised. López de Prado (2018), chapters 7 and 12.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from qgtm_core.maths import labels
from qgtm_core.maths.validation import EMBARGO, MIN_TRAINING, TEST, purged_training, sharpe_of_sums, walk_forward

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

FOLDS = 6  # of the k-fold
GROUPS, TEST_GROUPS = 10, 2  # combinatorial: 45 folds, 9 paths


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """Rows that train and rows that test, each a mask of (sessions,); `label` is unique within a list of folds."""

    train: BoolArray
    test: BoolArray
    label: str


@dataclass(frozen=True, slots=True, eq=False)
class Combinatorial:
    """All ways to test some groups of sessions and train on the rest.

    `folds` in lexical order of their test groups; `paths` is (paths, groups), the fold that supplies each group of a
    path; `group_of` is (sessions,).
    """

    folds: tuple[Fold, ...]
    paths: IntArray
    group_of: IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Stitched:
    """Out of sample, one test after the other: each session's return of the trial chosen for its fold.

    `returns` is (sessions,), NaN where no fold tests. By fold: `chosen`, the column, and `in_sample`, its Sharpe ratio
    in training (NaN where no column varies).
    """

    returns: FloatArray
    chosen: tuple[int, ...]
    in_sample: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Paths:
    """Out of sample along every combinatorial path: `returns` is (paths, sessions); `chosen`, `in_sample` by fold."""

    returns: FloatArray
    chosen: tuple[int, ...]
    in_sample: FloatArray


def expanding_folds(
    sessions: int, min_training: int = MIN_TRAINING, test: int = TEST, embargo: int = EMBARGO, horizon: int = 1
) -> list[Fold]:
    """M39: walk-forward on all that came before; the steps of `walk_forward`, without labels settled in the test.

    Labels count the folds from 01. Empty when there is no room for a first test.
    """
    settled = np.arange(sessions) + horizon
    rows = np.arange(sessions)
    return [
        Fold(purged_training(step, settled), (rows >= step.test_start) & (rows < step.test_stop), f"{number:02}")
        for number, step in enumerate(walk_forward(sessions, min_training, test, embargo), start=1)
    ]


def rolling_folds(
    sessions: int, training: int = MIN_TRAINING, test: int = TEST, embargo: int = EMBARGO, horizon: int = 1
) -> list[Fold]:
    """M39: walk-forward on the last `training` sessions only; tests and labels are those of `expanding_folds`."""
    rows = np.arange(sessions)
    folds = expanding_folds(sessions, training, test, embargo, horizon)
    return [
        Fold(fold.train & (rows >= fold.test.argmax() - embargo - training), fold.test, fold.label) for fold in folds
    ]


def purged_folds(sessions: int, folds: int = FOLDS, horizon: int = 1, embargo: int = EMBARGO) -> list[Fold]:
    """M26: k-fold by consecutive blocks of sessions; labels count the blocks from 01.

    A row trains when its label shares no session with the label of a test row, and when it does not fall in the
    `embargo` sessions after the last of those. Raises ValueError unless there are two blocks with a session each.
    """
    if not 2 <= folds <= sessions or horizon < 0 or embargo < 0:
        raise ValueError(f"{sessions} sessions cannot be split into {folds} blocks ({horizon=}, {embargo=})")
    rows = np.arange(sessions)
    return [
        Fold(train, test, f"{number:02}")
        for number, (train, test) in enumerate(labels.purged_folds(rows, rows + horizon, folds, embargo), start=1)
    ]


def combinatorial_folds(
    sessions: int, groups: int = GROUPS, test_groups: int = TEST_GROUPS, horizon: int = 1, embargo: int = EMBARGO
) -> Combinatorial:
    """M26: combinatorial purged cross-validation: every choice of `test_groups` among `groups` blocks is tested once.

    C(N, k) folds, each purged around each of its test blocks, make k/N·C(N, k) paths through all sessions: path j
    takes each group from the j-th fold that tests it (López de Prado 2018, section 12.4). Labels name the test groups,
    as 01+04. Raises ValueError unless 1 <= test_groups < groups <= sessions.
    """
    if not 1 <= test_groups < groups:
        raise ValueError(f"{test_groups} of {groups} groups cannot be tested")
    blocks = purged_folds(sessions, groups, horizon, embargo)
    chosen = list(combinations(range(groups), test_groups))
    folds = tuple(
        Fold(
            np.logical_and.reduce([blocks[g].train for g in tested]),
            np.logical_or.reduce([blocks[g].test for g in tested]),
            "+".join(blocks[g].label for g in tested),
        )
        for tested in chosen
    )
    paths = np.array([[fold for fold, tested in enumerate(chosen) if g in tested] for g in range(groups)]).T
    return Combinatorial(folds, paths, np.array([block.test for block in blocks]).argmax(axis=0))


def choose(returns: FloatArray, train: BoolArray) -> int:
    """Column with the best Sharpe ratio over the rows of `train`.

    Of equal columns the first; one that does not vary there loses to any that does; 0 when none varies. Raises
    ValueError unless returns are a table of finite numbers with a row for each of `train`.
    """
    return int(_choose(returns, train[None])[0][0])


def out_of_sample(returns: FloatArray, folds: Sequence[Fold]) -> Stitched:
    """Choose a column in each fold's training rows, then take its returns in the fold's test rows.

    Raises ValueError when two folds test the same session (then see `combinatorial_paths`), or as `choose` does.
    """
    stitched = np.full(len(returns), np.nan)
    if not folds:
        return Stitched(stitched, (), np.zeros(0))
    test = np.array([fold.test for fold in folds])
    if (test.sum(axis=0) > 1).any():
        raise ValueError("a session is tested by more than one fold; use combinatorial_paths")
    chosen, in_sample = _choose(returns, np.array([fold.train for fold in folds]))
    rows = np.flatnonzero(test.any(axis=0))
    stitched[rows] = returns[rows, chosen[test.argmax(axis=0)[rows]]]
    return Stitched(stitched, tuple(chosen.tolist()), in_sample)


def combinatorial_paths(returns: FloatArray, combinatorial: Combinatorial) -> Paths:
    """Choose a column in each fold's training rows, then follow every path through all sessions.

    Raises ValueError as `choose` does.
    """
    chosen, in_sample = _choose(returns, np.array([fold.train for fold in combinatorial.folds]))
    columns = chosen[combinatorial.paths][:, combinatorial.group_of]
    return Paths(returns[np.arange(len(returns)), columns], tuple(chosen.tolist()), in_sample)


def _choose(returns: FloatArray, train: BoolArray) -> tuple[IntArray, FloatArray]:
    """Best column of each row of `train` (folds, sessions) and its Sharpe ratio there."""
    if returns.ndim != 2 or not returns.size or train.shape[1] != len(returns) or not np.isfinite(returns).all():
        raise ValueError(f"returns of shape {returns.shape} with masks of {train.shape[1]} sessions, or not finite")
    sharpe = training_sharpe(returns, train)
    chosen = np.where(np.isnan(sharpe), -math.inf, sharpe).argmax(axis=1)
    return chosen.astype(np.int64), sharpe[np.arange(len(train)), chosen]


def training_sharpe(returns: FloatArray, train: BoolArray) -> FloatArray:
    """Sharpe ratios (folds, trials) over the rows of each mask of `train` (folds, sessions); NaN where nothing varies.

    Sessions that belong to the same folds throughout are summed once, so that a fold adds up a few pieces.
    """
    starts = np.flatnonzero(np.append(True, (train[:, 1:] != train[:, :-1]).any(axis=0)))
    member = train[:, starts]
    level = returns.mean(axis=0)
    centred = returns - level
    # a fixed order of addition for every column, which a matrix product does not promise: equal columns stay equal
    pieces = (np.add.reduceat(values, starts) for values in (centred, centred**2))
    sums, squares = (np.array([piece[rows].sum(axis=0) for rows in member]) for piece in pieces)
    count = train.sum(axis=1)[:, None]
    sharpe = sharpe_of_sums(sums, squares, level, np.maximum(count, 2), still=math.nan)
    return np.where(count > 1, sharpe, np.nan)
