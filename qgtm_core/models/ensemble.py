"""The ensemble of id 61: boosted trees, logistic and ridge regression on the same columns, calibrated, averaged.

One fit pools the three symbols. Labels are triple barriers on closes from the session's own close on; what a fit
reports as `auc_oos` comes from purged folds whose calibration has not seen the fold either.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from qgtm_core.maths.labels import auc, average_uniqueness, isotonic, purged_folds, triple_barrier
from qgtm_core.models.linear import Linear, fit_logistic, fit_ridge
from qgtm_core.models.spec import Fit, ModelSpec, Refit
from qgtm_core.models.trees import Trees, fit_trees

FloatArray = NDArray[np.float64]

SYMBOLS = ("GDX", "GLD", "SLV")
LEARNERS = ("gbm", "logit", "ridge")
TREES: Mapping[str, Any] = {
    "rounds": 120,
    "learning_rate": 0.03,
    "num_leaves": 7,
    "max_depth": 3,
    "min_data_in_leaf": 200,
    "feature_fraction": 0.5,
    "lambda_l2": 10.0,
    "max_bin": 63,
    "seed": 61,
}
SPEC = ModelSpec(
    model_id="ml_ensemble",
    refit=Refit.QUARTERLY,
    min_observations=1500,
    cutoff_days=26,
    params={
        "weights": (0.5, 0.25, 0.25),
        "pt": 1.5,
        "sl": 1.5,
        "h": 5,
        "vol_half_life": 50,
        "folds": 5,
        "embargo": 21,
        "coverage": 0.9,
        "penalty": 0.05,
        "judged": "pooled",  # over all out-of-fold predictions
        "trees": TREES,
    },
)


@dataclass(frozen=True, slots=True)
class Examples:
    """Training rows: columns x (n, k), success y, sample weight, and the sessions (as ordinals) each label spans."""

    x: FloatArray
    y: NDArray[np.bool_]
    weight: FloatArray
    start: NDArray[np.int64]
    end: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Learner:
    """One fitted classifier and its calibration."""

    model: Trees | Linear
    knots: FloatArray
    levels: FloatArray

    def probability(self, x: FloatArray) -> FloatArray:
        """P(the upper barrier first) for each row."""
        return np.asarray(np.interp(self.model.raw(x), self.knots, self.levels), dtype=np.float64)


def fit_learner(name: str, rows: Examples, params: Mapping[str, Any]) -> Trees | Linear:
    """Fit one of LEARNERS."""
    if name == "gbm":
        return fit_trees(rows.x, rows.y, rows.weight, params["trees"])
    fit = {"logit": fit_logistic, "ridge": fit_ridge}[name]
    return fit(rows.x, rows.y, rows.weight, params["penalty"])


def fit_ensemble(
    rows: Examples, params: Mapping[str, Any], names: Sequence[str]
) -> tuple[dict[str, Learner], float | None]:
    """Fit, calibrate on purged folds and judge the learners; return them with the ensemble's AUC out of sample.

    `params` has `folds, embargo, weights, penalty, trees`; `names` are the learners, in the order of the weights. The
    AUC is one number over all out-of-fold predictions together: a probability must mean the same in every fold. Its
    mean over the folds would forgive a learner that is only right about the ranks within each.
    """
    folds = list(purged_folds(rows.start, rows.end, params["folds"], params["embargo"]))
    raw = {name: _out_of_fold(name, rows, folds, params) for name in names}
    blend = np.zeros(len(rows.y))
    learners = {}
    for name, share in zip(names, params["weights"], strict=True):
        for _, test in folds:  # calibrated on the other folds, to judge; on all of them, to use
            knots, levels = isotonic(raw[name][~test], rows.y[~test].astype(np.float64), rows.weight[~test])
            blend[test] += share * np.interp(raw[name][test], knots, levels)
        knots, levels = isotonic(raw[name], rows.y.astype(np.float64), rows.weight)
        learners[name] = Learner(fit_learner(name, rows, params), knots, levels)
    judged = auc(blend, rows.y, rows.weight)
    return learners, judged if np.isfinite(judged) else None


def _out_of_fold(
    name: str, rows: Examples, folds: Sequence[tuple[NDArray[np.bool_], NDArray[np.bool_]]], params: Mapping[str, Any]
) -> FloatArray:
    raw = np.full(len(rows.y), np.nan)
    for train, test in folds:
        part = Examples(rows.x[train], rows.y[train], rows.weight[train], rows.start[train], rows.end[train])
        raw[test] = fit_learner(name, part, params).raw(rows.x[test])
    return raw


def to_payload(columns: Sequence[str], learners: Mapping[str, Learner]) -> str:
    """The learners as text; reading it back gives the same bits."""
    parts = {
        name: {"model": learner.model.to_json(), "knots": learner.knots.tolist(), "levels": learner.levels.tolist()}
        for name, learner in learners.items()
    }
    return json.dumps({"columns": list(columns), "learners": parts}, separators=(",", ":"))


@lru_cache(maxsize=128)
def from_payload(text: str) -> tuple[tuple[str, ...], dict[str, Learner]]:
    """Columns and learners of a stored fit."""
    held = json.loads(text)
    learners = {}
    for name, part in held["learners"].items():
        kind = Trees if name == "gbm" else Linear
        learners[name] = Learner(kind.from_json(part["model"]), np.asarray(part["knots"]), np.asarray(part["levels"]))
    return tuple(held["columns"]), learners


def outcomes(prices: pl.DataFrame, symbols: Sequence[str], params: Mapping[str, Any]) -> pl.DataFrame:
    """M25 on each symbol's closes: `session` (of the entry at its close), `symbol`, `label`, `gain`, `exit_date`.

    `prices` are the newest known bars, one a (symbol, day). The volatility is the one known at the decision, that of
    the bar before the entry. Rows whose horizon is not over are left out.
    """
    parts = []
    for symbol in symbols:
        bars = prices.filter((pl.col("symbol") == symbol) & (pl.col("adj_close") > 0)).sort("event_date")
        log_return = pl.col("adj_close").log().diff()
        variance = (log_return**2).ewm_mean(half_life=params["vol_half_life"], min_samples=20)
        sigma = bars.select(variance.sqrt().shift(1).fill_null(np.nan)).to_series().to_numpy()
        found = triple_barrier(bars["adj_close"].to_numpy(), sigma, params["pt"], params["sl"], params["h"])
        days = bars["event_date"].to_numpy()
        exits = pl.Series(days[np.minimum(found.end, len(days) - 1)], dtype=pl.Date) if len(days) else None
        parts.append(
            bars.select(session="event_date", symbol="symbol").with_columns(
                label=pl.Series(found.label, dtype=pl.Float64),
                gain=pl.Series(found.gain, dtype=pl.Float64),
                sigma=pl.Series(sigma, dtype=pl.Float64),
                exit_date=pl.Series([], dtype=pl.Date) if exits is None else exits,
            )
        )
    return pl.concat(parts).filter(pl.col("label").is_finite())


def examples(rows: pl.DataFrame, columns: Sequence[str], success: pl.Expr, by: Sequence[str]) -> Examples:
    """Turn rows with `session, exit_date` and the columns into arrays; weights are the uniqueness within `by`."""
    rows = rows.sort("session", *by)
    start, end = (rows[name].to_physical().to_numpy().astype(np.int64) for name in ("session", "exit_date"))
    days = np.unique(np.concatenate([start, end]))
    start, end = np.searchsorted(days, start), np.searchsorted(days, end)
    weight = np.zeros(rows.height)
    for _, part in rows.with_row_index("_row").group_by(list(by), maintain_order=True):
        at = part["_row"].to_numpy()
        weight[at] = average_uniqueness(start[at], end[at])
    x = rows.select(pl.col(list(columns)).cast(pl.Float64).fill_null(np.nan)).to_numpy()
    return Examples(x, rows.select(success).to_series().to_numpy(), weight, start, end)


def fit_rows(rows: pl.DataFrame, prices: pl.DataFrame, columns: Sequence[str], spec: ModelSpec = SPEC) -> Fit | None:
    """Fit id 61 to `session, symbol, coverage` and the columns; None when the labelled sessions are too few."""
    params = spec.params
    labelled = outcomes(prices, SYMBOLS, params).filter(pl.col("label") != 0.0)
    known = rows.filter(pl.col("coverage") >= params["coverage"])
    joined = known.join(labelled, on=["session", "symbol"], how="inner", maintain_order="left")
    if joined["session"].n_unique() < spec.min_observations:
        return None
    made = examples(joined, columns, pl.col("label") > 0.0, ["symbol"])
    learners, judged = fit_ensemble(made, params, LEARNERS)
    newest = joined["exit_date"].max()
    assert isinstance(newest, dt.date)
    return Fit(to_payload(columns, learners), joined["session"].n_unique(), newest, auc_oos=judged)
