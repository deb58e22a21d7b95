"""The as-of panel against Polars' join, with ties, late revisions and what is missing."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qgtm_core.errors import DataError
from qgtm_core.kernels import asof as kernel
from qgtm_core.maths.asof import as_of_panel

DECISIONS = np.arange("2024-01-01", "2024-01-11", dtype="datetime64[D]")
SHAPE = (2, 2)


def day(*numbers: int) -> np.ndarray:
    return np.datetime64("2024-01-01") + np.array(numbers, dtype=np.int64)


@st.composite
def tables(draw: st.DrawFn) -> pl.DataFrame:
    """Long rows, ties among them; null = the row says that there is no value."""
    days = st.integers(-3, 12)
    rows = draw(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1), days, days, st.floats(0, 9) | st.none())))
    table = pl.DataFrame(rows, schema=["series", "instrument", "available", "observed", "value"], orient="row")
    times = {name: pl.lit(DECISIONS[0].item()) + pl.duration(days=pl.col(name)) for name in ("available", "observed")}
    codes = pl.col("series", "instrument").cast(pl.Int64)
    table = table.with_columns(codes, pl.col("available", "observed").cast(pl.Int64), pl.col("value").cast(pl.Float64))
    return table.with_columns(**times).sort("series", "instrument", "available", maintain_order=True)


def panel(table: pl.DataFrame, *, revisable: bool) -> np.ndarray:
    return as_of_panel(
        table["series"].to_numpy(),
        table["instrument"].to_numpy(),
        table["available"].to_numpy().astype("datetime64[D]"),
        table["value"].fill_null(np.nan).to_numpy(),
        DECISIONS,
        observed_at=table["observed"].to_numpy().astype("datetime64[D]") if revisable else None,
        shape=SHAPE,
    )


def joined(table: pl.DataFrame) -> np.ndarray:
    keys = pl.DataFrame({"series": [0, 0, 1, 1], "instrument": [0, 1, 0, 1]})
    left = keys.join(pl.DataFrame({"available": DECISIONS}), how="cross", maintain_order="left")
    by = ["series", "instrument"]
    found = left.join_asof(table.drop("observed"), on="available", by=by, check_sortedness=False)
    return found["value"].fill_null(np.nan).to_numpy().reshape(*SHAPE, len(DECISIONS))


@settings(deadline=None, max_examples=60)
@given(tables())
def test_the_panel_is_that_of_an_as_of_join(table: pl.DataFrame) -> None:
    np.testing.assert_array_equal(panel(table, revisable=False), joined(table))


@settings(deadline=None, max_examples=60)
@given(tables())
def test_a_late_revision_of_an_older_period_never_replaces_a_newer_one(table: pl.DataFrame) -> None:
    newest = pl.col("observed").cum_max().over("series", "instrument")
    np.testing.assert_array_equal(panel(table, revisable=True), joined(table.filter(pl.col("observed") == newest)))


@settings(deadline=None, max_examples=30)
@given(tables(), st.booleans())
def test_the_plain_kernels_give_what_the_compiled_ones_give(table: pl.DataFrame, revisable: bool) -> None:
    available = table["available"].to_numpy().astype("datetime64[D]").view(np.int64)
    observed = table["observed"].to_numpy().astype("datetime64[D]").view(np.int64) if revisable else np.empty(0, int)
    first, stop, out = np.zeros(SHAPE, int), np.zeros(SHAPE, int), np.empty((*SHAPE, len(DECISIONS)))
    value = table["value"].fill_null(np.nan).to_numpy()
    fault = kernel.group_bounds(table["series"].to_numpy(), table["instrument"].to_numpy(), available, first, stop)
    assert fault == -1
    for s in range(SHAPE[0]):
        kernel.fill_series(first[s], stop[s], available, observed, value, DECISIONS.view(np.int64), out[s])
    np.testing.assert_array_equal(out, panel(table, revisable=revisable))


def test_a_row_counts_from_the_instant_it_became_available_and_the_later_of_a_tie() -> None:
    got = as_of_panel(np.zeros(3, int), np.zeros(3, int), day(2, 4, 4), np.array([1.0, 2.0, 3.0]), DECISIONS)
    np.testing.assert_array_equal(got[0, 0, :6], [np.nan, np.nan, 1.0, 1.0, 3.0, 3.0])


def test_days_and_microseconds_compare_as_instants() -> None:
    available = np.array(["2024-01-03T00:00:00.000001"], dtype="datetime64[us]")
    got = as_of_panel(np.zeros(1, int), np.zeros(1, int), available, np.ones(1), DECISIONS)
    assert np.isnan(got[0, 0, :3]).all()
    assert (got[0, 0, 3:] == 1.0).all()


def test_a_panel_is_written_where_asked() -> None:
    room = np.empty((1, 1, len(DECISIONS)))
    assert as_of_panel(np.zeros(1, int), np.zeros(1, int), day(0), np.ones(1), DECISIONS, out=room) is room
    with pytest.raises(DataError, match="C-ordered float64"):
        as_of_panel(np.zeros(1, int), np.zeros(1, int), day(0), np.ones(1), DECISIONS, out=room[0])


@pytest.mark.parametrize(
    ("series", "instrument", "available", "row"),
    [
        ([0, 0], [0, 0], day(3, 2), 1),  # goes back in time
        ([0, 1, 0], [0, 0, 0], day(1, 1, 2), 2),  # a group in two places
        ([0, 2], [0, 0], day(1, 1), 1),  # a code out of range
        ([0, -1], [0, 0], day(1, 1), 1),
    ],
)
def test_rows_out_of_order_are_named(series: list[int], instrument: list[int], available: np.ndarray, row: int) -> None:
    codes, ones = (np.array(series), np.array(instrument)), np.ones(len(series))
    with pytest.raises(DataError, match=f"row {row}: "):
        as_of_panel(*codes, available, ones, DECISIONS, shape=SHAPE)
    bounds = np.zeros(SHAPE, int), np.zeros(SHAPE, int)
    assert kernel.group_bounds(*codes, available.view(np.int64), *bounds) == row


def test_input_that_does_not_fit_is_refused() -> None:
    one = np.zeros(1, int)
    with pytest.raises(DataError, match="columns of one table"):
        as_of_panel(one, one, day(0), np.ones(2), DECISIONS)
    with pytest.raises(DataError, match="decided_at"):
        as_of_panel(one, one, day(0), np.ones(1), DECISIONS[::-1])
    with pytest.raises(DataError, match="an instant is missing"):
        as_of_panel(one, one, np.array(["NaT"], dtype="datetime64[D]"), np.ones(1), DECISIONS)
