"""How long the whole range takes in memory, how long one live session takes, and what computing by column saves."""

from __future__ import annotations

import datetime as dt
import os
import statistics
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from benchmarks.history import (
    LOOKBACK,
    QUOTES,
    Frames,
    Span,
    make_features,
    make_panel,
    make_pit,
    make_signals,
    open_archive,
    read_raw,
    with_fits,
)
from benchmarks.tables import Result, Table
from qgtm_assets.desk import CLUSTERS
from qgtm_core import calendar
from qgtm_core.backtest.run import run_backtest
from qgtm_core.engine import approve_stage, open_session, plan_stage, target_stage
from qgtm_core.features.registry import FEATURES
from qgtm_core.policy import Policy
from qgtm_core.strategies.registry import REGISTRY
from qgtm_core.types import BookState
from qgtm_core.view import MarketPanel

RUNS = 3
RANGE_GOAL_S, SESSION_GOAL_S = 5.0, 0.3  # features and signals of every strategy
CASH = Decimal(1_000_000)
COMPUTED = ("features", "signals")
REPLAYED = (*COMPUTED, "panel", "replay")
T = TypeVar("T")


class Stopwatch:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def time(self, stage: str, work: Callable[[], T]) -> T:
        """Run a stage."""
        started = time.perf_counter()
        done = work()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - started
        return done


def run(folder: Path, span: Span) -> Result:
    """Measure the range and one session, `RUNS` times each."""
    watches, loads = [], []
    for _ in range(RUNS):
        watch, kept = whole_range(folder, span)
        watches.append(watch)
        loads.append(os.getloadavg()[0])
    live = [one_session(kept, span.last) for _ in range(RUNS)]
    return report(span, watches, live, kept, loads)


def whole_range(folder: Path, span: Span) -> tuple[Stopwatch, dict[str, Any]]:
    """Raw files to the replayed book, nothing kept from an earlier run."""
    watch, feed = Stopwatch(), open_archive(folder)
    raw = watch.time("raw: read and check", lambda: read_raw(feed, span.last))
    quotes = watch.time("raw: decision quotes", lambda: feed.rows(QUOTES, span.first, span.last))
    market = watch.time("market for the fills", lambda: feed.market_range(span.first, span.last))
    pit = with_fits(watch.time("pit", lambda: make_pit(raw)), span)
    features = watch.time("features", lambda: make_features(pit, span.feature_sessions))
    signals = watch.time("signals", lambda: make_signals(features, span.sessions))
    panel = watch.time("panel", lambda: make_panel(features, signals, quotes, span))
    prices = pit["prices"].select("symbol", "event_date", "revision", "adj_close")
    policy = Policy(simulated_reset_sessions=5)
    rows = watch.time(
        "replay",
        lambda: run_backtest(panel, market, prices, CLUSTERS, policy, book="benchmark", cash_usd=CASH),
    )
    kept = {"raw": raw, "pit": pit, "features": features, "signals": signals, "quotes": quotes, "backtest": rows}
    return watch, kept


def one_session(kept: Mapping[str, Any], session: dt.date) -> Stopwatch:
    """All of history in, one session out: what a live session computes, without its reads and writes.

    Features of earlier sessions are taken as stored, as live takes them from the warehouse.
    """
    watch, span = Stopwatch(), Span(session, session)
    today = span.sessions
    new_rows = {name: rows.filter(pl.col("session") == session) for name, rows in kept["raw"].items()}
    watch.time("pit", lambda: make_pit(new_rows))
    stored = _stored(kept["features"], session)
    features = watch.time("features", lambda: make_features(kept["pit"], today))
    known = {name: pl.concat([stored[name], features[name]]) for name in FEATURES}
    signals = watch.time("signals", lambda: make_signals(known, today))
    panel = watch.time("panel", lambda: make_panel(known, signals, kept["quotes"], span))
    _decide(watch, panel)
    return watch


def _stored(features: Frames, session: dt.date) -> Frames:
    since = calendar.offset_session(session, -LOOKBACK)
    before = pl.col("session").is_between(since, session, closed="left")
    return {name: rows.filter(before) for name, rows in features.items()}


def _decide(watch: Stopwatch, panel: MarketPanel) -> None:
    policy, view = Policy(), next(panel.views())
    opened = watch.time("open", lambda: open_session(BookState(book="benchmark", cash_usd=CASH), view, policy))
    target = watch.time("target", lambda: target_stage(opened, view, CLUSTERS, policy))
    approval = watch.time("approve", lambda: approve_stage(opened, target.target_weight, view, policy))
    watch.time("plan", lambda: plan_stage(opened, approval.approved_shares, view, policy))


def report(
    span: Span, watches: list[Stopwatch], live: list[Stopwatch], kept: Mapping[str, Any], loads: list[float]
) -> Result:
    """Medians by stage, the two goals and the ratio."""
    sessions = span.sessions.height
    whole, single = _medians(watches), _medians(live)
    computed = statistics.median(sum(w.seconds[stage] for stage in COMPUTED) for w in watches)
    session_s = statistics.median(sum(w.seconds[stage] for stage in COMPUTED) for w in live)
    decided_s = statistics.median(sum(w.seconds.values()) for w in live)
    replayed = statistics.median(sum(w.seconds[stage] for stage in REPLAYED) for w in watches)
    result = Result("compute")
    result.tables = [
        Table(
            f"{span.first} to {span.last}: {sessions} sessions, {len(REGISTRY)} strategies, median of {RUNS}",
            [{"stage": s, "seconds": v, "rows": _rows_of(s, kept)} for s, v in whole.items()],
        ),
        Table(
            f"One live session ({span.last}), median of {RUNS}",
            [{"stage": s, "milliseconds": v * 1e3} for s, v in single.items()],
        ),
        Table("Against the goals", _goals(whole, (computed, replayed), (session_s, decided_s), sessions, loads)),
    ]
    result.ok = computed <= RANGE_GOAL_S and session_s <= SESSION_GOAL_S
    return result


def _goals(
    whole: Mapping[str, float],
    ranges: tuple[float, float],
    session: tuple[float, float],
    sessions: int,
    loads: list[float],
) -> list[dict[str, Any]]:
    computed, replayed = ranges
    by_session = session[0] * sessions
    return [
        {"what": "features + signals of the range, s", "value": computed, "goal": RANGE_GOAL_S},
        {"what": "the same with panel and replay, s", "value": replayed, "goal": None},
        {"what": "raw files to replayed book, s", "value": sum(whole.values()), "goal": None},
        {"what": "features + signals of one live session, s", "value": session[0], "goal": SESSION_GOAL_S},
        {"what": "the same with pit, panel and decision, s", "value": session[1], "goal": None},
        {"what": "sessions a second, whole range", "value": sessions / computed, "goal": None},
        {"what": "the range session by session, s (one session x sessions)", "value": by_session, "goal": None},
        {"what": "session by session / whole columns", "value": by_session / computed, "goal": None},
        {"what": "load during the runs (highest)", "value": max(loads), "goal": None},
    ]


def _medians(watches: list[Stopwatch]) -> dict[str, float]:
    return {stage: statistics.median(w.seconds[stage] for w in watches) for stage in watches[0].seconds}


def _rows_of(stage: str, kept: Mapping[str, Any]) -> int | None:
    if stage == "replay":
        return int(kept["backtest"].portfolio.height)
    name = {"raw: read and check": "raw", "pit": "pit", "features": "features", "signals": "signals"}.get(stage)
    return sum(len(frame) for frame in kept[name].values()) if name is not None else None
