"""Where rejected rows are written, so that good data moves on and bad rows stay visible. It judges nothing."""

from __future__ import annotations

import datetime as dt

import polars as pl

from qgtm_core.ports import Feed
from qgtm_core.schemas.results import DQ_TABLE
from qgtm_core.schemas.spec import Table
from qgtm_resources.clients.warehouse import Warehouse


def record_rejected(warehouse: Warehouse, feed: Feed, table: Table, first: dt.date, last: dt.date) -> int:
    """Store what the feed rejected of a raw table; returns how many rows. Replaces the table's earlier verdicts."""
    rejected = feed.rejected(table.name)
    rows = rejected.select(
        session=pl.lit(None, pl.Date),
        table=pl.lit(f"raw/{table.name}"),
        key=pl.col("key").cast(pl.String),
        column=pl.col("column").cast(pl.String),
        value=pl.format("row {}", "row"),
        problem=pl.col("problem").cast(pl.String),
        source=pl.col("file").cast(pl.String),
    )
    return record(
        warehouse, f"raw/{table.name}", rows.unique(["key", "column", "problem"], maintain_order=True), first, last
    )


def record(warehouse: Warehouse, name: str, rows: pl.DataFrame, first: dt.date, last: dt.date) -> int:
    """Store verdicts of one table for sessions first..last (all of them where the rows carry no session)."""
    dated = rows["session"].null_count() < len(rows)
    held = warehouse.read(DQ_TABLE, where={"table": name})
    if rows.is_empty() and held.is_empty():
        return 0
    span = (first, last) if dated else (None, None)
    warehouse.write(DQ_TABLE, rows, *span, where={"table": name})
    return len(rows)
