"""Two frames held against each other bit by bit: how many rows differ, and which one is the first."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

ABSENT = "no such row"


@dataclass(frozen=True, slots=True)
class Difference:
    """Rows compared and rows that differ; the rest is about the first of these and empty when there is none."""

    rows: int
    different: int = 0
    column: str = ""
    session: dt.date | None = None
    key: str = ""  # the values of the key, separated by commas
    expected: str = ""
    found: str = ""

    @property
    def text(self) -> str:
        """The first difference in words, empty when there is none."""
        return f"{self.column} at {self.key}: {self.expected} / {self.found}" if self.different else ""


def differences(expected: pl.DataFrame, found: pl.DataFrame, key: Sequence[str], absent: str = "") -> Difference:
    """Compare two frames with unique keys, sorted by `session` (if there is one) and key.

    Floats are compared by their bits: -0.0 is not 0.0 and NaN is not null. When one frame holds rows that the other has
    not, those are the difference, told as column `absent` (default: the first of the key).
    """
    order = list(dict.fromkeys([*(["session"] if "session" in expected.columns else []), *key]))
    expected, found = expected.sort(order, nulls_last=True), found.select(expected.columns).sort(order, nulls_last=True)
    if not expected.select(key).equals(found.select(key)):
        return _absent(expected, found, order, list(key), absent or key[0])
    marks = pl.DataFrame({name: unequal(expected[name], found[name]) for name in expected.columns})
    wrong = marks.select(pl.any_horizontal(pl.all())).to_series() if marks.width else pl.Series([], dtype=pl.Boolean)
    if not wrong.any():
        return Difference(expected.height)
    row = int(wrong.arg_max() or 0)
    column = next(name for name in marks.columns if marks[name][row])
    return Difference(
        expected.height,
        int(wrong.sum()),
        column,
        _session(expected, row),
        _key(expected, row, key),
        str(expected[column][row]),
        str(found[column][row]),
    )


def unequal(expected: pl.Series, found: pl.Series) -> pl.Series:
    """True where two values differ; floats by their bits."""
    if expected.dtype == pl.Float64 and found.dtype == pl.Float64:
        nulls = expected.is_null() != found.is_null()
        bits = [s.fill_null(0.0).to_numpy().view(np.int64) for s in (expected, found)]
        return nulls | pl.Series(bits[0] != bits[1], dtype=pl.Boolean)
    return expected.ne_missing(found)


def _absent(expected: pl.DataFrame, found: pl.DataFrame, order: list[str], key: list[str], column: str) -> Difference:
    """The rows that only one of the frames holds; a key that occurs twice counts as one of them."""
    parts = [
        one.join(other, on=key, how="anti", nulls_equal=True).select(order).with_columns(_there=pl.lit(there))
        for one, other, there in ((expected, found, True), (found, expected, False))
    ]
    alone = pl.concat(parts).sort(order, nulls_last=True)
    if alone.is_empty():
        return Difference(expected.height, abs(expected.height - found.height) or 1, column, key="a key occurs twice")
    told = (alone["_there"][0], not alone["_there"][0])
    words = tuple("a row" if there else ABSENT for there in told)
    return Difference(expected.height, alone.height, column, _session(alone, 0), _key(alone, 0, key), *words)


def _session(frame: pl.DataFrame, row: int) -> dt.date | None:
    day = frame["session"][row] if "session" in frame.columns else None
    return day if isinstance(day, dt.date) else None


def _key(frame: pl.DataFrame, row: int, key: Sequence[str]) -> str:
    return ", ".join(str(frame[name][row]) for name in key)
