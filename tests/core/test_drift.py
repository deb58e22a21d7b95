"""A table's newest session against its own history."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from qgtm_core import calendar
from qgtm_core.drift import unusual
from qgtm_core.schemas.features import FEATURE_TABLES

TABLE = FEATURE_TABLES["prices"]
SYMBOLS = ("GLD", "SLV", "GDX")


def history(sessions: int = 100, *, last_rows: int = 3, last_vol: float | None = 0.15) -> pl.DataFrame:
    """`sessions` days of three symbols with quietly moving volatility; the last day as asked."""
    days = calendar.schedule(dt.date(2023, 1, 3))["session"].head(sessions).to_list()
    rows = [
        {"session": day, "symbol": symbol, "vol_ewma_94": 0.14 + 0.001 * (i % 7), "adj_close": 100.0 + i}
        for i, day in enumerate(days)
        for symbol in SYMBOLS
    ][: 3 * (sessions - 1)]
    rows += [
        {"session": days[-1], "symbol": symbol, "vol_ewma_94": last_vol, "adj_close": 1e6}
        for symbol in SYMBOLS[:last_rows]
    ]
    return pl.DataFrame(rows, schema=TABLE.dtypes)


def test_a_usual_session_is_not_remarked_on():
    assert unusual(TABLE, history()) == []


def test_missing_rows_are_remarked_on():
    assert unusual(TABLE, history(last_rows=1)) == ["1 rows, usually 3"]


def test_a_value_far_from_its_history_is_named_with_what_is_usual():
    (remark,) = unusual(TABLE, history(last_vol=1.5))

    assert remark.startswith("vol_ewma_94 is 1.5, usually 0.14")


@pytest.mark.parametrize("frame", [history(40, last_rows=1, last_vol=9.0), history().clear()], ids=["short", "empty"])
def test_too_little_history_is_not_judged(frame):
    assert unusual(TABLE, frame) == []


def test_an_unknown_value_is_not_drift():
    assert unusual(TABLE, history(last_vol=None)) == []


def test_a_table_without_measures_is_judged_by_its_rows_alone():
    table = FEATURE_TABLES["calendar"]
    days = calendar.schedule(dt.date(2023, 1, 3))["session"].head(80)

    assert unusual(table, pl.DataFrame({"session": days}).with_columns(month=pl.lit(1, pl.Int8))) == []
