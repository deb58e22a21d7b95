"""What was known when, as one dense panel: slow series of many instruments at many decisions (M1).

For research on arrays. Tables are read as of an instant by `qgtm_core.pit`; both give the same answers.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qgtm_core.errors import DataError
from qgtm_core.maths.threads import each

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
TimeArray = NDArray[np.datetime64]
SOURCE = "as-of panel"


def as_of_panel(
    series: IntArray,
    instrument: IntArray,
    available_at: TimeArray,
    value: FloatArray,
    decided_at: TimeArray,
    *,
    observed_at: TimeArray | None = None,
    shape: tuple[int, int] | None = None,
    out: FloatArray | None = None,
    threads: int | None = None,
) -> FloatArray:
    """Value of each series of each instrument as known at each decision: (series, instruments, T).

    The first four are rows of (rows,): codes from 0, when the row became available, its value. All rows of a series of
    an instrument stand together, oldest available first; `decided_at` (T,) ascends. `shape` counts series and
    instruments (default: the highest codes). A row counts from available_at <= decided_at on. At a tie the later row
    counts. With `observed_at`, the period a row is about, a late revision of an older period does not replace a newer
    one; without it the row that came last counts. NaN: nothing is available yet, or what is available says so itself.
    `out` is written to and returned when given (C-ordered float64).

    Raises DataError for columns of different length, a code out of range or a row out of order, naming the row.
    """
    _check_lengths(series, instrument, available_at, value, *(() if observed_at is None else (observed_at,)))
    keys = _codes(series), _codes(instrument)
    available, decided = _instants(available_at, decided_at)
    _check_ascending(decided)
    observed = np.empty(0, np.int64) if observed_at is None else _instants(observed_at)[0]
    if shape is None:
        shape = (int(keys[0].max(initial=-1)) + 1, int(keys[1].max(initial=-1)) + 1)
    values = np.ascontiguousarray(value, dtype=np.float64)
    panel = _room(out, (*shape, len(decided)))
    kernels: Any = importlib.import_module("qgtm_core.kernels.asof")
    first, stop = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    fault = kernels.group_bounds_nb(*keys, available, first, stop)
    if fault >= 0:
        raise DataError(
            SOURCE,
            f"series {series[fault]} of instrument {instrument[fault]} is out of order or not one of {shape}",
            row=fault,
            remedy="Sort the rows by series, instrument and available_at, and count codes from 0.",
        )
    each(
        lambda s: kernels.fill_series_nb(first[s], stop[s], available, observed, values, decided, panel[s]),
        shape[0],
        threads,
    )
    return panel


def _check_lengths(*columns: NDArray[Any]) -> None:
    lengths = [len(column) for column in columns]
    if len(set(lengths)) > 1:
        raise DataError(SOURCE, f"columns have {lengths} rows", remedy="Pass columns of one table.")


def _check_ascending(decided: IntArray) -> None:
    back = decided[1:] < decided[:-1]
    if back.any():
        row = int(back.argmax()) + 1
        raise DataError(SOURCE, "decisions go back in time", column="decided_at", row=row, remedy="Sort them.")


def _codes(column: IntArray) -> IntArray:
    return np.ascontiguousarray(column, dtype=np.int64)


def _instants(*columns: TimeArray) -> list[IntArray]:
    """Instants as whole numbers of one unit, the finest of theirs, so that days and microseconds compare."""
    arrays = [np.asarray(column) for column in columns]
    for array in arrays:
        if np.isnat(array).any():
            row = int(np.isnat(array).argmax())
            raise DataError(SOURCE, "an instant is missing", row=row, remedy="Drop rows without a time.")
    unit = np.result_type(*arrays)
    return [np.ascontiguousarray(array.astype(unit, copy=False)).view(np.int64) for array in arrays]


def _room(out: FloatArray | None, shape: tuple[int, ...]) -> FloatArray:
    if out is None:
        return np.empty(shape)
    if out.shape != shape or out.dtype != np.float64 or not out.flags.c_contiguous:
        raise DataError(SOURCE, f"out is {out.dtype} {out.shape}", remedy=f"It must be C-ordered float64 {shape}.")
    return out
