"""What several feature tables look up is what each of them would have looked up alone."""

from __future__ import annotations

import datetime as dt
import functools

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from qgtm_core.features.common import usable_prices
from qgtm_core.features.known import Known, bars_of, macro_rows, price_rows, usable_bars
from qgtm_core.features.registry import compute_all, compute_features
from qgtm_core.pit import break_sessions, observe
from tests.core import pit_frames

LAST = dt.date(2016, 2, 8)
SHARING = ("prices", "momentum", "pairs", "correlation", "macro", "volatility", "trend", "seasonality")


@functools.cache
def tables() -> dict[str, pl.DataFrame]:
    """Tables with late rows and revisions."""
    return pit_frames.tables(seed=3, share=0.004)


def test_tables_computed_together_are_those_computed_alone():
    days = pit_frames.days(dt.date(2016, 1, 4), LAST)
    together = compute_all(tables(), days, SHARING)
    assert list(together) == list(SHARING)
    for table, rows in together.items():
        assert_frame_equal(rows, compute_features(table, tables(), days), check_exact=True)


@pytest.mark.parametrize("symbol", ["GLD", "SIL", "NONE"])
def test_rows_of_a_symbol_are_all_its_known_revisions_by_day(symbol):
    known = Known(tables(), LAST)
    want = tables()["prices"].filter(pl.col("symbol") == symbol, pl.col("session") <= LAST)
    want = want.drop("retrieved_at", "source").sort("event_date", maintain_order=True)
    assert_frame_equal(price_rows(known, symbol), want)
    assert_frame_equal(price_rows({"prices": tables()["prices"]}, symbol).select(want.columns).head(0), want.head(0))


def test_usable_bars_are_those_of_the_view_even_where_they_were_looked_up_before():
    known = Known(tables(), LAST)
    rows = price_rows(known, "GLD")
    assert bars_of(known, "GLD", rows) is bars_of(known, "GLD", rows)
    older = rows.filter(pl.col("session") <= dt.date(2015, 2, 17))
    assert_frame_equal(bars_of(known, "GLD", older), usable_bars(older))


def test_bars_of_one_symbol_need_no_grouping():
    rows = price_rows(tables(), "GLD").filter(revision=0).unique("event_date", maintain_order=True)
    assert_frame_equal(usable_bars(rows), usable_prices(rows))


def test_a_feature_sees_only_the_tables_it_declares():
    known = Known(tables(), LAST).only(["prices"])
    assert list(known) == ["prices"]
    assert len(known) == 1
    with pytest.raises(KeyError):
        macro_rows(known, "DFII10")


def test_a_history_that_only_grows_has_no_breaks_and_a_late_or_second_row_makes_one():
    day = dt.date(2020, 1, 6)
    days = [day + dt.timedelta(days=n) for n in range(4)]
    grown = pl.DataFrame({"event_date": days, "session": [d + dt.timedelta(days=1) for d in days]})
    assert break_sessions(grown, ("event_date",)).is_empty()
    for first in (days[1], days[0]):  # a gap filled, a day given twice
        late = grown.filter(pl.col("event_date") != first) if first == days[1] else grown
        row = pl.DataFrame({"event_date": [first], "session": [days[-1] + dt.timedelta(days=5)]})
        found = break_sessions(pl.concat([late, row]).sort("event_date"), ("event_date",))
        assert found["session"].to_list() == [days[-1] + dt.timedelta(days=5)]


@pytest.mark.parametrize("group", [[], ["symbol"]])
def test_one_session_reads_what_a_range_that_ends_there_reads(group):
    day = dt.date(2020, 1, 6)
    rows = pl.DataFrame(
        {
            "session": [day, day + dt.timedelta(days=2), day + dt.timedelta(days=1), day + dt.timedelta(days=9)],
            "symbol": ["A", "B", "A", "A"],
            "x": [1.0, 2.0, 3.0, 4.0],
        }
    ).sort("session")
    days = pl.DataFrame({"session": [day + dt.timedelta(days=n) for n in range(5)]})
    whole = observe(days, rows, group)
    for n in range(days.height):
        want = whole.filter(pl.col("session") == days["session"][n])
        assert_frame_equal(observe(days.slice(n, 1), rows, group), want, check_row_order=False)
