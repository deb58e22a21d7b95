"""The real archive: every table loads, nothing is known too early, and the rows set aside are listed."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache

import polars as pl
import pytest

from qgtm_core import calendar
from qgtm_core.schemas.raw import RAW_TABLES
from qgtm_resources.feeds.archive import ArchiveFeed
from tests.archive import require_archive

pytestmark = pytest.mark.archive

D = dt.date
LAST = D(2024, 6, 28)
EVER = (calendar.FIRST_SESSION, calendar.last_known_session())
ROWS = {
    "bars_daily": 182_769,
    "cb_gold_reserves": 11_423,
    "comex_stocks": 1_624,
    "comex_volume_oi": 3_629,
    "cot": 10_581,
    "etf_holdings": 4_934,
    "event_calendar": 2 * 29_462,
    "futures_margins": 294,
    "futures": 70_073 - 225 - 12,  # without a close, and with an open of zero
    "gpr_daily": 14_426,
    "lbma_fix": 72_128,
    "macro_vintages": 12_106,
    "news": 9_347,
    "option_chain": 58_124,
}
REJECTED = {"futures": 12}


@lru_cache(maxsize=1)
def feed() -> ArchiveFeed:
    return ArchiveFeed(require_archive())


# No such files: what needs them is silent
ABSENT = {
    "cb_gold_flows",
    "eia_weekly",
    "fx",
    "licensed_fix",
    "mining_costs",
    "sge_benchmark",
    "sge_withdrawals",
    "us_mint",
}
SMALL = sorted(set(RAW_TABLES) - {"bars_intraday"} - ABSENT)


@pytest.mark.parametrize("name", SMALL)
def test_a_table_loads_in_its_declared_schema(name: str) -> None:
    rows = RAW_TABLES[name].require_valid(feed().rows(name, *EVER))
    assert rows.height == ROWS.get(name, rows.height)
    assert rows.height > 0
    assert feed().rejected(name).height == REJECTED.get(name, 0)


@pytest.mark.parametrize("name", sorted(ABSENT))
def test_a_table_without_a_file_is_empty_in_its_declared_schema(name: str) -> None:
    assert RAW_TABLES[name].require_valid(feed().rows(name, *EVER)).is_empty()
    assert feed().rejected(name).is_empty()


def test_the_archive_states_no_units_and_has_no_price_of_a_trust_it_does_not_hold() -> None:
    assert feed().rows("macro", *EVER)["unit"].null_count() == feed().rows("macro", *EVER).height
    assert feed().rows("bars_daily", *EVER).filter(pl.col("symbol").is_in(["PHYS", "PSLV", "XLI"])).is_empty()


@pytest.mark.parametrize("name", sorted(set(SMALL) - {"decision_quotes"}))
def test_a_row_belongs_to_the_first_session_whose_decision_can_see_it(name: str) -> None:
    rows = feed().rows(name, *EVER)
    assert calendar.with_session(rows.drop("session"))["session"].equals(rows["session"])


@pytest.mark.parametrize("name", SMALL)
def test_nothing_is_known_before_it_has_happened(name: str) -> None:
    rows = feed().rows(name, *EVER)
    if name == "seasonal_calendar":
        return
    if "stage" in rows.columns:
        rows = rows.filter(stage="outcome")
    assert rows.filter(pl.col("available_at") < pl.col("event_at")).is_empty()


def test_the_rows_set_aside_are_far_contracts_with_an_open_of_zero() -> None:
    found = feed().rejected("futures")
    assert found["column"].unique().to_list() == ["open"]
    assert found["key"].str.starts_with("GC / lean_contract_daily / ").all()
    assert found["problem"].unique().to_list() == ["0.0 is below the lowest sane value 0.0001"]


def test_the_archive_drives_rebalances_to_its_last_bar() -> None:
    assert feed().last_session() == LAST


def test_yields_of_a_day_are_first_seen_two_sessions_later() -> None:
    rows = feed().rows("macro", *EVER).filter(series_id="DFII10", event_date=D(2024, 6, 25))
    assert rows["session"].to_list() == [D(2024, 6, 27)]


def test_the_dollar_index_has_its_later_vintages_as_revisions_after_the_history() -> None:
    rows = feed().rows("macro", *EVER).filter(series_id="DTWEXBGS")
    assert rows.filter(pl.col("revision") > 0)["session"].min() > D(2025, 1, 1)
    assert rows.filter(revision=0).height == 4_637


def test_decisions_of_funds_with_hourly_bars_use_them() -> None:
    quotes = feed().rows("decision_quotes", LAST, LAST)
    hourly = quotes.filter(basis="intraday_bar")
    assert sorted(hourly["symbol"]) == ["GLD", "SPY", "TLT"]
    assert quotes.height == 25
    assert (
        quotes.join(calendar.schedule(), on="session").filter(pl.col("available_at") > pl.col("decided_at")).is_empty()
    )


def test_an_early_close_is_decided_on_the_hour_that_ended_before_it() -> None:
    day = D(2023, 11, 24)
    quote = feed().rows("decision_quotes", day, day).filter(symbol="GLD").row(0, named=True)
    assert quote["event_at"] == dt.datetime(2023, 11, 24, 17, tzinfo=dt.UTC)


def test_the_market_of_all_sessions_is_that_of_single_ones() -> None:
    day = D(2020, 3, 13)
    alone = feed().market(day, ["GLD", "SLV"])
    assert alone.equals(feed().market_range(day, day, ["GLD", "SLV"]).drop("session"))
    assert alone["vwap"].null_count() == 1  # hourly bars of GLD, none of SLV
    traded = feed().market_range(D(2010, 1, 4), LAST)
    assert traded["session"].n_unique() == calendar.schedule(D(2010, 1, 4), LAST).height


def test_intraday_bars_of_a_session_are_read_without_the_rest() -> None:
    rows = RAW_TABLES["bars_intraday"].require_valid(feed().rows("bars_intraday", LAST, LAST))
    assert set(rows["session"]) == {LAST}
    gold = rows.filter(symbol="GLD", interval="60m")["event_at"].sort().dt.convert_time_zone("America/New_York")
    assert gold.dt.hour().to_list() == [15, 10, 11, 12, 13, 14]
