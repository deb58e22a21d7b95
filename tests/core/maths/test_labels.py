"""Labels and cross-validation: worked numbers, slow references and properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as hyp

from qgtm_core.maths import labels


def path(seed: int, n: int = 80) -> np.ndarray:
    return 100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.01, n)))


def slow_label(close: np.ndarray, i: int, width: float, pt: float, sl: float, h: int) -> tuple[float, int]:
    for step in range(1, h + 1):
        move = math.log(close[i + step]) - math.log(close[i])
        if move <= -sl * width:
            return -1.0, i + step
        if move >= pt * width:
            return 1.0, i + step
    return float(np.sign(math.log(close[i + h]) - math.log(close[i]))), i + h


def test_the_barriers_are_the_printed_ones():
    assert labels.barriers(220.0, 0.01, 2.0, 2.0, 10) == pytest.approx((234.36, 206.52), abs=5e-3)


def test_labels_agree_with_a_walk_along_each_path():
    close, sigma = path(1), np.full(80, 0.009)
    found = labels.triple_barrier(close, sigma, 1.5, 1.0, 5)
    for i in range(75):
        label, end = slow_label(close, i, 0.009 * math.sqrt(5), 1.5, 1.0, 5)
        assert (found.label[i], found.end[i]) == (label, end)
        assert found.gain[i] == pytest.approx(math.log(close[end] / close[i]))
    assert np.isnan(found.label[75:]).all()


def test_a_bar_that_touches_both_barriers_is_a_loss_at_the_barrier():
    close = np.array([100.0, 100.0, 100.0])
    found = labels.triple_barrier(close, np.full(3, 0.01), 1.0, 1.0, 1, np.full(3, 103.0), np.full(3, 97.0))
    assert found.label[0] == -1.0
    assert found.gain[0] == pytest.approx(-0.01)


def test_without_volatility_there_is_no_label():
    found = labels.triple_barrier(path(2), np.where(np.arange(80) < 10, np.nan, 0.01), 1.5, 1.5, 5)
    assert np.isnan(found.label[:10]).all()
    assert np.isfinite(found.label[10:75]).all()


def test_uniqueness_of_three_labels_by_hand():
    found = labels.average_uniqueness(np.array([0, 1, 5]), np.array([2, 3, 6]))
    assert found == pytest.approx([(1 + 0.5 + 0.5) / 3, (0.5 + 0.5 + 1) / 3, 1.0])


@settings(max_examples=30, deadline=None)
@given(hyp.lists(hyp.tuples(hyp.integers(0, 120), hyp.integers(0, 9)), min_size=10, max_size=80), hyp.integers(2, 5))
def test_no_training_label_lives_while_a_test_label_does(spans, folds):
    start = np.array([a for a, _ in spans])
    end = start + np.array([b for _, b in spans])
    tested = np.zeros(len(start), dtype=int)
    for train, test in labels.purged_folds(start, end, folds, embargo=21):
        tested += test
        assert not (train & test).any()
        low, high = start[test].min(), end[test].max()
        assert ((end[train] < low) | (start[train] > high + 21)).all()
    assert (tested == 1).all()


@settings(max_examples=30, deadline=None)
@given(hyp.lists(hyp.tuples(hyp.integers(0, 5), hyp.booleans(), hyp.floats(0.1, 2.0)), min_size=4, max_size=40))
def test_auc_is_the_share_of_pairs_in_the_right_order(rows):
    score, y, weight = (np.array(c) for c in zip(*rows, strict=True))
    pairs = [
        (weight[i] * weight[j], 1.0 if score[i] > score[j] else 0.5 if score[i] == score[j] else 0.0)
        for i in range(len(y))
        for j in range(len(y))
        if y[i] and not y[j]
    ]
    found = labels.auc(score.astype(float), y, weight)
    if pairs:
        assert found == pytest.approx(sum(w * v for w, v in pairs) / sum(w for w, _ in pairs))
    else:
        assert math.isnan(found)


def test_calibration_rises_and_keeps_the_mean():
    rng = np.random.default_rng(3)
    score, y, weight = rng.normal(size=400), rng.random(400) < 0.4, rng.uniform(0.5, 1.0, 400)
    knots, levels = labels.isotonic(score, y.astype(float), weight)
    assert (np.diff(knots) > 0).all()
    assert (np.diff(levels) >= 0).all()
    read = np.interp(score, knots, levels)
    assert np.average(read, weights=weight) == pytest.approx(np.average(y, weights=weight))
