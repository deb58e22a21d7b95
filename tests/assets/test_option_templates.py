"""From stored signals, chains and positions to stored order templates, through Dagster."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from qgtm_assets.options import WRITERS, account_before, templates
from qgtm_core import calendar
from qgtm_core.schemas.features import FEATURE_TABLES
from qgtm_core.schemas.options import TEMPLATES
from qgtm_core.schemas.pit import PIT_TABLES
from qgtm_core.schemas.signals import signal_table
from qgtm_core.schemas.trading import POSITIONS
from qgtm_resources.clients.warehouse import Warehouse
from qgtm_resources.io_manager import WarehouseIOManager
from qgtm_resources.resources import DeskResource, WarehouseResource
from tests.core.option_chains import chains, span

BOOK = "options-test"
SESSIONS = span(dt.date(2022, 3, 1), 2)
FIRST, LAST = SESSIONS["session"]


def signals(strategy_id: str, symbol: str) -> pl.DataFrame:
    table = signal_table(strategy_id)
    said = {
        "strategy_id": strategy_id, "symbol": symbol, "score": 0.6, "confidence": 0.5, "status": "OK",
        "horizon_sessions": 30, "correlation_id": "sig", "params_hash": "x", "reason": None, "as_of_max": None,
        "available_at": None,
    }  # fmt: skip
    rows = SESSIONS.with_columns(pl.lit(v).alias(k) for k, v in said.items())
    return rows.select(pl.col(name).cast(dtype) for name, dtype in table.dtypes.items())


def event_risk() -> pl.DataFrame:
    table = FEATURE_TABLES["event_risk"]
    known = {"sessions_to_event": 2, "covered": True}
    rows = SESSIONS.select("session").with_columns(
        pl.lit(known.get(name)).cast(dtype).alias(name) for name, dtype in table.dtypes.items() if name != "session"
    )
    return rows.select(list(table.dtypes))


def positions(session: dt.date, shares: float) -> pl.DataFrame:
    rows = [
        {"session": session, "book": BOOK, "symbol": "GLD", "quantity_shares": shares, "mark": 200.0,
         "value_usd": shares * 200.0},
        {"session": session, "book": BOOK, "symbol": "USD", "quantity_shares": 5e5, "mark": 1.0, "value_usd": 5e5},
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=POSITIONS.dtypes)


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    made = Warehouse(tmp_path)
    made.write(PIT_TABLES["options"], chains(SESSIONS, ("GLD", "SLV")))
    made.write(FEATURE_TABLES["event_risk"], event_risk())
    for strategy in WRITERS:
        made.write(signal_table(strategy.id), signals(strategy.id, strategy.symbols[0]))
    held = [positions(calendar.previous_session(FIRST), 1_000.0), positions(FIRST, 0.0), positions(LAST, 9_000.0)]
    made.write(POSITIONS, pl.concat(held))
    return made


def written(warehouse: Warehouse) -> pl.DataFrame:
    tags = {"dagster/asset_partition_range_start": str(FIRST), "dagster/asset_partition_range_end": str(LAST)}
    folder = str(warehouse.folder)
    result = dg.materialize(
        [templates],
        tags=tags,
        resources={
            "io_manager": WarehouseIOManager(folder=folder, book=BOOK),
            "warehouse": WarehouseResource(folder=folder),
            "desk": DeskResource(book=BOOK, feed_label="simulated", mode="simulated"),
        },
    )
    assert result.success
    return warehouse.read(TEMPLATES)


def test_templates_are_stored_by_session_with_what_was_held_the_session_before(warehouse: Warehouse) -> None:
    rows = written(warehouse)
    assert set(rows["strategy_id"]) == {strategy.id for strategy in WRITERS}
    assert set(rows["book"]) == {BOOK}
    calls = rows.filter(strategy_id="covered_call_writer").sort("session")
    assert calls["session"].to_list() == [FIRST, LAST]
    assert calls["quantity"].to_list() == [6, None]  # ten contracts' worth, then none
    assert calls["reason"].to_list() == [None, "UNCOVERED"]
    straddle = rows.filter(strategy_id="event_straddle", session=FIRST, leg=1).row(0, named=True)
    assert straddle["close_on"] == calendar.offset_session(FIRST, 3)
    assert rows.filter(strategy_id="vrp_harvester", session=FIRST)["leg"].to_list() == [1, 2, 3, 4]


def test_a_book_that_has_not_traded_starts_from_its_cash() -> None:
    account = account_before(POSITIONS.empty(), FIRST, 250_000.0)
    assert (account.equity_usd, account.cash_usd, dict(account.shares)) == (250_000.0, 250_000.0, {})


def test_positions_of_the_session_itself_are_not_known_at_its_decision() -> None:
    held = pl.concat([positions(FIRST, 300.0), positions(LAST, 900.0)])
    assert account_before(held, LAST, 0.0).shares == {"GLD": 300.0}
