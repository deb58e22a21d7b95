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

from qgtm_core.models.ensemble import Learner, examples, fit_ensemble, outcomes
from qgtm_core.models.spec import Fit, ModelSpec, Refit
from qgtm_core.models.trees import Trees

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


def primaries_of(wide: pl.DataFrame) -> list[str]:
    """Ids whose scores the frame holds."""
    return sorted(name.removeprefix(SCORE) for name in wide.columns if name.startswith(SCORE))


def signals_judged(wide: pl.DataFrame, primaries: Sequence[str]) -> pl.DataFrame:
    """One row a (session, symbol, primary) with a direction: keys, `score` and COLUMNS.

    `consensus` is the mean score of all primaries on the symbol, seen from this one's side, and `voices` their number;
    the past returns are in standard deviations, seen from its side too.
    """
    scores = [pl.col(SCORE + name) for name in primaries_of(wide)]
    volatility = pl.col("vol_ewma_94")
    common = wide.with_columns(
        _mean=pl.mean_horizontal(scores),
        voices=pl.sum_horizontal(score.is_not_null() for score in scores).cast(pl.Float64),
        _five=pl.col("return_5d") / (volatility * (5.0 / 252.0) ** 0.5),
        _year=pl.col("log_return_252") / volatility,
        volatility=volatility,
    )
    parts = []
    for name in primaries:
        score = pl.col(SCORE + name)
        rows = common.filter(score.is_not_null() & (score != 0.0))
        side = score.sign()
        parts.append(
            rows.select(
                "session",
                "symbol",
                primary=pl.lit(name),
                score=score,
                size=score.abs(),
                confidence=pl.col(CONFIDENCE + name),
                side=side,
                consensus=side * pl.col("_mean"),
                voices="voices",
                volatility="volatility",
                with_5d=side * pl.col("_five"),
                with_252d=side * pl.col("_year"),
                **{column: pl.col(column) for column in COLUMNS[8:]},
            )
        )
    keys = {"session": pl.Date, "symbol": pl.String, "primary": pl.String, "score": pl.Float64}
    return pl.concat(parts) if parts else pl.DataFrame(schema={**keys, **dict.fromkeys(COLUMNS, pl.Float64)})


def probabilities(model: MetaModel, judged: pl.DataFrame) -> pl.Series:
    """P(the signal makes money net of costs) for each row of `signals_judged`."""
    x = judged.select(pl.col(COLUMNS).cast(pl.Float64).fill_null(np.nan)).to_numpy()
    return pl.Series("p", model.learner.probability(x), dtype=pl.Float64)


def fit_meta(wide: pl.DataFrame, prices: pl.DataFrame, spec: ModelSpec = SPEC) -> Fit | None:
    """Fit to the signals with an outcome; None when no primary has enough of them.

    A signal succeeds when its side has made more than `cost` (log return) at the barrier that ends it. Every fifth
    session is enough to learn from: outcomes live ten.
    """
    params = spec.params
    settled = outcomes(prices, wide["symbol"].unique().sort().to_list(), params)
    judged = signals_judged(wide, primaries_of(wide)).join(settled, on=["session", "symbol"], how="inner")
    counts = judged.group_by("primary").len().filter(pl.col("len") >= spec.min_observations)
    if counts.is_empty():
        return None
    day = pl.col("session").rank("dense")
    kept = judged.join(counts, on="primary", how="semi").filter(day % params["every"] == 0)
    success = pl.col("side") * pl.col("gain") > params["cost"]
    made = examples(kept, COLUMNS, success, ["primary", "symbol"])
    learners, area = fit_ensemble(made, params, ("gbm",))
    newest = kept["exit_date"].max()
    assert isinstance(newest, dt.date)
    fewest = int(counts["len"].sort()[0])
    return Fit(to_payload(counts["primary"].sort().to_list(), learners["gbm"]), fewest, newest, auc_oos=area)


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


def packed(payload: str) -> str:
    """The same text, a fifth as long: a feature table repeats it every session."""
    return base64.b85encode(zlib.compress(payload.encode(), 9)).decode("ascii")


@lru_cache(maxsize=256)
def from_packed(text: str) -> MetaModel | None:
    """Read a packed fit; None when the text is no fit over COLUMNS."""
    try:
        held: dict[str, Any] = json.loads(zlib.decompress(base64.b85decode(text)))
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
