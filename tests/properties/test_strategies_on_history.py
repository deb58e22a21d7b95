"""Every strategy finds something to say on real history."""

from __future__ import annotations

import datetime as dt
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
# in 2011; the dollar's gate shuts 5 % of sessions; CFTC reports paused in 2013, 2018 and 2023.
FEWEST_OK = {StrategyStatus.PAPER: 0.90, StrategyStatus.DEAD: 0.80}


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


def counts(strategy: Strategy, tables: dict[str, pl.DataFrame], *, include_quarantined: bool) -> pl.DataFrame:
    """Rows by symbol and reason (null = OK)."""
    asked = calendar.schedule(FIRST, LAST).select("session", "decided_at")
    signals = evaluate(strategy, tables, asked, include_quarantined=include_quarantined)
    signal_table(strategy.id).require_valid(signals)
    assert signals.height == asked.height * len(strategy.symbols)
    return signals.group_by("symbol", "reason").len()


def test_every_symbol_of_every_strategy_speaks_most_of_the_time() -> None:
    """One test, not one a strategy: reading the history takes longer than everything else."""
    tables = features(require_archive())
    for strategy in REGISTRY.values():
        found = counts(strategy, tables, include_quarantined=True)
        spoken = found.filter(pl.col("reason").is_null())
        assert set(spoken["symbol"]) == set(strategy.symbols), strategy.id
        assert spoken["len"].sum() / found["len"].sum() >= FEWEST_OK[strategy.status], strategy.id
        assert set(found["reason"].drop_nulls()) <= {"MISSING", "WARMUP", "STALE", "GATE"}, strategy.id
        in_production = counts(strategy, tables, include_quarantined=False)
        silent = in_production["reason"].null_count() == 0
        assert silent == (strategy.status is StrategyStatus.DEAD), strategy.id
