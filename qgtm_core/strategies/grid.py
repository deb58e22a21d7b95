"""Feature tables as grids of sessions by key, read by row number: one look-up serves every strategy.

Arrays end with one extra element that stands for "no such row": NaN, `NEVER`, or null.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from qgtm_core.correlation import correlation_id
from qgtm_core.errors import DataError
from qgtm_core.schemas.spec import Table

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
Days = NDArray[np.int32]  # days since 1970

NEVER = np.iinfo(np.int64).min  # a null instant, in microseconds
SIGNALS = "signals/"


class Grid:
    """One table over the sessions of a span."""

    def __init__(self, table: Table, frame: pl.DataFrame, sessions: Days) -> None:
        days = frame["session"].cast(pl.Int32).to_numpy()
        place = np.minimum(np.searchsorted(sessions, days), len(sessions) - 1)
        self.table, self.frame, self._span = table, frame, len(sessions)
        self._place = np.where(sessions[place] == days, place, -1)
        self._kept = np.flatnonzero(self._place >= 0)
        self._codes: dict[tuple[str, ...], tuple[dict[str, int], Ints]] = {}
        self._rows: dict[tuple[str, ...], Ints] = {}
        self._numbers: dict[str, Floats] = {}
        self._instants: dict[str, Ints] = {}
        self._present: dict[str, Flags] = {}

    def rows(self, columns: tuple[str, ...], keys: tuple[tuple[str, ...], ...]) -> Ints:
        """Return the row number by session and key, (sessions, keys); `frame.height` = no such row.

        `keys` are values of `columns` (none: one row a session). Raises DataError on a key that occurs twice.
        """
        if (*columns, *map("/".join, keys)) not in self._rows:
            self._rows[(*columns, *map("/".join, keys))] = self._find(columns, keys)
        return self._rows[(*columns, *map("/".join, keys))]

    def _find(self, columns: tuple[str, ...], keys: tuple[tuple[str, ...], ...]) -> Ints:
        found = np.full(self._span * len(keys), self.frame.height)
        kept, place = self._kept, self._place[self._kept]
        if columns:
            written, codes = self._coded(columns)
            column = np.full(len(written) + 1, -1)
            for number, key in enumerate(keys):
                column[written.get("/".join(key), -1)] = number
            column[-1] = -1
            wanted = column[codes]
            kept, place = kept[wanted >= 0], place[wanted >= 0] * len(keys) + wanted[wanted >= 0]
        found[place] = kept
        if (found[place] != kept).any():
            source = f"{self.table.group}/{self.table.name}"
            raise DataError(source, "a key occurs more than once", column=self.table.key[-1])
        return found.reshape(self._span, len(keys))

    def _coded(self, columns: tuple[str, ...]) -> tuple[dict[str, int], Ints]:
        """The keys that occur, each with its number, and the number of each row inside the span."""
        if columns not in self._codes:
            text = self.frame[columns[0]]
            if len(columns) > 1:
                text = self.frame.select(pl.concat_str(columns, separator="/")).to_series()
            present = text.unique(maintain_order=True)
            codes = text.cast(pl.Enum(present)).to_physical().cast(pl.Int64).to_numpy()
            self._codes[columns] = ({key: n for n, key in enumerate(present)}, codes[self._kept])
        return self._codes[columns]

    def has(self, column: str) -> bool:
        """True where the table brought the column."""
        return column in self.frame.columns

    def numbers(self, column: str) -> Floats:
        """Return a numeric or boolean column as floats; NaN = null, absent or no such row."""
        if column not in self._numbers:
            values = np.full(self.frame.height + 1, np.nan)
            if self.has(column):
                values[:-1] = self.frame[column].cast(pl.Float64).to_numpy()
            self._numbers[column] = values
        return self._numbers[column]

    def present(self, column: str) -> Flags:
        """Return where a column of any type is not null; false = no such row."""
        if column not in self._present:
            there = np.zeros(self.frame.height + 1, dtype=bool)
            there[:-1] = self.frame[column].is_not_null().to_numpy()
            self._present[column] = there
        return self._present[column]

    def instants(self, column: str) -> Ints:
        """Return an instant column in microseconds since 1970; NEVER = null, absent or no such row."""
        if column not in self._instants:
            values = np.full(self.frame.height + 1, NEVER)
            if self.has(column):
                held = self.frame[column]
                micros = held.cast(pl.Int64).to_numpy()  # nulls make it floats, which are exact up to the year 2255
                values[:-1] = micros if not held.null_count() else np.where(np.isnan(micros), NEVER, micros)
            self._instants[column] = values
        return self._instants[column]

    def series(self, column: str, rows: Ints, wanted: Flags) -> pl.Series:
        """Return a column of any type at these row numbers; null where not wanted or no such row."""
        dtype = self.table.columns[column].dtype
        if dtype.is_float():
            return pl.Series(column, np.where(wanted, self.numbers(column)[rows], np.nan), nan_to_null=True)
        if not self.has(column):
            return pl.Series(column, [None] * len(rows), dtype=dtype)
        there = wanted & (rows < self.frame.height)
        places = pl.DataFrame({"row": np.where(there, rows, 0), "there": there})
        if not self.frame.height:
            return pl.Series(column, [None] * len(rows), dtype=dtype)
        return places.select(pl.when("there").then(pl.lit(self.frame[column]).gather("row")).alias(column)).to_series()


class Shelf:
    """All tables that strategies read over one span of sessions, each laid out once."""

    def __init__(self, features: Mapping[str, pl.DataFrame], sessions: Days) -> None:
        self.sessions, self.height = sessions, len(sessions)
        self._features = dict(features)
        self._grids: dict[str, Grid] = {}
        self._ids: dict[tuple[str, int], list[str]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Tables and signals on the shelf."""
        return tuple(self._features)

    def grid(self, table: Table, name: str) -> Grid:
        """Return a table's grid; one that was not handed over is empty."""
        if name not in self._grids:
            frame = self._features.get(name)
            self._grids[name] = Grid(table, table.empty() if frame is None else frame, self.sessions)
        return self._grids[name]

    def correlation_ids(self, symbols: tuple[str, ...], places: Ints) -> pl.Series:
        """Return the correlation ids of sessions (by place) and symbols, session by session."""
        first = int(places[0])
        for symbol in symbols:
            if (symbol, first) not in self._ids:
                days = self.sessions[places].astype("datetime64[D]").tolist()
                self._ids[symbol, first] = [correlation_id(day, symbol) for day in days]
        columns = [self._ids[symbol, first] for symbol in symbols]
        ids = columns[0] if len(columns) == 1 else [i for row in zip(*columns, strict=True) for i in row]
        return pl.Series("correlation_id", ids, dtype=pl.String)
