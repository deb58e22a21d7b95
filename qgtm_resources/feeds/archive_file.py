"""Reading one Parquet file of an archive: structure is checked here, values are not. Faults name file and column."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from qgtm_core.errors import DataError
from qgtm_resources.feeds.archive_layout import FileLayout, Kind

ROW = "_file_row"  # position in the file, counted from 0
REPLACE = "replace the file with a complete copy"

_TARGETS: dict[Kind, pl.DataType] = {
    Kind.TEXT: pl.String(),
    Kind.DAY: pl.Date(),
    Kind.INSTANT: pl.Datetime("us", "UTC"),
    Kind.NUMBER: pl.Float64(),
    Kind.COUNT: pl.Int64(),
}


def _fits(dtype: pl.DataType, kind: Kind) -> bool:
    """True when a column of this type can become the kind without losing anything."""
    if dtype == pl.Null:
        return True
    if kind is Kind.TEXT:
        return dtype in (pl.String, pl.Categorical, pl.Enum)
    if kind is Kind.DAY:
        return dtype == pl.Date
    if kind is Kind.INSTANT:
        return isinstance(dtype, pl.Datetime) and dtype.time_zone == "UTC"
    if kind is Kind.COUNT:
        return dtype.is_integer()
    return dtype.is_numeric()


def _schema(path: Path) -> pl.Schema:
    if path.stat().st_size == 0:
        raise DataError(path.name, "the file is empty (0 bytes)", remedy=REPLACE)
    try:
        return pl.scan_parquet(path).collect_schema()
    except (pl.exceptions.PolarsError, OSError) as fault:
        raise DataError(path.name, f"not a readable Parquet file ({_first_line(fault)})", remedy=REPLACE) from fault


def _first_line(fault: Exception) -> str:
    return str(fault).splitlines()[0] if str(fault) else type(fault).__name__


def scan(folder: Path, layout: FileLayout) -> pl.LazyFrame | None:
    """The file's known columns under their raw names and types, with `_file_row`; None when there is no such file.

    Raises DataError for a file that is empty or not Parquet, a missing column or a column of the wrong type.
    """
    path = folder / layout.file
    if not path.exists():
        return None
    schema = _schema(path)
    columns = []
    for name, want in layout.columns.items():
        if name not in schema:
            if want.required:
                raise DataError(
                    layout.file,
                    "column is missing",
                    column=name,
                    remedy=f"add it as {want.kind.value}; the file has {', '.join(schema)}",
                )
            columns.append(pl.lit(None, dtype=_TARGETS[want.kind]).alias(want.column))
            continue
        if not _fits(schema[name], want.kind):
            raise DataError(
                layout.file,
                f"type is {schema[name]}, expected {want.kind.value}",
                column=name,
                remedy="write the column with the right type",
            )
        columns.append(pl.col(name).cast(_TARGETS[want.kind]).alias(want.column))
    # The reader counts the rows itself, so that a filter still reaches it and not the whole file is read
    return pl.scan_parquet(path, row_index_name=ROW).select(pl.col(ROW).cast(pl.Int64), *columns)


def collect(frame: pl.LazyFrame, file: str) -> pl.DataFrame:
    """Read the frame; a file damaged behind its header becomes a DataError."""
    try:
        return frame.collect()
    except (pl.exceptions.PolarsError, OSError) as fault:
        raise DataError(file, f"damaged Parquet file ({_first_line(fault)})", remedy=REPLACE) from fault
