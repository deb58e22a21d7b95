"""The strategies as an operator sees them: what is missing, what was said, how old it is."""

from __future__ import annotations

import datetime as dt
import io
from functools import lru_cache
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from qgtm_core import calendar
from qgtm_core.features.registry import compute_features
from qgtm_core.quarantine import normalise
from qgtm_core.schemas.pit import PIT_TABLES
from qgtm_core.schemas.signals import signal_table
from qgtm_core.strategies.catalogue import LEVELS, SILENT, chart
from qgtm_core.strategies.evaluate import evaluate_all
from qgtm_core.strategies.registry import REGISTRY
from qgtm_jobs import library
from qgtm_resources.clients.warehouse import Warehouse
from qgtm_resources.feeds.simulated import SimulatedFeed
from qgtm_resources.held_data import references

KNOWN = ("real_rate_gold", "gold_seasonality", "gold_phys_premium")
LAST = dt.date(2024, 6, 28)


@lru_cache(maxsize=1)
def yields() -> pl.DataFrame:
    feed = SimulatedFeed(7, LAST, 10)
    raw = {"macro": feed.rows("macro", calendar.FIRST_SESSION, LAST)}
    return normalise("macro", raw)[0].filter(series_id="DFII10")


def sessions(first: dt.date) -> pl.DataFrame:
    return calendar.schedule(first, LAST).select("session", "decided_at")


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """Real yields, and thirty sessions of signals of two strategies; the third was never computed."""
    kept = Warehouse(tmp_path_factory.mktemp("library"))
    kept.write(PIT_TABLES["macro"], yields())
    first = calendar.offset_session(LAST, -29)
    spoken = {key: REGISTRY[key] for key in KNOWN[:2]}
    reach = sessions(calendar.offset_session(first, -max(s.lookback for s in spoken.values())))
    features = {"macro": compute_features("macro", {"macro": yields()}, reach)}
    signals = evaluate_all(spoken, features, sessions(first))
    for key, frame in signals.items():
        stop = LAST if key == "real_rate_gold" else calendar.offset_session(LAST, -2)
        kept.write(signal_table(key), frame.filter(pl.col("session") <= stop))
    return kept


def entries(warehouse: Warehouse) -> dict[str, library.Entry]:
    return {e.strategy.id: e for e in library.read(warehouse, [REGISTRY[key] for key in KNOWN])}


def test_a_strategy_with_its_data_misses_nothing_and_shows_the_newest_row(warehouse: Warehouse) -> None:
    entry = entries(warehouse)["real_rate_gold"]
    assert entry.missing == ()
    assert entry.data[0].held.rows == yields().height
    assert entry.document()["data_available"] is True


def test_a_strategy_without_its_data_names_exactly_what_is_missing(warehouse: Warehouse) -> None:
    entry = entries(warehouse)["gold_phys_premium"]
    assert "flows[symbol=PHYS].nav_usd" in entry.missing
    assert entry.last is None


def test_ages_count_sessions_to_the_newest_signal_of_any_strategy(warehouse: Warehouse) -> None:
    found = entries(warehouse)
    assert found["real_rate_gold"].last is not None
    assert found["gold_seasonality"].last is not None
    assert (found["real_rate_gold"].last.age_sessions, found["gold_seasonality"].last.age_sessions) == (0, 2)


def test_the_list_has_one_row_a_strategy(warehouse: Warehouse) -> None:
    frame = library.listing(list(entries(warehouse).values()))
    assert frame["id"].to_list() == list(KNOWN)
    assert frame.filter(id="real_rate_gold")["data"].item() == "all there"
    assert frame.filter(id="gold_phys_premium")["data"].item().startswith("misses 2 of ")


def test_the_page_of_a_strategy_shows_formula_data_and_a_chart_of_twenty_signals(warehouse: Warehouse) -> None:
    entry = entries(warehouse)["real_rate_gold"]
    signals = library.recent(warehouse, entry.strategy)
    assert signals["session"].n_unique() == 20
    console = Console(record=True, width=200, file=io.StringIO())
    for item in library.pages(entry, signals):
        console.print(item)
    text = console.export_text()
    assert entry.strategy.formula in text
    assert "macro[series_id=DFII10].value" in text
    assert sum(text.count(block) for block in LEVELS) >= 20


def test_a_home_without_history_lists_everything_as_missing(tmp_path: Path) -> None:
    nothing = library.read(Warehouse(tmp_path), [REGISTRY["real_rate_gold"]])
    assert nothing[0].missing == ("macro[series_id=DFII10].value",)
    assert nothing[0].last is None
    assert library.recent(Warehouse(tmp_path), REGISTRY["real_rate_gold"]).is_empty()


def test_a_chart_runs_from_minus_one_to_plus_one_and_shows_silence() -> None:
    assert chart([-1.0, 0.0, 1.0, None]) == f"{LEVELS[0]}{LEVELS[4]}{LEVELS[-1]}{SILENT}"


def test_strategies_are_chosen_by_category_and_status() -> None:
    assert {s.category for s in library.chosen("flow", None)} == {"flow"}
    assert {s.status.value for s in library.chosen(None, "dead")} == {"DEAD"}
    assert library.chosen("options", "PAPER") == []


def test_symbols_are_spelt_out_in_references() -> None:
    assert "prices[symbol=SLV].adj_close" in references(REGISTRY["tsmom"])
