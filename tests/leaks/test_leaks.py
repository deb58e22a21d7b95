"""The look-ahead detector finds every planted leak where it begins, and nothing in the library as it is."""

from __future__ import annotations

import datetime as dt
import functools
from dataclasses import replace

import polars as pl
import pytest

from benchmarks.leaks import LEAKS, Planted, look_for, look_without
from qgtm_core import calendar
from qgtm_core.backtest.lookahead.detector import blindness, search
from qgtm_core.backtest.lookahead.histories import cut_sessions
from qgtm_core.backtest.lookahead.pipeline import Case, Pipeline, pit_of, raw_of, wanted, world_of
from qgtm_resources.feeds.simulated import SimulatedFeed

FIRST, LAST = dt.date(2024, 1, 2), dt.date(2024, 6, 28)
YEARS, SEED, CUTS = 4, 7, 1


@functools.cache
def history() -> Case:
    """Four years of the simulated market, for all strategies."""
    feed, library = SimulatedFeed(SEED, LAST, YEARS), wanted()
    raw = {name: feed.rows(name, calendar.FIRST_SESSION, LAST) for name in raw_of(library)}
    quotes = feed.rows("decision_quotes", calendar.FIRST_SESSION, LAST)
    return Case(library, FIRST, LAST, raw, quotes=quotes)


@pytest.mark.parametrize("planted", LEAKS, ids=lambda planted: planted.name)
def test_a_planted_leak_is_found_where_it_begins(planted: Planted) -> None:
    found = look_for(planted, history(), CUTS)
    assert not found.ok
    assert not found.blind
    first = found.leaks[0]
    assert (first.stage, first.table, first.column) == planted.place, first.text
    assert first.session is not None


@pytest.mark.parametrize(
    "planted", [one for one in LEAKS if one.name in {"revised_macro", "restated_holdings", "filled_from_behind"}],
    ids=lambda planted: planted.name,
)  # fmt: skip
def test_revisions_and_gaps_alone_are_no_leak(planted: Planted) -> None:
    found = look_without(planted, history(), CUTS)
    assert found.leaks == ()
    assert found.ok


def test_nothing_leaks_in_the_library() -> None:
    case = history()
    found = search(Pipeline(), case, cut_sessions(FIRST, LAST, 1))
    assert [leak.text for leak in found.leaks] == []
    assert found.ok
    compared = {node for one in found.comparisons for node, rows in one.by_table.items() if rows.rows}
    assert {f"signals/{key}" for key in case.strategies} <= compared


def test_a_stage_that_forgets_all_numbers_cannot_be_proven() -> None:
    case = replace(history(), strategies=wanted(["gold_tsmom"]))
    pit = pit_of(Pipeline(), case, case.raw)
    full = world_of(Pipeline(), case, pit, LAST)
    assert blindness(Pipeline(), full, dt.date(2024, 3, 6)) == ""
    silent = replace(full, frames={n: f.with_columns(pl.col(pl.Float64) * None) for n, f in full.frames.items()})
    assert "nothing to compare" in blindness(Pipeline(), silent, dt.date(2024, 3, 6))
