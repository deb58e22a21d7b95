"""features/regime and features/learning: point in time, the same bits for one session and for all, and plain checks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from qgtm_core import calendar
from qgtm_core.features import learning, regime
from qgtm_core.maths.regimes import filtered, run_lengths
from qgtm_core.models import regime as regime_model
from qgtm_core.models.ensemble import from_payload
from qgtm_core.schemas.features import FEATURE_TABLES
from tests.core.models import market

Compute = Callable[[Mapping[str, pl.DataFrame], pl.DataFrame], pl.DataFrame]
FAMILIES = {"regime": regime.compute, "learning": learning.compute}
DAYS = calendar.schedule(*market.ASKED).select("session")


def rows_of(name: str, tables: Mapping[str, pl.DataFrame], days: pl.DataFrame) -> pl.DataFrame:
    table = FEATURE_TABLES[name]
    return table.require_valid(FAMILIES[name](tables, days).select(list(table.dtypes))).sort(table.key)


@pytest.mark.parametrize("share", [0.0, 0.004])
@pytest.mark.parametrize("name", FAMILIES)
def test_one_session_gives_the_bits_of_the_range_whatever_became_known_later(name, share):
    tables = market.with_fits(share)
    whole = rows_of(name, tables, DAYS)
    for day in DAYS["session"][::27]:
        known = {table: frame.filter(pl.col("session") <= day) for table, frame in tables.items()}
        alone = rows_of(name, known, DAYS.filter(session=day))
        assert_frame_equal(alone, whole.filter(session=day), check_exact=True)


@pytest.mark.parametrize("name", FAMILIES)
def test_without_a_usable_fit_the_inputs_remain_and_the_model_is_missing(name):
    bare = rows_of(name, market.pit(), DAYS)
    full = rows_of(name, market.with_fits(), DAYS)
    of_model = [c for c in bare.columns if c.startswith(("model_", "p_")) or c == "auc"]
    assert bare.select(pl.col(of_model).is_null().all()).row(0) == (True,) * len(of_model)
    assert full.select(pl.col(of_model).is_null().any()).row(0) == (False,) * len(of_model)
    assert_frame_equal(bare.drop(of_model), full.drop(of_model), check_exact=True)


def test_probabilities_are_those_of_the_filter_over_the_inputs_as_known_at_each_session():
    tables = market.with_fits(0.004)
    found = rows_of("regime", tables, DAYS)
    fits = tables["models"].filter(model_id="regime_classifier_pm").sort("event_date")
    for day in DAYS["session"][[3, 40, 80]]:
        usable = [r for r in fits.iter_rows(named=True) if regime_model.SPEC.usable_from(r["event_date"]) <= day]
        newest = usable[-1]
        since = calendar.offset_session(regime_model.SPEC.usable_from(newest["event_date"]), -regime.FILTER_SESSIONS)
        x = (
            regime.inputs(tables, calendar.schedule(since, day).select("session"))
            .select(regime_model.COLUMNS)
            .to_numpy()
        )
        slow = filtered(regime_model.from_payload(newest["payload"]), x)[-1]
        row = found.filter(session=day).select(regime.P_COLUMNS).row(0)
        assert row == pytest.approx(slow, abs=1e-12)
        assert sum(row) == pytest.approx(1.0)


def test_the_change_alarm_is_that_of_the_returns_known():
    tables = market.pit()
    found = rows_of("regime", tables, DAYS)
    day = DAYS["session"][50]
    bars = tables["prices"].filter((pl.col("symbol") == "GLD") & (pl.col("session") <= day)).sort("event_date")
    price = bars["adj_close"].to_numpy()
    returns = price[1:] / price[:-1] - 1.0
    slow = run_lengths(returns)[:10].sum()
    assert found.filter(session=day)["change_probability_10"].item() == pytest.approx(slow, abs=5e-3)


def test_learning_inputs_agree_with_plain_arithmetic():
    tables = market.pit()
    day = DAYS["session"][30]
    row = rows_of("learning", tables, DAYS).filter(session=day, symbol="SLV").row(0, named=True)
    bars = tables["prices"].filter((pl.col("symbol") == "SLV") & (pl.col("session") <= day)).sort("event_date")
    log_price = np.log(bars["adj_close"].to_numpy())
    moves = np.diff(log_price)
    variance = moves[:20].var(ddof=1)
    for move in moves[20:]:
        variance = 0.94 * variance + 0.06 * move**2
    sd = np.sqrt(variance)
    assert row["lag_3"] == pytest.approx(moves[-3] / sd)
    assert row["t_63"] == pytest.approx((log_price[-1] - log_price[-64]) / (sd * np.sqrt(63)))
    assert row["slv_t_5"] == row["t_5"]
    assert row["vol_21_63"] == pytest.approx(np.log(moves[-21:].std(ddof=1) / moves[-63:].std(ddof=1)))
    assert row["drawdown_252"] == pytest.approx(log_price[-1] - log_price[-252:].max())
    assert (row["is_slv"], row["is_gdx"]) == (1.0, 0.0)
    finite = [row[c] is not None and np.isfinite(row[c]) for c in learning.COLUMNS]
    assert row["coverage"] == pytest.approx(sum(finite) / len(finite))
    assert len(learning.COLUMNS) >= 40


def test_predictions_are_those_of_the_fit_in_use():
    tables = market.with_fits()
    row = rows_of("learning", tables, DAYS).filter(session=DAYS["session"][-1], symbol="GDX")
    fits = tables["models"].filter((pl.col("model_id") == "ml_ensemble") & (pl.col("event_date") < dt.date(2017, 1, 3)))
    columns, learners = from_payload(fits.sort("event_date")["payload"][-1])
    x = row.select(pl.col(columns).fill_null(np.nan)).to_numpy()
    for name, learner in learners.items():
        assert row[f"p_{name}"].item() == learner.probability(x)[0]


def test_a_stale_series_lowers_the_coverage():
    tables = market.pit()
    stop = DAYS["session"][20]
    stopped = {**tables, "macro": tables["macro"].filter(pl.col("session") <= stop)}
    found = rows_of("learning", stopped, DAYS).filter(symbol="GLD")
    before, after = (found.filter(session=DAYS["session"][i])["coverage"].item() for i in (20, 40))
    assert after == pytest.approx(before - 12 / len(learning.COLUMNS))
    assert found["vix_pr_252"][-1] is None
