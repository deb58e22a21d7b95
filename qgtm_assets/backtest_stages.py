"""The stages of a backtest: replay of the book, research of every strategy, evidence. Each returns rows by table."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from dagster import MetadataValue

from qgtm_assets.backtest_config import BacktestConfig, chosen_strategies, costs_of
from qgtm_assets.desk import CLUSTERS, panel
from qgtm_core import calendar
from qgtm_core.backtest import investigation
from qgtm_core.backtest.evidence import Evidence, Stamps, Subject, Tried, evidence_of
from qgtm_core.backtest.investigation import (
    NOT_DAILY,
    Investigated,
    data_hash,
    market_hash,
    table_hashes,
    unheard,
)
from qgtm_core.backtest.judgement import regimes_of
from qgtm_core.backtest.research import ResearchMarket, matrix, research_market
from qgtm_core.backtest.run import run_backtest
from qgtm_core.backtest.run_research import run_research
from qgtm_core.backtest.shortfall import implementation_gap
from qgtm_core.backtest.trial_record import PORTFOLIO, Evaluation
from qgtm_core.backtest.trials import Trial
from qgtm_core.features.registry import FEATURES
from qgtm_core.maths.validation import moments
from qgtm_core.policy import Policy
from qgtm_core.schemas.results import METRICS_TABLE, PORTFOLIO_TABLE, STRATEGY_RETURNS_TABLE
from qgtm_core.strategies.evaluate import evaluate_all
from qgtm_core.strategies.registry import INTRADAY, REGISTRY
from qgtm_core.types import StrategyStatus
from qgtm_resources.clock import SystemClock
from qgtm_resources.code_version import code_version
from qgtm_resources.held_data import missing_data
from qgtm_resources.pictures import as_markdown, equity_png, write_picture
from qgtm_resources.resources import DeskResource, FeedResource, TrialsResource, WarehouseResource
from qgtm_resources.tearsheets.pages import write_tearsheets
from qgtm_resources.tearsheets.results import Results

LOOKBACK = max(strategy.lookback for strategy in REGISTRY.values())
AHEAD = 10  # sessions after the last one that may say what a position earned
Frames = dict[str, pl.DataFrame]


@dataclass(frozen=True, slots=True)
class Done:
    """What a stage leaves: rows by table, few figures for each materialization, and what is told once."""

    frames: Frames
    told: dict[str, Any]
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass
class Bench:
    """One backtest and what its stages share, read once."""

    say: Callable[[str], None]
    config: BacktestConfig
    warehouse: WarehouseResource
    desk: DeskResource
    feed: FeedResource
    trials: TrialsResource
    policy: Policy
    book: str
    first: dt.date
    last: dt.date

    @cached_property
    def sessions(self) -> pl.DataFrame:
        """`session, decided_at` of the range."""
        return calendar.schedule(self.first, self.last).select("session", "decided_at")

    @cached_property
    def prices(self) -> pl.DataFrame:
        """What positions earned, to some sessions beyond the range: nothing decides on it."""
        until = calendar.offset_session(self.last, AHEAD)
        columns = ["symbol", "event_date", "revision", "adj_close"]
        return self.warehouse.read("pit", "prices", None, until, columns=columns)

    @cached_property
    def features(self) -> Frames:
        """Every feature table of the range and of the look-back before it."""
        self.say("reading features: 0 of 1 tables")
        since = calendar.offset_session(self.first, -LOOKBACK)
        return self.warehouse.read_many("features", list(FEATURES), since, self.last)

    @cached_property
    def market(self) -> ResearchMarket:
        """What research needs of the market."""
        within = pl.col("session").is_between(self.first, self.last)
        return research_market(
            self.features["prices"].filter(within),
            self.prices,
            self.warehouse.read("raw", "decision_quotes", self.first, self.last),
            self.warehouse.read("pit", "fund_terms", None, self.last),
            self.sessions,
        )

    @cached_property
    def portfolio(self) -> pl.DataFrame:
        """The replayed book of this backtest, oldest first; no rows when it was never replayed."""
        found = self.warehouse.client.read(PORTFOLIO_TABLE, self.first, self.last, where={"book": self.book})
        return found.sort("session")

    @property
    def results(self) -> Path:
        """Where pictures and pages of this backtest go."""
        return Path(self.warehouse.folder) / "results" / self.book


def replayed(bench: Bench) -> Done:
    """Loop `step_session` over the range."""
    rows = run_backtest(
        panel(bench.warehouse, bench.desk, bench.first, bench.last),
        bench.feed.feed.market_range(bench.first, bench.last),
        bench.prices,
        CLUSTERS,
        bench.policy,
        book=bench.book,
        cash_usd=Decimal(bench.config.start_cash_usd),
        progress=lambda text, done, total: bench.say(f"{text}: {done} of {total} sessions"),
    )
    picture = equity_png(rows.portfolio, f"{bench.desk.feed_label} {bench.book}")
    path = write_picture(bench.results / "equity.png", picture)
    gap = implementation_gap(rows.portfolio).as_dict()
    told = {
        "equity": MetadataValue.md(as_markdown(picture, "equity and drawdown")),
        "picture": MetadataValue.path(path),
        **{f"gap_{name}": value for name, value in gap.items()},
    }
    return Done({"portfolio": rows.portfolio, "fills": rows.fills}, told, {"resets": rows.resets})


def researched(bench: Bench) -> Done:
    """Account every strategy's scores with all costs."""
    ids = chosen_strategies(bench.config)
    strategies = {key: REGISTRY[key] for key in ids}
    signals = evaluate_all(strategies, bench.features, bench.sessions, include_quarantined=True)
    market = bench.market
    scores = {key: matrix(rows, "score", market.sessions, market.symbols) for key, rows in signals.items()}
    whole = None if bench.portfolio.is_empty() else bench.portfolio
    rows = run_research(market, scores, costs_of(bench.config), bench.book, whole)
    told = {"figures": MetadataValue.md(_markdown(rows.metrics))}
    return Done({"strategy_returns": rows.strategy_returns, "metrics": rows.metrics}, told)


