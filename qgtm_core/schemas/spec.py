"""How a table is declared and how a frame is held against its declaration. The declarations are in the siblings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from qgtm_core.errors import DataError

INSTANT = pl.Datetime("us", "UTC")

# Row contract of every raw and PIT table (bitemporal: what it is about, when it could be known, when we took it).
ROW_CONTRACT: Mapping[str, Any] = {
    "session": pl.Date,  # first session whose decision can see the row; the partition
    "event_at": INSTANT,  # the instant the row is about (its end, for a period)
    "available_at": INSTANT,  # earliest instant it could be known
    "retrieved_at": INSTANT,  # when this system took it
    "revision": pl.Int32,  # 0 for the first value of a key, +1 for each later one
    "source": pl.String,
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column: type, unit, whether it may be null and the closed range a sane value lies in."""

    dtype: Any
    unit: str = ""
    nullable: bool = True
    low: float | None = None
    high: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Declaration of one stored table `<group>/<name>`.

    `key` are the business columns; with `versioned` a row is unique by key and `revision`.
    """

    group: str
    name: str
    key: tuple[str, ...]
    columns: Mapping[str, Column]
    description: str
    versioned: bool = False
    publication: str = ""  # availability rule, in words
    first_delivery_sessions: int | None = None  # history the first delivery brings; null = all of it

    @property
    def dtypes(self) -> dict[str, Any]:
        """Column name to Polars type, in storage order."""
        contract = ROW_CONTRACT if self.versioned else {}
        return {**{n: c.dtype for n, c in self.columns.items()}, **contract}

    @property
    def unique(self) -> tuple[str, ...]:
        """Columns that identify one row."""
        return (*self.key, "revision") if self.versioned else self.key

    def empty(self) -> pl.DataFrame:
        """A frame of this shape without rows."""
        return pl.DataFrame(schema=self.dtypes)

    def conform(self, frame: pl.DataFrame, source: str | None = None) -> pl.DataFrame:
        """Return the frame with exactly the declared columns, in order.

        Raises DataError on a missing or unknown column or a type that does not fit; never casts a value away.
        """
        source = source or f"{self.group}/{self.name}"
        want, have = self.dtypes, frame.schema
        missing = [name for name in want if name not in have]
        if missing:
            raise DataError(source, "column is missing", column=missing[0], remedy=f"expected {', '.join(want)}")
        unknown = [name for name in have if name not in want]
        if unknown:
            raise DataError(source, "column is not declared", column=unknown[0], remedy="declare it or drop it")
        for name, dtype in want.items():
            if have[name] != dtype:
                raise DataError(source, f"type is {have[name]}, declared {dtype}", column=name)
        return frame.select(list(want))

    def require_valid(self, frame: pl.DataFrame, source: str | None = None) -> pl.DataFrame:
        """Conform, then refuse nulls in required columns and duplicate keys, naming the first row at fault."""
        source = source or f"{self.group}/{self.name}"
        frame = self.conform(frame, source)
        required = [n for n, c in self.columns.items() if not c.nullable]
        if self.versioned:
            required += ["session", "event_at", "available_at", "revision"]
        for name in required:
            if frame[name].null_count():
                row = frame[name].is_null().arg_true()[0]
                raise DataError(source, "null in a required column", column=name, row=row)
        duplicate = frame.select(pl.struct(self.unique).is_duplicated()).to_series()
        if duplicate.any():
            row = int(duplicate.arg_true()[-1])
            key = {k: str(v) for k, v in frame.select(self.unique).row(row, named=True).items()}
            raise DataError(source, f"key {key} occurs more than once", column=self.key[0], row=row)
        return frame
