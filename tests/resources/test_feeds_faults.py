"""Bad input: what is wrong with a file stops the table by name; what is wrong with one row sets that row aside."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from qgtm_core import calendar
from qgtm_core.errors import DataError
from qgtm_resources.feeds.archive import ArchiveFeed
from tests.resources.archive_folders import FRIDAY, bars, write

D = dt.date
EVER = (calendar.FIRST_SESSION, calendar.last_known_session())


def message(folder: Path, table: str = "bars_daily") -> str:
    with pytest.raises(DataError) as caught:
        ArchiveFeed(folder).rows(table, *EVER)
    return str(caught.value)


def rejected(folder: Path, table: str = "bars_daily") -> list[tuple[str, int, str, str, str]]:
    feed = ArchiveFeed(folder)
    assert len(feed.rows(table, *EVER)) > 0, "the good rows are kept"
    return feed.rejected(table).select("file", "row", "column", "problem", "key").rows()


def broken(column: str, row: int, value: object, days: int = 5) -> pl.DataFrame:
    """Bars of GLD with one value replaced."""
    frame = bars("GLD", days=days)
    values = frame[column].to_list()
    values[row] = value
    return frame.with_columns(pl.Series(column, values, dtype=frame.schema[column]))


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "bars_daily.parquet").touch()
    assert message(tmp_path) == (
        "bars_daily.parquet: the file is empty (0 bytes). replace the file with a complete copy"
    )


def test_a_file_that_is_not_parquet_is_named(tmp_path: Path) -> None:
    (tmp_path / "macro.parquet").write_text("series_id,date,value\n")
    text = message(tmp_path, "macro")
    assert text.startswith("macro.parquet: not a readable Parquet file (")
    assert text.endswith("replace the file with a complete copy")


@pytest.mark.parametrize("table", ["bars_daily", "bars_intraday"])
def test_a_truncated_file_is_named(tmp_path: Path, table: str) -> None:
    path = write(tmp_path, table, bars("GLD", days=50))
    path.write_bytes(path.read_bytes()[:-200])
    assert message(tmp_path, table).startswith(f"{table}.parquet: not a readable Parquet file (")


def test_a_file_damaged_in_its_middle_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, "bars_daily", bars("GLD", days=2000))
    content = bytearray(path.read_bytes())
    content[4 : len(content) // 2] = b"\x00" * (len(content) // 2 - 4)
    path.write_bytes(bytes(content))
    assert message(tmp_path).startswith("bars_daily.parquet: damaged Parquet file (")


def test_a_missing_column_is_named_with_what_the_file_has(tmp_path: Path) -> None:
    write(tmp_path, "bars_daily", bars("GLD").drop("adj_close"))
    assert message(tmp_path) == (
        "bars_daily.parquet, column 'adj_close': column is missing. add it as number; "
        "the file has symbol, date, open, high, low, close, volume, volume_scope"
    )


@pytest.mark.parametrize(
    ("column", "dtype", "words"),
    [
        ("close", pl.String, "type is String, expected number"),
        ("date", pl.String, "type is String, expected date"),
        ("volume", pl.Float64, "type is Float64, expected whole number"),
        ("symbol", pl.Binary, "type is Binary, expected text"),
    ],
)
def test_a_column_of_the_wrong_type_is_named(tmp_path: Path, column: str, dtype: pl.DataType, words: str) -> None:
    write(tmp_path, "bars_daily", bars("GLD").with_columns(pl.col(column).cast(dtype)))
    assert message(tmp_path) == f"bars_daily.parquet, column '{column}': {words}. write the column with the right type"


def test_a_timestamp_without_its_zone_is_named(tmp_path: Path) -> None:
    frame = pl.DataFrame({"ts": [dt.datetime(2024, 6, 12, 12, 30, tzinfo=dt.UTC)], "event": ["CPI"]}).with_columns(
        pl.col("ts").dt.replace_time_zone(None)
    )
    write(tmp_path, "event_calendar", frame)
    assert message(tmp_path, "event_calendar") == (
        "event_calendar.parquet, column 'ts': type is Datetime(time_unit='us', time_zone=None), "
        "expected UTC timestamp. write the column with the right type"
    )


def test_narrower_numbers_and_empty_columns_are_read(tmp_path: Path) -> None:
    frame = bars("GLD").with_columns(
        pl.col("close").cast(pl.Float32), pl.col("volume").cast(pl.Int32), volume_scope=pl.lit(None, dtype=pl.Null)
    )
    write(tmp_path, "bars_daily", frame)
    assert len(ArchiveFeed(tmp_path).rows("bars_daily", *EVER)) == 30


@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [
        ("close", -5.0, "-5.0 is below the lowest sane value 0.0001"),
        ("close", 0.0, "0.0 is below the lowest sane value 0.0001"),
        ("open", -0.01, "-0.01 is below the lowest sane value 0.0001"),
        ("close", None, "null in a required column"),
        ("close", float("nan"), "not a finite number"),
        ("adj_close", float("inf"), "not a finite number"),
        ("close", 1e9, "1000000000.0 is above the highest sane value 1e+08"),
        ("volume", -1, "-1 is below the lowest sane value 0"),
        ("symbol", None, "null in a required column"),
        ("date", D(2024, 6, 23), "2024-06-23 is not a trading session"),
        ("date", D(2035, 1, 2), "future-dated: 2035-01-02 is beyond the calendar"),
    ],
)
def test_a_row_with_a_bad_value_is_set_aside_and_named(
    tmp_path: Path, column: str, value: object, problem: str
) -> None:
    write(tmp_path, "bars_daily", broken(column, 3, value))
    found = rejected(tmp_path)
    raw_column = "event_date" if column == "date" else column
    assert [(file, row, name, words) for file, row, name, words, _ in found] == [
        ("bars_daily.parquet", 3, raw_column, problem)
    ]


def test_a_high_below_the_low_is_set_aside(tmp_path: Path) -> None:
    write(tmp_path, "bars_daily", broken("high", 2, 1.0))
    (found,) = rejected(tmp_path)
    assert found[1:3] == (2, "high")
    assert found[3].startswith("high 1.0 is below low ")


def test_a_repeated_key_keeps_its_first_row(tmp_path: Path) -> None:
    frame = bars("GLD", days=5)
    write(tmp_path, "bars_daily", pl.concat([frame, frame.tail(1).with_columns(close=pl.lit(999.0))]))
    assert rejected(tmp_path) == [
        (
            "bars_daily.parquet",
            5,
            "symbol",
            "key occurs more than once; the first row is kept",
            "GLD / 2024-06-28",
        )
    ]
    assert 999.0 not in ArchiveFeed(tmp_path).rows("bars_daily", *EVER)["close"]


def test_a_bad_row_does_not_take_the_place_of_a_good_one_with_its_key(tmp_path: Path) -> None:
    frame = bars("GLD", days=5)
    write(tmp_path, "bars_daily", pl.concat([frame.tail(1).with_columns(close=pl.lit(-1.0)), frame]))
    assert [(row, column) for _, row, column, _, _ in rejected(tmp_path)] == [(0, "close")]
    assert ArchiveFeed(tmp_path).rows("bars_daily", *EVER).height == 5


def test_a_bar_far_behind_all_others_is_future_dated_and_does_not_move_the_last_session(tmp_path: Path) -> None:
    write(tmp_path, "bars_daily", pl.concat([bars("GLD", days=30), bars("SLV", days=1, last=D(2025, 6, 27))]))
    ((_, row, column, problem, _),) = rejected(tmp_path)
    assert (row, column) == (30, "event_date")
    assert problem == "future-dated: 2025-06-27 lies far behind the other bars"
    assert ArchiveFeed(tmp_path).last_session() == FRIDAY


def test_a_long_hole_with_a_real_history_behind_it_is_no_fault(tmp_path: Path) -> None:
    write(tmp_path, "bars_daily", pl.concat([bars("GLD", days=9, last=D(2020, 6, 30)), bars("SLV", days=9)]))
    assert ArchiveFeed(tmp_path).rejected("bars_daily").is_empty()


def test_a_release_before_its_event_is_future_dated(tmp_path: Path) -> None:
    days = [D(2024, 6, 26), D(2024, 6, 27)]
    frame = pl.DataFrame(
        {
            "series_id": ["DFII10"] * 2,
            "date": days,
            "value": [2.0, 2.1],
            "release_date": [D(2024, 6, 27), D(2024, 6, 20)],
        }
    )
    write(tmp_path, "macro", frame)
    ((file, row, column, problem, key),) = rejected(tmp_path, "macro")
    assert (file, row, column, key) == ("macro.parquet", 1, "event_date", "DFII10 / 2024-06-27")
    assert problem == "future-dated: about 2024-06-27 20:00 UTC but said to be known at 2024-06-20 21:15 UTC"


def test_oil_below_zero_was_a_true_price(tmp_path: Path) -> None:
    frame = pl.DataFrame({"series_id": ["DCOILWTICO"], "date": [D(2020, 4, 20)], "value": [-36.98]})
    write(tmp_path, "macro", frame)
    feed = ArchiveFeed(tmp_path)
    assert feed.rows("macro", *EVER)["value"].to_list() == [-36.98]
    assert feed.rejected("macro").is_empty()


def test_an_interval_without_a_length_is_set_aside(tmp_path: Path) -> None:
    at = dt.datetime(2024, 6, 28, 14, tzinfo=dt.UTC)
    price = {name: [200.0, 200.0] for name in ("open", "high", "low", "close")}
    frame = pl.DataFrame({"symbol": ["GLD"] * 2, "ts": [at, at], "interval": ["60m", "7m"], **price})
    write(tmp_path, "bars_intraday", frame)
    ((_, row, column, problem, _),) = rejected(tmp_path, "bars_intraday")
    assert (row, column) == (1, "event_at")
    assert problem == "no instant can be derived (unknown interval, fixing or day)"


def test_an_unknown_fixing_is_set_aside(tmp_path: Path) -> None:
    frame = pl.DataFrame({"metal": ["gold"] * 2, "date": [FRIDAY] * 2, "session": ["PM", "NOON"], "usd": [2330.0] * 2})
    write(tmp_path, "lbma_fix", frame)
    assert [row for _, row, _, _, _ in rejected(tmp_path, "lbma_fix")] == [1]


def test_schedules_may_lie_ahead_of_their_event(tmp_path: Path) -> None:
    frame = pl.DataFrame({"decision_date": [D(2026, 12, 9)], "kind": ["scheduled"]})
    write(tmp_path, "fomc_meetings", frame)
    assert ArchiveFeed(tmp_path).rejected("fomc_meetings").is_empty()


def test_a_bad_file_stops_only_its_own_table(tmp_path: Path) -> None:
    write(tmp_path, "bars_daily", bars("GLD"))
    (tmp_path / "macro.parquet").touch()
    feed = ArchiveFeed(tmp_path)
    assert feed.rows("bars_daily", *EVER).height == 30
    with pytest.raises(DataError, match=r"macro\.parquet"):
        feed.rows("macro", *EVER)
