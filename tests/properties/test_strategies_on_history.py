"""The library on real history: every strategy that has its data speaks, every other says what it lacks."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache

import polars as pl
import pytest

from benchmarks import library
from benchmarks.history import Frames, Span, make_features, make_pit, make_signals, open_archive, read_raw
from qgtm_core.schemas.signals import signal_table
from qgtm_core.strategies.evaluate import evaluate_all
from qgtm_core.strategies.registry import REGISTRY
from qgtm_core.types import StrategyStatus
from tests.archive import require_archive

pytestmark = pytest.mark.archive

SPAN = Span(dt.date(2010, 1, 4), dt.date(2024, 6, 28))
# Strategies whose gates are shut most of the time, with the share of rows they have spoken on (measured, rounded down)
OFTEN_SHUT = {
    "gold_real_rate_residual": 0.1,
    "miners_vs_metal": 0.1,
    "overnight_gold": 0.5,
    "event_drift_pm": 0.05,
    "tail_hedge_pm": 0.6,
}
# Histories that begin late in the archive: listings of 2010, ten years of months, bitcoin of 2014, spreads of 2023
BEGIN_LATE = {"seasonality_pm": 0.4, "gold_bitcoin_regime": 0.5, "gold_macro_regime": 0.03, "regime_classifier_pm": 0.0}
FEED_ENDS = {"gold_lbma_fix_anomaly": 0.8, "etf_flow_pm": 0.2, "pairs_mr": 0.4}  # auctions of 2022; GLD holdings alone
USUAL = 0.75


@lru_cache(maxsize=1)
def worked() -> tuple[Frames, Frames, Frames]:
    pit = make_pit(read_raw(open_archive(require_archive()), SPAN.last))
    features = make_features(pit, SPAN.feature_sessions)
    return pit, features, make_signals(features, SPAN.sessions)


def test_a_strategy_that_has_its_data_speaks_and_any_other_says_what_it_lacks() -> None:
    pit, features, signals = worked()
    fewest = {**OFTEN_SHUT, **BEGIN_LATE, **FEED_ENDS}
    for key, frame in signals.items():
        strategy = REGISTRY[key]
        signal_table(key).require_valid(frame)
        assert frame.height == SPAN.sessions.height * len(strategy.symbols)
        told = library.facts(strategy, frame, pit, features)
        if told["ok"] == 0:
            assert told["why silent"], key
        else:
            assert told["ok"] / told["rows"] >= fewest.get(key, USUAL), (key, told)


def test_a_dead_strategy_is_silent_in_production_and_tested_in_research() -> None:
    _, features, signals = worked()
    dead = {key: s for key, s in REGISTRY.items() if s.status is StrategyStatus.DEAD and key in signals}
    production = evaluate_all(dead, features, SPAN.sessions)
    for key in dead:
        assert production[key]["reason"].unique().to_list() == ["QUARANTINED"]
        assert signals[key].filter(pl.col("status") == "OK").height > 0


def test_strategies_that_must_differ_do() -> None:
    _, _, signals = worked()
    bound = [row for row in library.overlaps(signals) if row["bound"] and row["correlation"] is not None]
    assert bound
    assert all(abs(row["correlation"]) < library.TOO_ALIKE for row in bound)
