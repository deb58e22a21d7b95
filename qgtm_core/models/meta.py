"""The meta-labeller of id 62: the probability that a primary signal makes money, from what is known when it is given.

One fit pools the signals of all primaries that have enough outcomes. Every function reads a wide frame: one row a
(session, symbol) with `score@<id>` and `confidence@<id>` of the primaries and the columns of STATE.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from qgtm_core.models.ensemble import Learner, examples, fit_ensemble, outcomes
from qgtm_core.models.spec import Fit, ModelSpec, Refit
from qgtm_core.models.trees import Trees

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# what a fit may read beside the signals: feature table -> its columns
STATE: Mapping[str, tuple[str, ...]] = {
    "prices": ("vol_ewma_94", "return_5d", "log_return_252"),
    "regime": ("p_trending", "p_crisis", "change_probability_10"),
    "volatility": ("vix_pr_252",),
}
# what a fit reads of one signal, in this order
COLUMNS = (
    "size",
    "confidence",
    "side",
    "consensus",
    "voices",
    "volatility",
    "with_5d",
    "with_252d",
    "p_trending",
    "p_crisis",
    "change_probability_10",
    "vix_pr_252",
)
SCORE, CONFIDENCE = "score@", "confidence@"
SPEC = ModelSpec(
    model_id="meta_labeller_pm",
    refit=Refit.FOUR_WEEKLY,
    min_observations=500,
    params={
        "pt": 2.0,
        "sl": 2.0,
        "h": 10,
        "vol_half_life": 50,
        "cost": 0.001,
        "every": 5,
        "folds": 3,
        "embargo": 21,
        "weights": (1.0,),
        "judged": "pooled",
        "trees": {
            "rounds": 40,
            "learning_rate": 0.05,
            "num_leaves": 4,
            "max_depth": 2,
            "min_data_in_leaf": 300,
            "lambda_l2": 10.0,
            "max_bin": 63,
            "seed": 62,
        },
    },
)


@dataclass(frozen=True, slots=True)
class MetaModel:
    """A stored fit: the primaries it may judge and its one learner."""

    primaries: tuple[str, ...]
    learner: Learner


@dataclass(frozen=True, slots=True)
class Views:
    """Signals of a wide frame, row by row and by primary within a row: its row, the primary's number, score and x.

    x is (views, COLUMNS), NaN where unknown. A score of zero is a flat view, which is no bet.
    """

    row: IntArray
    primary: IntArray
    score: FloatArray
    x: FloatArray


def primaries_of(wide: pl.DataFrame) -> list[str]:
    """Ids whose scores the frame holds."""
    return sorted(name.removeprefix(SCORE) for name in wide.columns if name.startswith(SCORE))


def views_of(wide: pl.DataFrame) -> Views:
    """Every signal that is not silent, with what a fit reads of it; primaries are numbered as in `primaries_of`.

    `consensus` is the mean score of all primaries on the symbol, seen from this one's side, and `voices` their number;
    the past returns are in standard deviations, seen from its side too.
    """
    voices, total = np.zeros(wide.height), np.zeros(wide.height)
    found: list[tuple[IntArray, FloatArray, FloatArray]] = []
    for name in primaries_of(wide):  # in one order, so that a row alone gives the same bits
        score, sure = (_numbers(wide, prefix + name) for prefix in (SCORE, CONFIDENCE))
        rows = np.flatnonzero(np.isfinite(score))
        voices[rows] += 1.0
        total[rows] += score[rows]
        found.append((rows, score[rows], sure[rows]))
    nothing = (np.zeros(0, np.int64), np.zeros(0), np.zeros(0))
    row, score, sure = (np.concatenate(part) for part in zip(nothing, *found, strict=True))
    primary = np.repeat(np.arange(len(found)), [len(rows) for rows, _, _ in found])
    order = np.argsort(row, kind="stable")
    row, primary, score, sure = row[order], primary[order], score[order], sure[order]
    state = {c: _numbers(wide, c) for c in (*STATE["prices"], *COLUMNS[8:])}
    volatility, side = state["vol_ewma_94"], np.sign(score)
    with np.errstate(divide="ignore", invalid="ignore"):
        five = state["return_5d"] / (volatility * (5.0 / 252.0) ** 0.5)
        year, mean = state["log_return_252"] / volatility, total / voices
    columns = {
        "size": np.abs(score),
        "confidence": sure,
        "side": side,
        "consensus": side * mean[row],
        "voices": voices[row],
        "volatility": volatility[row],
        "with_5d": side * five[row],
        "with_252d": side * year[row],
        **{name: state[name][row] for name in COLUMNS[8:]},
    }
    x = np.empty((len(row), len(COLUMNS)))
    for k, name in enumerate(COLUMNS):
        x[:, k] = columns[name]
    return Views(row, primary, score, x)


def _numbers(wide: pl.DataFrame, column: str) -> FloatArray:
    return wide[column].cast(pl.Float64).to_numpy()


FEWEST_SESSIONS = 60  # learnt from: fewer leave nothing to a fold once its neighbours are purged


def fit_meta(wide: pl.DataFrame, prices: pl.DataFrame, spec: ModelSpec = SPEC) -> Fit | None:
    """Fit to the signals with an outcome; None when no primary has enough of them over enough sessions.

    A signal succeeds when its side has made more than `cost` (log return) at the barrier that ends it. Every fifth
    session is enough to learn from: outcomes live ten.
    """
    if wide.is_empty():
        return None
    params = spec.params
    settled = outcomes(prices, wide["symbol"].unique().sort().to_list(), params)
    judged = _with_outcome(wide, settled)
    counts = judged.group_by("primary").len().filter(pl.col("len") >= spec.min_observations)
    if counts.is_empty():
        return None
    day = pl.col("session").rank("dense")
    kept = judged.join(counts, on="primary", how="semi").filter(day % params["every"] == 0)
    if kept["session"].n_unique() < FEWEST_SESSIONS:
        return None
    success = pl.col("side") * pl.col("gain") > params["cost"]
    made = examples(kept, COLUMNS, success, ["primary", "symbol"])
    learners, area = fit_ensemble(made, params, ("gbm",))
    newest = kept["exit_date"].max()
    assert isinstance(newest, dt.date)
    fewest = int(counts["len"].sort()[0])
    return Fit(to_payload(counts["primary"].sort().to_list(), learners["gbm"]), fewest, newest, auc_oos=area)


def _with_outcome(wide: pl.DataFrame, settled: pl.DataFrame) -> pl.DataFrame:
    """The bets whose outcome is known: `session, symbol, primary, gain, exit_date` and COLUMNS."""
    rows = wide.join(settled, on=["session", "symbol"], how="inner", maintain_order="left")
    views, names = views_of(rows), pl.Series(primaries_of(rows), dtype=pl.String)
    bets = views.score != 0.0
    columns = [pl.Series(name, views.x[bets, k], nan_to_null=True) for k, name in enumerate(COLUMNS)]
    keys = rows.select(pl.col("session", "symbol", "gain", "exit_date").gather(views.row[bets]))
    return keys.with_columns(names.gather(views.primary[bets]).alias("primary"), *columns)


def to_payload(primaries: Sequence[str], learner: Learner) -> str:
    """The fit as text; reading it back gives the same bits."""
    held = {
        "primaries": list(primaries),
        "columns": COLUMNS,
        "model": learner.model.to_json(),
        "knots": learner.knots.tolist(),
        "levels": learner.levels.tolist(),
    }
    return json.dumps(held, separators=(",", ":"))


@lru_cache(maxsize=512)
def packed(payload: str) -> str:
    """The same text, a quarter as long: a feature table repeats it every session."""
    return base64.b64encode(zlib.compress(payload.encode(), 1)).decode("ascii")


@lru_cache(maxsize=512)
def from_packed(text: str) -> MetaModel | None:
    """Read a packed fit; None when the text is no fit over COLUMNS."""
    try:
        held: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(text)))
    except (ValueError, zlib.error):
        return None
    if tuple(held.get("columns", ())) != COLUMNS:
        return None
    learner = Learner(Trees.from_json(held["model"]), np.asarray(held["knots"]), np.asarray(held["levels"]))
    return MetaModel(tuple(held["primaries"]), learner)


def wide_frame(
    signals: Mapping[str, pl.DataFrame], features: Mapping[str, pl.DataFrame], symbols: Sequence[str]
) -> pl.DataFrame:
    """Lay stored signals and features out as a rule sees them: by (session, symbol), silent primaries null."""
    frame = features["prices"].filter(pl.col("symbol").is_in(list(symbols)))
    frame = frame.select("session", "symbol", *STATE["prices"])
    for table in ("regime", "volatility"):
        part = features[table].select("session", *STATE[table])
        frame = frame.join(part, on="session", how="left", maintain_order="left")
    for name, rows in signals.items():
        spoken = rows.filter(pl.col("score").is_not_null()).select(
            "session",
            "symbol",
            pl.col("score").alias(SCORE + name),
            pl.col("confidence").alias(CONFIDENCE + name),
        )
        frame = frame.join(spoken, on=["session", "symbol"], how="left", maintain_order="left")
    return frame
