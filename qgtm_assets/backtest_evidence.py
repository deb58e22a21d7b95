"""The last stage of a backtest: try parameter sets, record them, judge every strategy, write its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
from dagster import MetadataValue

from qgtm_assets.backtest_config import chosen_strategies, costs_of
from qgtm_assets.backtest_stages import Bench, Done, Frames, portfolio_trial
from qgtm_core.backtest.evidence import investigation
from qgtm_core.backtest.evidence.investigation import (
    NOT_DAILY,
    Investigated,
    arrays_hash,
    data_hash,
    table_hashes,
    unheard,
)
from qgtm_core.backtest.evidence.judgement import regimes_of
from qgtm_core.backtest.evidence.record import Evidence, Stamps, Subject, Tried, evidence_of
from qgtm_core.backtest.evidence.trial_record import Evaluation
from qgtm_core.schemas.results import METRICS_TABLE, PORTFOLIO, STRATEGY_RETURNS_TABLE
from qgtm_core.strategies.evaluate import evaluate_all
from qgtm_core.strategies.registry import INTRADAY, REGISTRY
from qgtm_core.strategies.spec import consumed
from qgtm_core.types import StrategyStatus
from qgtm_resources.clock import SystemClock
from qgtm_resources.code_version import code_version
from qgtm_resources.held_data import missing_data
from qgtm_resources.tearsheets.pages import write_tearsheets
from qgtm_resources.tearsheets.results import Results


def judged(bench: Bench) -> Done:
    """Try, record, then judge every strategy and the portfolio, and write a page for each."""
    tables, market_print = table_hashes(bench.features), arrays_hash(bench.market)
    prints = {key: data_hash(REGISTRY[key], tables, market_print) for key in chosen_strategies(bench.config)}
    found = _investigated(bench, prints)
    whole = _portfolio(bench)
    ledger = bench.trials.trials
    ledger.record([row for each in (*found, *whole) for row in each.trials])
    made = _evidence(bench, [*whole, *found], {**prints, PORTFOLIO: whole[0].trials[0].data_hash if whole else ""})
    frames = {
        name: pl.concat([getattr(each, part) for each in made])
        for name, part in (("evidence", "record"), ("validation", "validation"), ("out_of_sample", "out_of_sample"))
    }
    # a part of the library leaves no league table: the newest one is what `qgtm evidence` shows
    pages = {} if bench.config.strategies else {"league_table": MetadataValue.path(str(_pages(bench, frames)))}
    verdicts = dict(frames["evidence"]["verdict"].value_counts().iter_rows())
    told = {
        **pages,
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
        bench.tell("parameter sets of strategies", n, len(prints))
        silent = not each.subject.spoke.any() and not each.subject.missing
        why = _silence(bench, each.subject.strategy_id) if silent else each.subject.missing
        found.append(replace(each, subject=replace(each.subject, missing=why)))
    return found


def _silence(bench: Bench, key: str) -> str:
    """Why a strategy that has its data never spoke: the reasons it gave, by how often."""
    told = {name: REGISTRY[name] for name in (*consumed(REGISTRY[key], REGISTRY), key)}
    rows = evaluate_all(told, bench.features, bench.sessions, include_quarantined=True)[key]
    reasons = rows["reason"].drop_nulls().value_counts(sort=True)
    return "never a signal: " + ", ".join(f"{reason} {count} times" for reason, count in reasons.iter_rows())


def _portfolio(bench: Bench) -> list[Investigated]:
    """The replayed book as one more subject: its trial is the policy. Nothing when it was not replayed."""
    rows = bench.portfolio
    if rows.is_empty():
        return []
    trial = portfolio_trial(bench, rows)
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
    return [Investigated(subject, (trial,))]


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
        bench.tell("judging", n, len(found))
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
        feed=bench.desk.feed_label,
    )
    write_tearsheets(bench.results, results, bench.tell)
    return bench.results / "index.html"
