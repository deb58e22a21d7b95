"""Strategies on prices and dates, from rows to signals: health, cadence and the same answer from any start."""

from __future__ import annotations

import datetime as dt
import functools

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from qgtm_core import calendar
from qgtm_core.features.registry import compute_features
from qgtm_core.strategies.evaluate import evaluate
from qgtm_core.strategies.registry import REGISTRY
from tests.core.features import price_family_frames as frames
from tests.core.strategies.strategy_frames import asked

IDS = (
    "overnight_gold",
    "gold_tsmom",
    "gold_day_of_week",
    "gold_multi_ma_trend",
    "skew_trades",
    "levered_etf_decay",
    "event_drift_pm",
    "gold_seasonality",
    "gold_momentum_mr",
    "silver_industrial",
    "miners_leverage",
)
FIRST, LAST = dt.date(2013, 1, 7), dt.date(2013, 3, 15)


def signals(strategy_id: str, tables: frames.Frames, first: dt.date, last: dt.date) -> pl.DataFrame:
    strategy = REGISTRY[strategy_id]
    days = asked(calendar.offset_session(first, -strategy.lookback), last)
    features = {name: compute_features(name, tables, days) for name in strategy.tables}
    return evaluate(strategy, features, asked(first, last), include_quarantined=True)


@functools.cache
def whole(strategy_id: str) -> pl.DataFrame:
    return signals(strategy_id, frames.tables(), FIRST, LAST)


@pytest.mark.parametrize("strategy_id", IDS)
def test_one_session_gives_the_signal_of_the_range(strategy_id: str) -> None:
    for session in (dt.date(2013, 1, 14), dt.date(2013, 2, 8), dt.date(2013, 2, 28)):
        got = signals(strategy_id, frames.tables(), session, session)
        assert_frame_equal(got, whole(strategy_id).filter(session=session), check_exact=True)


@pytest.mark.parametrize("strategy_id", IDS)
def test_healthy_inputs_are_judged_by_the_rule(strategy_id: str) -> None:
    got = whole(strategy_id)
    assert "OK" in set(got["status"]) or "GATE" in set(got["reason"])
    assert not set(got["reason"]) & {"MISSING", "WARMUP", "STALE"}


@pytest.mark.parametrize(
    ("strategy_id", "table", "lost", "reason"),
    [
        ("gold_tsmom", "prices", pl.col("symbol") == "GLD", "MISSING"),
        ("levered_etf_decay", "fund_terms", pl.lit(value=True), "MISSING"),
        ("levered_etf_decay", "prices", pl.col("symbol").is_in(["UGL", "AGQ"]), "MISSING"),
        ("event_drift_pm", "fomc", pl.lit(value=True), "MISSING"),
        ("event_drift_pm", "events", pl.col("category") == "CPI", "MISSING"),
        ("silver_industrial", "macro", pl.col("series_id") == "INDPRO", "MISSING"),
        ("silver_industrial", "prices", pl.col("symbol") == "XLI", "MISSING"),
        ("skew_trades", "prices", pl.col("symbol").is_in(["PPLT", "PALL"]), "MISSING"),
        ("gold_day_of_week", "prices", pl.col("event_date") < dt.date(2011, 1, 3), "WARMUP"),
        ("overnight_gold", "prices", pl.col("event_date") > dt.date(2012, 12, 14), "STALE"),
    ],
)
def test_a_lost_input_silences_every_symbol(strategy_id: str, table: str, lost: pl.Expr, reason: str) -> None:
    tables = {**frames.tables(), table: frames.tables()[table].filter(~lost)}
    got = signals(strategy_id, tables, dt.date(2013, 2, 28), dt.date(2013, 2, 28))
    assert set(got["status"]) == {"NO_SIGNAL"}
    assert reason in set(got["reason"])


def test_a_fund_without_terms_silences_its_own_pair_only() -> None:
    tables = {**frames.tables(), "fund_terms": frames.tables()["fund_terms"].filter(symbol="UGL")}
    got = signals("levered_etf_decay", tables, dt.date(2013, 2, 28), dt.date(2013, 2, 28))
    assert set(got.filter(status="OK")["symbol"]) == {"GLD", "UGL"}


def test_a_fund_that_cannot_be_borrowed_is_gated() -> None:
    tables = {
        **frames.tables(),
        "fund_terms": frames.tables()["fund_terms"].with_columns(shortable=pl.lit(value=False)),
    }
    got = signals("levered_etf_decay", tables, dt.date(2013, 2, 28), dt.date(2013, 2, 28))
    assert set(got["reason"]) == {"GATE"}


def test_a_schedule_that_ends_too_soon_is_stale() -> None:
    short = frames.tables()["events"].filter(pl.col("event_at") < dt.datetime(2013, 3, 20, tzinfo=dt.UTC))
    got = signals("event_drift_pm", {**frames.tables(), "events": short}, dt.date(2013, 3, 1), dt.date(2013, 3, 1))
    assert got["reason"].to_list() == ["STALE"]


def test_event_drift_speaks_on_the_session_before_an_event_only() -> None:
    spoken = set(whole("event_drift_pm").filter(status="OK")["session"])
    assert dt.date(2013, 2, 14) in spoken  # prices are released on the 15th
    assert dt.date(2013, 2, 15) not in spoken
    silent = whole("event_drift_pm").filter(session=dt.date(2013, 2, 19))
    assert silent["reason"].to_list() == ["OUT_OF_WINDOW"]


def test_gold_tsmom_moves_on_the_last_session_of_the_week_only() -> None:
    rows = whole("gold_tsmom").with_columns(moved=pl.col("score") != pl.col("score").shift(1))
    moved = rows.filter("moved")["session"]
    assert moved.len() > 3
    assert all(calendar.next_session(day).isocalendar().week != day.isocalendar().week for day in moved)


@pytest.mark.parametrize("strategy_id", ["gold_tsmom", "gold_momentum_mr"])
def test_mirrored_log_returns_flip_the_score(strategy_id: str) -> None:
    prices = frames.tables()["prices"]
    mirrored = prices.with_columns(adj_close=1000.0 / pl.col("adj_close"), close=1000.0 / pl.col("close"))
    session = dt.date(2013, 2, 8)
    scores = [signals(strategy_id, {"prices": p}, session, session)["score"][0] for p in (prices, mirrored)]
    assert scores[0] == pytest.approx(-scores[1], abs=1e-9)
    assert scores[0] != 0.0
