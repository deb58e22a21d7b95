"""The meta-labeller: worked numbers, what it is fitted on, and silence without a fit."""

from __future__ import annotations

import datetime as dt
import json
import math
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl
import pytest

from qgtm_core import calendar
from qgtm_core.features import meta as meta_feature
from qgtm_core.models import meta, walk_forward
from qgtm_core.models.spec import model_row
from qgtm_core.strategies.research import meta_labeller_pm
from qgtm_core.strategies.research.meta_labeller_pm import PARAMS, apply_meta, decisions, rule

FIRST, LAST = dt.date(2019, 1, 2), dt.date(2020, 6, 30)
SMALL = replace(
    meta.SPEC,
    min_observations=50,
    params={**meta.SPEC.params, "trees": {**meta.SPEC.params["trees"], "rounds": 10, "min_data_in_leaf": 5}},
)


@lru_cache(maxsize=1)
def market() -> tuple[pl.DataFrame, pl.DataFrame]:
    """A wide frame and its prices: one primary is right when the crisis is likely and wrong otherwise."""
    rng = np.random.default_rng(1)
    days = calendar.schedule(FIRST, LAST)["session"]
    n = len(days)
    moves = rng.normal(0, 0.01, n)
    prices = pl.DataFrame(
        {
            "symbol": "GLD",
            "event_date": days,
            "adj_close": 100 * np.exp(np.cumsum(moves)),
            "session": days,
            "revision": 0,
        }
    )
    ahead = np.sign(np.append(np.convolve(moves[1:], np.ones(10), "valid"), np.ones(10))[:n])
    crisis = rng.random(n)
    right = np.where(crisis > 0.5, ahead, -ahead) * 0.5
    wide = pl.DataFrame({"session": days, "symbol": "GLD"}).with_columns(
        pl.Series("p_crisis", crisis),
        **{c: pl.Series(rng.normal(size=n)) for c in ("return_5d", "log_return_252", "p_trending")},
        vol_ewma_94=pl.lit(0.16),
        change_probability_10=pl.lit(0.1),
        vix_pr_252=pl.lit(0.5),
        **{
            "score@knows": pl.Series(right),
            "confidence@knows": pl.lit(0.5),
            "score@rare": pl.Series(np.where(np.arange(n) % 20 == 0, 0.3, np.nan)).fill_nan(None),
            "confidence@rare": pl.lit(0.5),
        },
    )
    return wide, prices


@lru_cache(maxsize=1)
def payload() -> str:
    fit = meta.fit_meta(*market(), SMALL)
    assert fit is not None
    return fit.payload


def panel(**columns: Any) -> pl.DataFrame:
    wide = market()[0].with_columns(fitted=pl.lit(FIRST), payload=pl.lit(meta.packed(payload())))
    return wide.with_columns(**columns)


@pytest.mark.parametrize(
    ("p", "score"), [(0.61, -0.6), (0.55, -0.6), (0.50, -0.3), (0.45, -0.3), (0.41, 0.0), (np.nan, np.nan)]
)
def test_a_primary_is_kept_halved_or_dropped(p, score):
    found = apply_meta(np.array([-0.6]), np.array([p]), PARAMS)
    assert found == pytest.approx([score], abs=5e-4, nan_ok=True)


def test_the_fit_learns_when_a_primary_is_right_and_leaves_out_primaries_with_few_outcomes():
    made = decisions(panel(), PARAMS)
    assert set(made["primary"]) == {"knows"}
    state = made.join(market()[0].select("session", "p_crisis"), on="session")
    high, low = (state.filter(c)["p"].mean() for c in (pl.col("p_crisis") > 0.6, pl.col("p_crisis") < 0.4))
    assert high > 0.65
    assert low < 0.35
    assert made["quality"].is_between(PARAMS["q_floor"], 1.0).all()


def test_a_symbol_gets_the_mean_of_its_decided_primaries():
    shown = panel(**{"score@rare": pl.lit(None, pl.Float64)})
    found, made = rule(shown, PARAMS), decisions(shown, PARAMS)
    assert found["score"].to_list() == made["score"].to_list()
    assert found["reason"].null_count() == found.height


def test_a_flat_view_is_no_bet_and_stays_flat():
    made = decisions(panel(**{"score@knows": pl.lit(0.0)}), PARAMS)
    assert made.select(pl.col("p").is_null().all(), (pl.col("score") == 0.0).all()).row(0) == (True, True)


