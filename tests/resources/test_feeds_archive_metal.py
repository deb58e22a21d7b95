"""Files of physical metal, money and costs that an archive may hold: what is known when."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from qgtm_core import calendar
from qgtm_core.schemas.raw import RAW_TABLES
from qgtm_resources.feeds.archive import ArchiveFeed
from tests.resources.archive_folders import write

D = dt.date
EVER = (calendar.FIRST_SESSION, calendar.last_known_session())
FILES: dict[str, dict[str, object]] = {
    "fx": {"pair": "USDCNY", "date": D(2024, 6, 27), "rate": 7.26},
    "sge_benchmark": {"date": D(2024, 6, 27), "am_cny_per_g": 546.1, "pm_cny_per_g": 547.0},
    "sge_withdrawals": {"date": D(2024, 5, 1), "tonnes": 82.2},
    "us_mint": {"date": D(2024, 5, 1), "gold_oz": 30_000.0},
    "cb_gold_flows": {"date": D(2024, 4, 1), "net_tonnes": 33.0},
    "mining_costs": {"symbol": "NEM", "date": D(2024, 3, 31), "aisc_usd_per_oz": 1439.0, "production_koz": 1675.0},
    "eia_weekly": {"series_id": "WCESTUS1", "date": D(2024, 6, 21), "value": 460_696.0},
    "licensed_fix": {"metal": "gold", "session": "PM", "date": D(2024, 6, 27), "usd": 2_323.0},
}
KNOWN = {
    "fx": "2024-06-27 16:15",
    "sge_benchmark": "2024-06-27 03:15",
    "sge_withdrawals": "2024-06-15 06:00",
    "us_mint": "2024-06-07 17:00",
    "cb_gold_flows": "2024-06-15 08:00",
    "mining_costs": "2024-05-15 17:00",
    "eia_weekly": "2024-06-26 10:32",
    "licensed_fix": "2024-06-27 10:00",
}


def rows(folder: Path, name: str) -> pl.DataFrame:
    return RAW_TABLES[name].require_valid(ArchiveFeed(folder).rows(name, *EVER))


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_there_is_read_and_known_by_rule(tmp_path: Path, name: str) -> None:
    write(tmp_path, name, pl.DataFrame([FILES[name]]))
    known = rows(tmp_path, name)["available_at"].dt.convert_time_zone("America/New_York")
    assert known.dt.to_string("%Y-%m-%d %H:%M").to_list() == [KNOWN[name]]
    assert ArchiveFeed(tmp_path).rejected(name).is_empty()


@pytest.mark.parametrize("name", FILES)
def test_a_row_belongs_to_the_first_session_whose_decision_can_see_it(tmp_path: Path, name: str) -> None:
    write(tmp_path, name, pl.DataFrame([FILES[name]]))
    found = rows(tmp_path, name)
    assert found["session"].to_list() == calendar.with_session(found.drop("session"))["session"].to_list()
    assert found.filter(pl.col("available_at") < pl.col("event_at")).is_empty()


def test_costs_are_known_at_their_filing_where_the_file_says_when_that_was(tmp_path: Path) -> None:
    filed = dt.datetime(2024, 4, 25, 10, 55, tzinfo=dt.UTC)
    write(tmp_path, "mining_costs", pl.DataFrame([{**FILES["mining_costs"], "filed_at": filed}]))
    assert rows(tmp_path, "mining_costs")["available_at"].to_list() == [filed]


def test_a_filing_from_before_the_end_of_its_quarter_is_set_aside(tmp_path: Path) -> None:
    filed = dt.datetime(2024, 3, 25, 10, 55, tzinfo=dt.UTC)
    write(tmp_path, "mining_costs", pl.DataFrame([{**FILES["mining_costs"], "filed_at": filed}]))
    assert rows(tmp_path, "mining_costs").is_empty()
    assert ArchiveFeed(tmp_path).rejected("mining_costs")["problem"].str.starts_with("future-dated").to_list() == [True]


@pytest.mark.parametrize(
    ("series", "released", "known"),
    [
        ("WALCL", None, "2024-06-27 17:30"),
        ("WTREGEN", D(2024, 6, 27), "2024-06-27 17:30"),
        ("SOFR", None, "2024-06-27 08:00"),
        ("SOFR", D(2024, 6, 27), "2024-06-27 08:00"),
        ("RRPONTSYD", None, "2024-06-27 09:00"),
        ("VXVCLS", None, "2024-06-27 10:00"),
    ],
)
def test_money_is_known_at_its_hour_in_the_unit_of_the_file(
    tmp_path: Path, series: str, released: dt.date | None, known: str
) -> None:
    row = {"series_id": series, "date": D(2024, 6, 26), "value": 7.2e6, "unit": "Millions of U.S. Dollars"}
    frame = pl.DataFrame([{**row, "release_date": released}], schema_overrides={"release_date": pl.Date})
    write(tmp_path, "macro", frame)
    found = rows(tmp_path, "macro")
    published = found["available_at"].dt.convert_time_zone("America/New_York")
    assert published.dt.to_string("%Y-%m-%d %H:%M").to_list() == [known]
    assert found["unit"].to_list() == ["Millions of U.S. Dollars"]
