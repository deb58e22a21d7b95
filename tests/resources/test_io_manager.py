from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from qgtm_assets.partitions import SESSIONS
from qgtm_core.errors import DataError
from qgtm_core.schemas.features import FEATURE_TABLES
from qgtm_core.schemas.trading import POSITIONS
from qgtm_resources.clients.warehouse import Warehouse
from qgtm_resources.io_manager import WarehouseIOManager

THU, FRI = dt.date(2024, 6, 27), dt.date(2024, 6, 28)
KEY = dg.AssetKey(["execution", "positions"])


@pytest.fixture
def manager(tmp_path: Path) -> WarehouseIOManager:
    return WarehouseIOManager(folder=str(tmp_path), book="own")


def positions(session: dt.date, shares: float, book: str = "own") -> pl.DataFrame:
    row = {"session": session, "book": book, "symbol": "GLD", "quantity_shares": shares, "mark": 1.0, "value_usd": 1.0}
    return pl.DataFrame([row], schema=POSITIONS.dtypes)


def sessions(first: dt.date, last: dt.date | None) -> dict[str, Any]:
    span = dg.PartitionKeyRange(str(first), str(last or first))
    return {"asset_partitions_def": SESSIONS, "asset_partition_key_range": span}


def store(
    manager: WarehouseIOManager,
    frame: pl.DataFrame,
    first: dt.date,
    last: dt.date | None = None,
    key: dg.AssetKey = KEY,
) -> int:
    with dg.build_output_context(asset_key=key, **sessions(first, last)) as context:
        manager.handle_output(context, frame)
        return int(context.get_logged_metadata()["rows"].value)


def load(manager: WarehouseIOManager, first: dt.date, last: dt.date) -> pl.DataFrame:
    with dg.build_input_context(asset_key=KEY, **sessions(first, last)) as context:
        return manager.load_input(context)


def test_a_frame_is_found_again_under_its_key_and_sessions(manager: WarehouseIOManager) -> None:
    assert store(manager, positions(THU, 1.0), THU) == 1
    assert store(manager, positions(FRI, 2.0), FRI) == 1
    assert load(manager, FRI, FRI)["quantity_shares"].to_list() == [2.0]
    assert load(manager, THU, FRI)["quantity_shares"].to_list() == [1.0, 2.0]


def test_a_first_delivery_may_reach_back_before_its_partition(manager: WarehouseIOManager) -> None:
    store(manager, pl.concat([positions(THU, 1.0), positions(FRI, 2.0)]), FRI)
    store(manager, pl.concat([positions(THU, 3.0), positions(FRI, 4.0)]), FRI)
    assert load(manager, THU, FRI)["quantity_shares"].to_list() == [3.0, 4.0]


def test_a_row_after_the_partition_is_refused(manager: WarehouseIOManager) -> None:
    store(manager, positions(THU, 1.0), THU)
    with pytest.raises(DataError, match=r"session 2024-06-28 is outside 2024-06-27\.\.2024-06-27"):
        store(manager, pl.concat([positions(THU, 2.0), positions(FRI, 2.0)]), THU)
    assert load(manager, THU, FRI)["quantity_shares"].to_list() == [1.0]


def test_one_book_neither_reads_nor_replaces_another(manager: WarehouseIOManager, tmp_path: Path) -> None:
    other = WarehouseIOManager(folder=str(tmp_path), book="other")
    store(other, positions(FRI, 9.0, "other"), FRI)
    store(manager, positions(FRI, 1.0), FRI)
    store(manager, POSITIONS.empty(), FRI)
    assert load(manager, FRI, FRI).is_empty()
    assert load(other, FRI, FRI)["quantity_shares"].to_list() == [9.0]
    with pytest.raises(DataError, match="book other is other than own"):
        store(manager, positions(FRI, 9.0, "other"), FRI)


def test_tables_without_books_are_shared(manager: WarehouseIOManager, tmp_path: Path) -> None:
    table = FEATURE_TABLES["prices"]
    store(manager, table.empty(), FRI, key=dg.AssetKey(["features", "prices"]))
    assert Warehouse(tmp_path).path("features").name == "market.duckdb"
    assert Warehouse(tmp_path).sessions(table).is_empty()


def test_without_partitions_the_whole_table_is_meant(manager: WarehouseIOManager) -> None:
    store(manager, pl.concat([positions(THU, 1.0), positions(FRI, 2.0)]), THU, FRI)
    with dg.build_output_context(asset_key=KEY) as output, dg.build_input_context(asset_key=KEY) as wanted:
        manager.handle_output(output, positions(FRI, 5.0))
        assert manager.load_input(wanted)["quantity_shares"].to_list() == [5.0]
