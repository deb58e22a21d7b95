"""Every strategy finds something to say on real history."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from pathlib import Path

import polars as pl
import pytest

from qgtm_core import calendar
from qgtm_core.features.registry import FEATURES, compute_features
from qgtm_core.quarantine import normalise
from qgtm_core.schemas.pit import PIT_SOURCES
from qgtm_core.schemas.signals import signal_table
from qgtm_core.strategies.evaluate import evaluate
from qgtm_core.strategies.registry import REGISTRY
from qgtm_core.strategies.spec import Strategy
from qgtm_core.types import StrategyStatus
from qgtm_resources.feeds.archive import ArchiveFeed
from tests.archive import require_archive

pytestmark = pytest.mark.archive

FIRST, LAST = dt.date(2010, 1, 4), dt.date(2024, 6, 28)
LONGEST = max(strategy.lookback for strategy in REGISTRY.values())
# Fewest of its rows with an opinion. Measured: PPLT and PALL list in January 2010, so ranks among four metals start
# in 2011; the dollar's gate shuts 5 % of sessions; CFTC reports paused in the shutdowns of 2013 and 2018.
FEWEST_OK = 0.90


@lru_cache(maxsize=1)
def features(folder: Path) -> dict[str, pl.DataFrame]:
    feed = ArchiveFeed(folder)
    raw = {
        name: feed.rows(name, calendar.FIRST_SESSION, LAST)
        for name in ("bars_daily", "macro", "cot", "seasonal_calendar")
    }
    pit = {
        table: normalise(table, {name: raw[name] for name in PIT_SOURCES[table] if name in raw})[0]
        for table in {source for feature in FEATURES.values() for source in feature.sources}
    }
    days = calendar.schedule(calendar.offset_session(FIRST, -LONGEST), LAST)
    return {table: compute_features(table, pit, days) for table in FEATURES}


def counts(strategy: Strategy, include_quarantined: bool) -> pl.DataFrame:
    """Rows by symbol and reason (null = OK)."""
    asked = calendar.schedule(FIRST, LAST).select("session", "decided_at")
    signals = evaluate(strategy, features(require_archive()), asked, include_quarantined=include_quarantined)
    signal_table(strategy.id).require_valid(signals)
    assert signals.height == asked.height * len(strategy.symbols)
    return signals.group_by("symbol", "reason").len()


@pytest.mark.parametrize("strategy", REGISTRY.values(), ids=list(REGISTRY))
def test_every_symbol_of_every_strategy_speaks_most_of_the_time(strategy: Strategy) -> None:
    found = counts(strategy, include_quarantined=True)
    spoken = found.filter(pl.col("reason").is_null())
    assert set(spoken["symbol"]) == set(strategy.symbols)
    dead_share = 0.85 if strategy.status is StrategyStatus.DEAD else FEWEST_OK
    assert spoken["len"].sum() / found["len"].sum() >= dead_share
    assert set(found["reason"].drop_nulls()) <= {"MISSING", "WARMUP", "STALE", "GATE"}


def test_only_the_dead_strategies_are_silent_throughout() -> None:
    silent = [
        strategy.id
        for strategy in REGISTRY.values()
        if counts(strategy, include_quarantined=False)["reason"].null_count() == 0
    ]
    assert silent == ["gold_silver_ratio"]