@pytest.mark.parametrize("text", [None, "-", meta.packed("{}")])
def test_without_a_readable_fit_nothing_passes(text):
    found = rule(panel(payload=pl.lit(text, pl.String)), PARAMS)
    assert found["score"].null_count() == found.height
    assert set(found["reason"]) == {"MISSING"}


def test_a_silent_primary_leaves_the_symbol_missing():
    found = rule(panel(**{"score@knows": pl.lit(None, pl.Float64)}), PARAMS)
    assert set(found["reason"]) == {"MISSING"}


def test_one_row_is_judged_to_the_same_bits_alone():
    whole = rule(panel(), PARAMS)
    for i in (0, 100, 300):
        assert rule(panel()[i : i + 1], PARAMS).equals(whole[i : i + 1])


def test_signals_without_a_settled_outcome_do_not_train():
    wide, prices = market()
    fit = meta.fit_meta(wide, prices, SMALL)
    assert fit is not None
    assert fit.trained_to <= prices["event_date"][-1]
    cut = prices["event_date"][250]
    early = meta.fit_meta(wide, prices.filter(pl.col("event_date") <= cut), SMALL)
    same = meta.fit_meta(wide.filter(pl.col("session") <= cut), prices.filter(pl.col("event_date") <= cut), SMALL)
    assert early == same
    assert meta.fit_meta(wide, prices, meta.SPEC) is None


def test_walk_forward_asks_for_500_outcomes():
    assert not list(walk_forward.fit_missing_meta(*market(), FIRST, LAST, (), lambda *_: None))


def test_a_fit_of_31_days_is_none():
    fitted = dt.date(2019, 12, 2)
    fit = meta.fit_meta(*market(), SMALL)
    assert fit is not None
    row = model_row(meta.SPEC, fitted, fit, "meta_models")
    days = calendar.schedule(dt.date(2019, 11, 25), dt.date(2020, 1, 31)).select("session")
    found = meta_feature.compute({"meta_models": row}, days)
    held = found.filter(pl.col("payload").is_not_null())["session"]
    first = calendar.next_session(fitted)
    assert held[0] == first
    assert calendar.decision_time(held[-1]) - calendar.decision_time(first) < dt.timedelta(days=31)
    later = calendar.next_session(held[-1])
    assert calendar.decision_time(later) - calendar.decision_time(first) >= dt.timedelta(days=31)
    too_old = found.filter(session=later).row(0, named=True)
    assert (too_old["fitted"], too_old["payload"]) == (None, None)
    assert too_old["model_available_at"] == calendar.decision_time(first)  # how old it is can still be told


def test_it_trades_nothing_of_its_own():
    assert meta_labeller_pm.STRATEGY.consumes == ("*",)
    assert meta_labeller_pm.STRATEGY.horizon_sessions == 0


def test_each_session_is_judged_by_its_own_fit():
    other = json.loads(payload())
    other["levels"] = [0.9] * len(other["levels"])
    later = pl.col("session") > dt.date(2020, 1, 2)
    second = pl.when(later).then(pl.lit(meta.packed(json.dumps(other)))).otherwise(pl.lit(meta.packed(payload())))
    both = panel(payload=second, fitted=pl.when(later).then(pl.lit(LAST)).otherwise(pl.lit(FIRST)))
    made, plain = decisions(both, PARAMS), decisions(panel(), PARAMS)
    assert made.filter(~later).equals(plain.filter(~later))
    assert made.filter(later)["p"].unique().to_list() == [0.9]


def test_what_a_fit_reads_of_a_signal_is_plain_arithmetic():
    row = {"return_5d": 0.02, "log_return_252": 0.08, "vol_ewma_94": 0.16, **dict.fromkeys(meta.COLUMNS[8:], 0.5)}
    signals = {"score@a": -0.5, "confidence@a": 0.4, "score@b": 0.1, "confidence@b": 0.2, "score@c": None}
    views = meta.views_of(pl.DataFrame([{**row, **signals, "confidence@c": None}]).cast(pl.Float64))
    assert views.primary.tolist() == [0, 1]
    x = dict(zip(meta.COLUMNS, views.x[0], strict=True))
    assert (x["size"], x["confidence"], x["side"], x["voices"]) == (0.5, 0.4, -1.0, 2.0)
    assert x["consensus"] == pytest.approx(0.2)
    assert x["with_5d"] == pytest.approx(-0.02 / (0.16 * math.sqrt(5 / 252)))
    assert x["with_252d"] == pytest.approx(-0.5)
