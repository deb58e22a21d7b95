"""Dagster's way to the warehouse: frames in and out by asset key and session range. No SQL and no rules here."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import dagster as dg
import polars as pl

from qgtm_core.schemas.registry import table_for
from qgtm_resources.clients.warehouse import Warehouse

# groups of tables that hold several books
BOOK_GROUPS = frozenset({"portfolio", "risk", "execution", "tca", "intraday", "options", "ops"})


class WarehouseIOManager(dg.ConfigurableIOManager):
    """Write a frame into `<group>.<table>` in one transaction; read it back read-only.

    A frame may reach back before its partitions: the first delivery of a table brings its history. Rows of other
    books are never touched.
    """

    folder: str
    book: str

    def handle_output(self, context: dg.OutputContext, obj: pl.DataFrame) -> None:
        """Replace the partitions' rows by the frame."""
        group, name = context.asset_key.path
        table = table_for(group, name)
        first, last = _span(context)
        if first is not None:
            first = min([first, *obj["session"].unique()])
        rows = Warehouse(Path(self.folder)).write(table, obj, first, last, self._where(group))
        context.add_output_metadata({"dagster/partition_row_count": rows, "rows": rows})

    def load_input(self, context: dg.InputContext) -> pl.DataFrame:
        """Rows of the partitions asked for."""
        group, name = context.asset_key.path
        first, last = _span(context)
        return Warehouse(Path(self.folder)).read(table_for(group, name), first, last, where=self._where(group))

    def _where(self, group: str) -> dict[str, str] | None:
        return {"book": self.book} if group in BOOK_GROUPS else None


def _span(context: dg.OutputContext | dg.InputContext) -> tuple[dt.date | None, dt.date | None]:
    if not context.has_asset_partitions:
        return None, None
    keys = context.asset_partition_key_range
    return dt.date.fromisoformat(keys.start), dt.date.fromisoformat(keys.end)
