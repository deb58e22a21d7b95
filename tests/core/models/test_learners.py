"""Learners: stored trees and linear fits against LightGBM and plain optimisation; an ensemble that knows noise."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from scipy.optimize import minimize

from qgtm_core.models import ensemble, linear, trees

PARAMS = {"folds": 3, "embargo": 2, "weights": (0.5, 0.25, 0.25), "penalty": 0.05}
SMALL = {"rounds": 12, "num_leaves": 5, "max_depth": 3, "min_data_in_leaf": 10, "learning_rate": 0.2, "seed": 1}


def data(seed: int, n: int = 400, missing: float = 0.1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 4))
    y = x[:, 0] + 0.5 * rng.normal(size=n) > 0
    x[rng.random(x.shape) < missing] = np.nan
    x[:, 3] = np.nan_to_num(x[:, 3])  # a column without missing values in training
    return x, y, rng.uniform(0.5, 1.0, n)


def examples(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> ensemble.Examples:
    start = np.arange(len(y))
    return ensemble.Examples(x, y, weight, start, start + 1)


def test_stored_trees_predict_what_lightgbm_predicts():
    import lightgbm

    x, y, weight = data(1)
    fixed = {"objective": "binary", "verbosity": -1, "num_threads": 1, "deterministic": True, "force_row_wise": True}
    options = {**{k: v for k, v in SMALL.items() if k != "rounds"}, **fixed}
    booster = lightgbm.train(options, lightgbm.Dataset(x, y.astype(float), weight=weight), SMALL["rounds"])
    fitted = trees.fit_trees(x, y, weight, SMALL)
    read = trees.Trees.from_json(json.loads(json.dumps(fitted.to_json())))
    new = data(2)[0]
    new[:20, 3] = np.nan  # missing where training had none
    assert read.raw(new) == pytest.approx(booster.predict(new, raw_score=True), abs=1e-12)


def test_a_row_is_predicted_to_the_same_bits_alone_and_among_many():
    x, y, weight = data(3, 700)
    for model in (trees.fit_trees(x, y, weight, SMALL), linear.fit_logistic(x, y, weight, 0.1)):
        whole = model.raw(x)
        assert [model.raw(x[i : i + 1])[0] for i in (0, 255, 256, 699)] == [whole[i] for i in (0, 255, 256, 699)]


def test_the_same_rows_give_the_same_trees():
    assert trees.fit_trees(*data(4), SMALL).to_json() == trees.fit_trees(*data(4), SMALL).to_json()


def test_logistic_regression_finds_the_minimum_of_its_loss():
    x, y, weight = data(5, missing=0.0)
    fitted = linear.fit_logistic(x, y, weight, 0.1)
    z, sign, w = linear.standardised(x, fitted.mean, fitted.sd), np.where(y, 1.0, -1.0), weight / weight.sum()

    def loss(beta: np.ndarray) -> float:
        return float(w @ np.logaddexp(0.0, -sign * (beta[0] + z @ beta[1:])) + 0.05 * beta[1:] @ beta[1:])

    best = minimize(loss, np.zeros(5), method="BFGS", options={"gtol": 1e-8}).x
    assert np.append(fitted.intercept, fitted.coefficient) == pytest.approx(best, abs=1e-5)


def test_ridge_regression_agrees_with_least_squares_on_more_rows():
    x, y, weight = data(6, missing=0.0)
    fitted = linear.fit_ridge(x, y, weight, 0.2)
    z, w = linear.standardised(x, fitted.mean, fitted.sd), weight / weight.sum()
    rows = np.vstack([np.sqrt(w)[:, None] * np.column_stack([np.ones(len(z)), z]), np.sqrt(0.2) * np.eye(5)[1:]])
    target = np.append(np.sqrt(w) * np.where(y, 1.0, -1.0), np.zeros(4))
    best = np.linalg.lstsq(rows, target, rcond=None)[0]
    assert np.append(fitted.intercept, fitted.coefficient) == pytest.approx(best)


def test_a_flat_or_empty_column_counts_for_nothing():
    x, y, weight = data(7)
    x[:, 1], x[:, 2] = 3.0, np.nan
    fitted = linear.fit_logistic(x, y, weight, 0.1)
    assert fitted.coefficient[1:3] == pytest.approx([0.0, 0.0], abs=1e-9)
    assert np.isfinite(fitted.raw(x)).all()


@pytest.mark.parametrize(("seed", "signal", "low", "high"), [(8, True, 0.8, 1.0), (9, False, 0.35, 0.65)])
def test_the_ensemble_tells_skill_from_noise(seed, signal, low, high):
    x, y, weight = data(seed)
    if not signal:
        y = np.random.default_rng(seed).random(len(y)) < 0.5
    learners, judged = ensemble.fit_ensemble(examples(x, y, weight), {**PARAMS, "trees": SMALL}, ensemble.LEARNERS)
    assert low <= judged <= high
    columns, read = ensemble.from_payload(ensemble.to_payload(["a", "b", "c", "d"], learners))
    assert columns == ("a", "b", "c", "d")
    for name, learner in learners.items():
        p = learner.probability(x)
        assert ((p >= 0) & (p <= 1)).all()
        assert np.array_equal(read[name].probability(x), p)


def test_outcomes_start_at_the_close_of_their_session_and_know_the_volatility_of_the_day_before():
    import datetime as dt

    days = pl.date_range(dt.date(2020, 1, 1), dt.date(2020, 3, 31), "1d", eager=True)
    price = 100 * np.exp(np.cumsum(np.random.default_rng(1).normal(0, 0.01, len(days))))
    bars = pl.DataFrame({"symbol": "GLD", "event_date": days, "adj_close": price})
    found = ensemble.outcomes(bars, ["GLD"], ensemble.SPEC.params)
    spiked = bars.with_columns(
        adj_close=pl.when(pl.col("event_date") >= days[60]).then(pl.col("adj_close") * 1.2).otherwise("adj_close")
    )
    moved = ensemble.outcomes(spiked, ["GLD"], ensemble.SPEC.params)
    before, after = (f.filter(session=days[60])["sigma"].item() for f in (found, moved))
    assert before == after
    assert found["session"].max() == days[-6]
    assert (found["exit_date"] > found["session"]).all()