def judged(bench: Bench) -> Done:
    """Try, record, then judge every strategy and the portfolio, and write a page for each."""
    tables, market_print = table_hashes(bench.features), market_hash(bench.market)
    prints = {key: data_hash(REGISTRY[key], tables, market_print) for key in chosen_strategies(bench.config)}
    found = _investigated(bench, prints)
    whole = _portfolio(bench, market_print)
    ledger = bench.trials.trials
    ledger.record([row for each in (*found, *whole) for row in each.trials])
    made = _evidence(bench, [*whole, *found], {**prints, PORTFOLIO: market_print})
    frames = {
        name: pl.concat([getattr(each, part) for each in made])
        for name, part in (("evidence", "record"), ("validation", "validation"), ("out_of_sample", "out_of_sample"))
    }
    pages = _pages(bench, frames)
    verdicts = dict(frames["evidence"]["verdict"].value_counts().iter_rows())
    told = {
        "league_table": MetadataValue.path(str(pages)),
        "records": MetadataValue.md(_league(frames["evidence"])),
        "trials_library": int(frames["evidence"]["trials_library"][0]),
        **{f"verdict_{name}": count for name, count in sorted(verdicts.items())},
    }
    return Done(frames, told)


def _investigated(bench: Bench, prints: Mapping[str, str]) -> list[Investigated]:
    """Every strategy with its parameter sets; one that trades within the session as a subject without returns."""
    started = SystemClock().now()
    held = missing_data(bench.warehouse.client, [REGISTRY[key] for key in prints])

    def stamp(key: str) -> Evaluation:
        return Evaluation(code_version(), prints[key], bench.first, bench.last, 0, started)

    made = investigation.investigate(
        list(prints), bench.features, bench.sessions, bench.market, costs_of(bench.config), stamp,
        missing=held, grids=bench.config.grids,
    )  # fmt: skip
    found = []
    for n, each in enumerate(made, start=1):
        bench.say(f"trying {each.subject.strategy_id}: {n} of {len(prints)} strategies")
        found.append(each)
    return found


