"""Research, replay and evidence of the whole library on real history: seconds, memory, the same hashes thrice."""

from __future__ import annotations

import datetime as dt
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import polars as pl

from benchmarks.history import (
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
from qgtm_core.backtest.evidence.investigation import (
    Investigated,
    arrays_hash,
    data_hash,
    investigable,
    investigate,
    table_hashes,
)
from qgtm_core.backtest.evidence.judgement import Family, OutOfSample, judge, regimes_of
from qgtm_core.backtest.evidence.record import Evidence, Stamps, Tried, evidence_of
from qgtm_core.backtest.evidence.trial_record import Evaluation, MemoryTrials
from qgtm_core.backtest.research.costs import CostModel
from qgtm_core.backtest.research.returns import ResearchMarket, matrix, research_market
from qgtm_core.backtest.research.run import ResearchRows, run_research
from qgtm_core.backtest.run import run_backtest
from qgtm_core.policy import Policy
from qgtm_core.strategies.registry import REGISTRY
from qgtm_resources.clock import SystemClock
from qgtm_resources.code_version import code_version
from qgtm_resources.tearsheets.pages import write_tearsheets
from qgtm_resources.tearsheets.results import Results

RUNS = 3
BOOK = "benchmark"
CASH = Decimal(1_000_000)
RESEARCH_GOAL_S, REPLAY_GOAL_S, EVIDENCE_GOAL_S, MEMORY_GOAL_GIB = 10.0, 15.0, 180.0, 3.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ground:
    """What every run starts from."""

    features: Frames
    signals: Frames
    quotes: pl.DataFrame
    fills_market: pl.DataFrame
    market: ResearchMarket
    prices: pl.DataFrame
    span: Span


def run(folder: Path, span: Span) -> Result:
    """Measure each stage `RUNS` times."""
    ground = prepare(folder, span)
    watches, hashes = [], []
    for _ in range(RUNS):
        watch: dict[str, float] = {}
        hashes.append(one_run(ground, watch))
        watches.append(watch)
    return report(ground, watches, hashes)


def prepare(folder: Path, span: Span) -> Ground:
    """Raw files to features, signals and markets."""
    feed = open_archive(folder)
    pit = with_fits(make_pit(read_raw(feed, span.last)), span)
    features = make_features(pit, span.feature_sessions)
    quotes = feed.rows(QUOTES, span.first, span.last)
    prices = pit["prices"].select("symbol", "event_date", "revision", "adj_close")
    within = features["prices"].filter(pl.col("session").is_between(span.first, span.last))
    market = research_market(within, prices, quotes, pit["fund_terms"], span.sessions)
    signals = make_signals(features, span.sessions)
    return Ground(features, signals, quotes, feed.market_range(span.first, span.last), market, prices, span)


def one_run(ground: Ground, watch: dict[str, float]) -> dict[str, str]:
    """All stages once; returns the hash of every record."""

    def timed(stage: str, work: Callable[[], T]) -> T:
        started = time.perf_counter()
        done = work()
        watch[stage] = watch.get(stage, 0.0) + time.perf_counter() - started
        return done

    ids, costs = investigable(), CostModel()
    rows = timed("registered sets: accounts and figures", lambda: registered(ground, ids, costs))
    prints = timed("hashes of the data", lambda: prints_of(ground, ids))
    stamp = Evaluation(code_version(), "", ground.span.first, ground.span.last, 0, SystemClock().now())
    found = timed(
        "all parameter sets: rules and accounts",
        lambda: list(
            investigate(ids, ground.features, ground.span.sessions, ground.market, costs, lambda _: stamp, missing={})
        ),
    )
    timed("walk-forward among them", lambda: [walked(each) for each in found])
    policy = Policy(simulated_reset_sessions=5)
    panel = make_panel(ground.features, ground.signals, ground.quotes, ground.span)
    replayed = timed(
        "replay",
        lambda: run_backtest(panel, ground.fills_market, ground.prices, CLUSTERS, policy, book=BOOK, cash_usd=CASH),
    )
    evidence = timed("judging: folds, paths, PBO, DSR, bootstrap", lambda: judged(ground, found, prints, costs))
    frames = {name: pl.concat([getattr(e, name) for e in evidence]) for name in Evidence.__dataclass_fields__}
    results = Results(frames["record"], rows.strategy_returns, frames["out_of_sample"], frames["validation"],
                      rows.metrics, replayed.portfolio)  # fmt: skip
    with tempfile.TemporaryDirectory() as pages:
        timed("pages", lambda: write_tearsheets(Path(pages), results))
    return dict(frames["record"].select("strategy_id", "evidence_hash").iter_rows())


def registered(ground: Ground, ids: tuple[str, ...], costs: CostModel) -> ResearchRows:
    """The research path without any trial."""
    market = ground.market
    scores = {key: matrix(ground.signals[key], "score", market.sessions, market.symbols) for key in ids}
    return run_research(market, scores, costs, BOOK)


def walked(each: Investigated) -> OutOfSample:
    """Every way of choosing out of sample, without chances and intervals."""
    subject = each.subject
    return judge(Family(each_sessions(subject.returns.shape[1]), subject.returns, subject.changes, subject.horizon))


def each_sessions(count: int) -> tuple[dt.date, ...]:
    """Any days: only their number matters here."""
    return tuple(dt.date(2000, 1, 1) + dt.timedelta(days=n) for n in range(count))


def prints_of(ground: Ground, ids: tuple[str, ...]) -> Mapping[str, str]:
    """Data hashes by strategy."""
    tables, market = table_hashes(ground.features), arrays_hash(ground.market)
    return {key: data_hash(REGISTRY[key], tables, market) for key in ids}


def judged(ground: Ground, found: list[Investigated], prints: Mapping[str, str], costs: CostModel) -> list[Evidence]:
    """Records of all strategies, with a trial ledger in memory."""
    ledger = MemoryTrials()
    ledger.record(row for each in found for row in each.trials)
    counts, digest = ledger.counts(), ledger.digest()
    library = Tried.of([row for each in found for row in each.trials], sum(counts.values()))
    regimes = regimes_of(ground.market)
    made = []
    for each in found:
        key = each.subject.strategy_id
        stamps = Stamps(BOOK, costs.costs_hash, code_version(), prints[key], digest)
        own = Tried.of(each.trials, counts[key])
        made.append(evidence_of(each.subject, ground.market.sessions, regimes, own, library, stamps))
    return made


def report(ground: Ground, watches: list[dict[str, float]], hashes: list[dict[str, str]]) -> Result:
    """Medians, goals, and the strategies whose record differed between runs."""
    median = {stage: statistics.median(watch[stage] for watch in watches) for stage in watches[0]}
    differ = [key for key in hashes[0] if len({each[key] for each in hashes}) > 1]
    research = sum(median[stage] for stage in (
        "registered sets: accounts and figures", "all parameter sets: rules and accounts", "walk-forward among them"
    ))  # fmt: skip
    evidence = sum(seconds for stage, seconds in median.items() if stage not in {"replay", "walk-forward among them"})
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    goals = [
        {"what": "research with walk-forward and costs, s", "value": research, "goal": RESEARCH_GOAL_S},
        {"what": "replay, day by day with orders, s", "value": median["replay"], "goal": REPLAY_GOAL_S},
        {"what": "evidence of all strategies with pages, s", "value": evidence, "goal": EVIDENCE_GOAL_S},
        {"what": "peak memory of the process, features and signals included, GiB", "value": peak,
         "goal": MEMORY_GOAL_GIB},
        {"what": f"records that differ between {RUNS} runs", "value": len(differ), "goal": 0},
    ]  # fmt: skip
    result = Result("evidence", ok=not differ)
    span = ground.span
    result.tables = [
        Table(
            f"{span.first} to {span.last}: {span.sessions.height} sessions, {len(hashes[0])} strategies, median of "
            f"{RUNS}",
            [{"stage": stage, "seconds": seconds} for stage, seconds in median.items()],
        ),
        Table("Against the goals", goals),
    ]
    first = [f"{watches[0][stage] - median[stage]:+.1f} s {stage}" for stage in median]
    result.notes.append(
        f"The first run compiles its kernels where no cache is; against the median: {', '.join(first)}."
    )
    result.notes.append(f"Load at the end: {os.getloadavg()[0]:.2f}")
    return result
