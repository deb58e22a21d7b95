"""Where rejected rows are written, so that good data moves on and bad rows stay visible. It judges nothing."""

from __future__ import annotations

import datetime as dt

import polars as pl

from qgtm_core.ports import Feed
from qgtm_core.schemas.results import DQ_TABLE
from qgtm_core.schemas.spec import Table
from qgtm_resources.clients.warehouse import Warehouse


def record_rejected(warehouse: Warehouse, feed: Feed, table: Table) -> int:
    """Store what the feed rejected of a raw table, in place of its earlier verdicts; returns how many rows."""
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
    return record(warehouse, f"raw/{table.name}", rows.unique(["key", "column", "problem"], maintain_order=True))


def record(
    warehouse: Warehouse, name: str, rows: pl.DataFrame, first: dt.date | None = None, last: dt.date | None = None
) -> int:
    """Store verdicts of one table; they replace those of sessions first..last, or all of them when none are given.

    A clean session must not wipe the verdicts of others, so the sessions are those of the delivery, not of the rows.
    """
    held = warehouse.read(DQ_TABLE, first, last, columns=["table"], where={"table": name})
    if not rows.is_empty() or not held.is_empty():
        warehouse.write(DQ_TABLE, rows, first, last, where={"table": name})
    return len(rows)