def _portfolio(bench: Bench, data: str) -> list[Investigated]:
    """The replayed book as one more subject: its trial is the policy. Nothing when it was not replayed."""
    rows = bench.portfolio
    if rows.is_empty():
        return []
    trial = Trial.of(PORTFOLIO, asdict(bench.policy))
    equity, paid = rows["equity_usd"].to_numpy(), rows["cost_usd"].to_numpy()
    net = rows["return_1d"].fill_null(0.0).to_numpy()
    subject = Subject(
        strategy_id=PORTFOLIO,
        status=StrategyStatus.PAPER.value,
        horizon=1,
        params_hash=trial.params_hash,
        changes=("",),
        returns=net[None],
        gross=net + paid / equity,
        turnover=rows["turnover_usd"].to_numpy() / equity,
        spoke=np.ones(len(net), dtype=bool),
    )
    stamp = Evaluation(code_version(), data, bench.first, bench.last, len(net), SystemClock().now())
    return [Investigated(subject, np.zeros((0, 0)), (stamp.row(trial, moments(net).sharpe),))]


def _evidence(bench: Bench, found: Sequence[Investigated], prints: Mapping[str, str]) -> list[Evidence]:
    """Judge each against its own trials and against those of all, counted over all time by the ledger."""
    ledger = bench.trials.trials
    counts, digest = ledger.counts(), ledger.digest()
    library = Tried.of([row for each in found for row in each.trials], sum(counts.values()))
    regimes = regimes_of(bench.market)
    costs_hash = costs_of(bench.config).costs_hash
    made = []
    for n, each in enumerate(found, start=1):
        key = each.subject.strategy_id
        bench.say(f"judging {key}: {n} of {len(found)} records")
        own = Tried.of(each.trials, counts.get(key, 0))
        stamps = Stamps(bench.book, costs_hash, code_version(), prints[key], digest)
        made.append(evidence_of(each.subject, bench.market.sessions, regimes, own, library, stamps))
    never = [s for s in INTRADAY.values() if not bench.config.strategies]
    stamps = Stamps(bench.book, costs_hash, code_version(), "", digest)
    days = bench.market.sessions
    return made + [
        evidence_of(unheard(s, len(days), NOT_DAILY), days, regimes, Tried(0, ()), library, stamps) for s in never
    ]


def _pages(bench: Bench, frames: Frames) -> Path:
    """Write a page for every record, and the index; returns where."""
    client, where = bench.warehouse.client, {"book": bench.book}
    results = Results(
        evidence=frames["evidence"],
        strategy_returns=client.read(STRATEGY_RETURNS_TABLE, bench.first, bench.last, where=where),
        out_of_sample=frames["out_of_sample"],
        validation=frames["validation"],
        metrics=client.read(METRICS_TABLE, where=where),
        portfolio=bench.portfolio,
    )
    write_tearsheets(bench.results, results, lambda text, done, total: bench.say(f"{text}: {done} of {total} pages"))
    return bench.results / "index.html"


def _league(evidence: pl.DataFrame) -> str:
    """The records for the UI, best out of sample first."""
    shown = evidence.sort("oos_sharpe", descending=True, nulls_last=True).select(
        "strategy_id", "verdict", "sessions", "sharpe", "oos_sharpe", "oos_low", "oos_high", "dsr", "pbo", "trials",
        "failed",
    )  # fmt: skip
    return _markdown_of(shown)


def _markdown(metrics: pl.DataFrame) -> str:
    """The table of figures for the UI."""
    columns = ("name", "first", "sessions", "annual_return", "annual_vol", "sharpe", "sharpe_standard_error",
               "max_drawdown")  # fmt: skip
    return _markdown_of(metrics.select(columns))


def _markdown_of(frame: pl.DataFrame) -> str:
    with pl.Config(
        tbl_formatting="MARKDOWN",
        tbl_hide_dataframe_shape=True,
        tbl_hide_column_data_types=True,
        tbl_rows=-1,
        tbl_cols=-1,
        tbl_width_chars=240,
        fmt_str_lengths=120,
        float_precision=3,
    ):
        return str(frame)
