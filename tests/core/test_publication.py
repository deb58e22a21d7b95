"""When each feed's rows are known: the worked dates of the specification and rules that hold for every day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qgtm_core import calendar, festivals, fund_terms, publication
from qgtm_core.schemas.raw import RAW_TABLES

D = dt.date
Rule = Callable[[pl.Expr], pl.Expr]
DAY_RULES: tuple[Rule, ...] = (
    publication.h15,
    publication.h10,
    publication.next_morning,
    publication.next_day_open,
    publication.daily_bar,
    publication.round_the_clock_bar,
    publication.cot,
    publication.lbma,
    publication.futures_settlement,
    publication.gpr_daily,
    publication.gpr_monthly,
    publication.cb_gold,
    publication.monthly_release,
    publication.late_monthly_release,
    publication.dated_news,
    publication.h41,
    publication.overnight_rate,
    publication.reverse_repo,
    publication.fx_close,
    publication.shanghai_withdrawals,
    publication.us_mint,
    publication.mining_filing,
    publication.petroleum,
)


def known_at(rule: Rule, *days: dt.date, zone: str = "America/New_York") -> list[str]:
    frame = pl.DataFrame({"day": days}, schema={"day": pl.Date})
    return (
        frame.select(rule(pl.col("day")).dt.convert_time_zone(zone))
        .to_series()
        .dt.to_string("%Y-%m-%d %H:%M")
        .to_list()
    )


@pytest.mark.parametrize(
    ("rule", "day", "expected"),
    [
        (publication.cot, D(2026, 11, 17), "2026-11-20 15:35"),
        (publication.cot, D(2026, 11, 10), "2026-11-16 15:35"),
        (publication.cot, D(2026, 11, 24), "2026-11-30 15:35"),
        (publication.cot, D(2025, 9, 30), "2025-11-19 15:35"),
        (publication.h15, D(2026, 11, 18), "2026-11-19 17:15"),
        (publication.h15, D(2026, 11, 25), "2026-11-27 17:15"),
        (publication.h10, D(2026, 11, 19), "2026-11-23 17:15"),
        (publication.h41, D(2026, 11, 18), "2026-11-19 17:30"),
        (publication.us_mint, D(2026, 10, 1), "2026-11-06 17:00"),
        (publication.petroleum, D(2026, 11, 13), "2026-11-18 10:32"),
        (publication.daily_bar, D(2026, 11, 27), "2026-11-27 13:15"),
        (publication.lbma, D(2026, 11, 19), "2026-11-19 19:05"),
        (publication.gpr_daily, D(2026, 11, 12), "2026-11-16 12:00"),
        (publication.gpr_daily, D(2026, 11, 16), "2026-11-23 12:00"),
    ],
)
def test_the_worked_dates_of_the_specification_hold_in_new_york_time(rule: Rule, day: dt.date, expected: str) -> None:
    assert known_at(rule, day) == [expected]


def test_central_bank_gold_of_august_is_known_on_15_october_at_noon_utc() -> None:
    assert known_at(publication.cb_gold, D(2026, 8, 31), zone="UTC") == ["2026-10-15 12:00"]


def test_the_shanghai_load_out_of_october_is_known_on_15_november_at_18_00_in_shanghai() -> None:
    assert known_at(publication.shanghai_withdrawals, D(2026, 10, 1), zone="Asia/Shanghai") == ["2026-11-15 18:00"]


def test_the_shanghai_benchmark_is_known_an_hour_after_its_afternoon_fix_before_new_york_wakes() -> None:
    assert known_at(publication.shanghai_benchmark, D(2026, 11, 19), zone="Asia/Shanghai") == ["2026-11-19 15:15"]
    assert known_at(publication.shanghai_benchmark, D(2026, 11, 19)) == ["2026-11-19 02:15"]


def test_the_balance_sheet_waits_for_friday_when_thursday_is_a_holiday() -> None:
    assert known_at(publication.h41, D(2026, 11, 25)) == ["2026-11-27 17:30"]


def test_petroleum_stocks_wait_for_thursday_when_the_week_begins_with_a_holiday() -> None:
    assert known_at(publication.petroleum, D(2024, 5, 24), D(2022, 6, 17)) == ["2024-05-30 12:02", "2022-06-23 12:02"]
    assert known_at(publication.petroleum, D(2026, 11, 20)) == ["2026-11-25 10:32"]  # Thanksgiving comes after it


def test_short_rates_are_known_the_next_morning_and_exchange_rates_the_same_evening() -> None:
    friday = D(2024, 6, 28)
    assert known_at(publication.overnight_rate, friday) == ["2024-07-01 08:00"]
    assert known_at(publication.reverse_repo, friday) == ["2024-07-01 09:00"]
    assert known_at(publication.fx_close, friday) == ["2024-06-28 16:15"]


def test_costs_without_a_filing_instant_are_known_forty_five_days_after_the_quarter() -> None:
    assert known_at(publication.mining_filing, D(2024, 3, 31)) == ["2024-05-15 17:00"]


def test_terms_of_a_fund_hold_from_the_morning_of_their_day() -> None:
    assert known_at(publication.fund_terms, D(2008, 12, 3)) == ["2008-12-03 09:00"]


def test_a_licensed_auction_price_is_known_five_seconds_after_the_print() -> None:
    printed = pl.Series([dt.datetime(2024, 6, 28, 14, 0, tzinfo=dt.UTC)])
    assert pl.select(publication.licensed_fix(pl.lit(printed))).to_series()[0].second == 5


def test_the_table_of_terms_is_in_its_declared_schema() -> None:
    rows = RAW_TABLES["fund_terms"].require_valid(fund_terms.rows())
    assert rows.filter(pl.col("symbol").is_in(["UGL", "AGQ"]))["expense_ratio"].unique().to_list() == [0.0095]
    assert calendar.with_session(rows.drop("session"))["session"].to_list() == rows["session"].to_list()


def test_comex_stocks_of_19_november_are_known_at_18_00_on_the_20th() -> None:
    assert known_at(lambda day: publication.comex_stocks(publication.comex_report_day(day)), D(2026, 11, 19)) == [
        "2026-11-20 18:00"
    ]


def test_london_afternoon_is_11_00_in_new_york_while_only_one_of_them_is_on_summer_time() -> None:
    assert known_at(lambda day: publication.at(day, 15, zone="Europe/London"), D(2026, 3, 17)) == ["2026-03-17 11:00"]


def test_the_friday_cot_release_is_first_usable_at_mondays_decision() -> None:
    frame = pl.DataFrame({"event_date": [D(2026, 11, 17)]}).with_columns(
        available_at=publication.cot(pl.col("event_date"))
    )
    assert calendar.with_session(frame)["session"].to_list() == [D(2026, 11, 23)]


@pytest.mark.parametrize(
    ("as_of", "released"),
    [
        (D(2024, 6, 18), D(2024, 6, 24)),
        (D(2024, 7, 2), D(2024, 7, 8)),
        (D(2024, 11, 26), D(2024, 12, 2)),
        (D(2024, 12, 24), D(2024, 12, 30)),
        (D(2024, 6, 25), D(2024, 6, 28)),
    ],
)
def test_cot_releases_move_to_monday_in_holiday_weeks(as_of: dt.date, released: dt.date) -> None:
    assert known_at(publication.cot, as_of) == [f"{released} 15:35"]


def test_every_overridden_cot_release_is_the_published_catch_up_date() -> None:
    days = list(publication.COT_RELEASE_OVERRIDES)
    expected = [f"{day} 15:35" for day in publication.COT_RELEASE_OVERRIDES.values()]
    assert known_at(publication.cot, *days) == expected


def test_the_dollar_batch_waits_for_tuesday_when_monday_is_a_holiday() -> None:
    assert known_at(publication.h10, D(2024, 5, 22)) == ["2024-05-28 17:15"]


def test_an_afternoon_of_thanksgiving_week_skips_the_holiday_but_not_the_half_day() -> None:
    assert known_at(publication.next_morning, D(2026, 11, 25)) == ["2026-11-27 10:00"]


def test_a_regular_bar_is_known_a_quarter_hour_after_the_close() -> None:
    assert known_at(publication.daily_bar, D(2026, 11, 20)) == ["2026-11-20 16:15"]


def test_a_bar_older_than_the_calendar_counts_as_known_after_a_regular_close() -> None:
    assert known_at(publication.daily_bar, D(1993, 1, 29)) == ["1993-01-29 16:15"]


def test_a_market_that_never_closes_is_known_after_midnight_utc() -> None:
    assert known_at(publication.round_the_clock_bar, D(2024, 1, 6), zone="UTC") == ["2024-01-07 00:15"]


def test_an_hourly_bar_is_known_five_seconds_after_it_ends_and_an_unknown_interval_never() -> None:
    start = dt.datetime(2024, 6, 28, 18, 0, tzinfo=dt.UTC)
    frame = pl.DataFrame({"start": [start, start], "interval": ["60m", "7m"]})
    known = frame.select(publication.intraday_bar(pl.col("start"), pl.col("interval"))).to_series().to_list()
    assert known == [dt.datetime(2024, 6, 28, 19, 0, 5, tzinfo=dt.UTC), None]


def test_the_monthly_risk_index_comes_on_the_first_monday_of_the_next_month() -> None:
    assert known_at(publication.gpr_monthly, D(2024, 5, 1)) == ["2024-06-03 12:00"]


def test_meetings_are_known_from_the_october_before_and_releases_ninety_days_ahead() -> None:
    assert known_at(publication.fomc_schedule, D(2024, 6, 12)) == ["2023-10-01 00:00"]
    release = pl.Series([dt.datetime(2024, 6, 12, 12, 30, tzinfo=dt.UTC)])
    known = pl.select(publication.release_schedule(pl.lit(release))).to_series()[0]
    assert known == dt.datetime(2024, 3, 14, 12, 30, tzinfo=dt.UTC)


def test_options_are_known_a_quarter_hour_after_their_quote_and_margins_from_midnight() -> None:
    quoted = pl.Series([dt.datetime(2024, 6, 28, 19, 10, tzinfo=dt.UTC)])
    assert pl.select(publication.option_quote(pl.lit(quoted))).to_series()[0].minute == 25
    assert known_at(publication.margin_change, D(2024, 6, 28)) == ["2024-06-28 00:00"]


@given(day=st.dates(D(1990, 1, 1), D(2030, 12, 31)))
def test_no_rule_makes_a_day_known_before_it_has_happened(day: dt.date) -> None:
    for rule in DAY_RULES:
        if rule is publication.cot and day.weekday() > 1:
            continue  # positions are of a Tuesday, or of the Monday before a holiday
        assert known_at(rule, day)[0] > f"{day} 12:00", rule.__name__


@given(day=st.dates(D(2000, 1, 3), D(2026, 12, 31)))
def test_business_days_are_neither_weekends_nor_federal_holidays(day: dt.date) -> None:
    frame = pl.DataFrame({"day": [day]})
    for by in (0, 1, 5):
        found = frame.select(publication.business_day(pl.col("day"), by)).to_series()[0]
        assert found.weekday() < 5
        assert found not in publication.federal_holidays()


def test_a_day_that_is_not_known_has_no_business_day() -> None:
    days = pl.DataFrame({"day": [None, D(2024, 7, 3)]}, schema={"day": pl.Date})
    for frame in (days, days.lazy()):
        moved = frame.lazy().select(publication.business_day(pl.col("day"), 1)).collect().to_series()
        assert moved.to_list() == [None, D(2024, 7, 5)]


def test_festival_dates_are_the_published_ones() -> None:
    known = {
        "lunar_new_year": [D(2000, 2, 5), D(2024, 2, 10), D(2026, 2, 17), D(2027, 2, 6), D(2028, 1, 26)],
        "diwali": [D(2001, 11, 14), D(2024, 10, 31), D(2026, 11, 8), D(2027, 10, 29), D(2028, 10, 17)],
        "akshaya_tritiya": [
            D(2016, 5, 9),
            D(2022, 5, 3),
            D(2024, 5, 10),
            D(2026, 4, 19),
            D(2027, 5, 9),
            D(2028, 4, 27),
        ],
    }
    for event, days in known.items():
        assert set(days) <= set(festivals.FESTIVALS[event]), event


def test_every_festival_falls_once_in_every_year_and_in_its_season() -> None:
    months = {"lunar_new_year": (1, 2), "diwali": (10, 11), "akshaya_tritiya": (4, 5)}
    for event, days in festivals.FESTIVALS.items():
        assert [day.year for day in days] == list(range(festivals.FIRST_YEAR, festivals.LAST_YEAR + 1))
        assert {day.month for day in days} <= set(months[event])


def test_festivals_are_known_three_years_ahead_in_the_declared_schema() -> None:
    rows = RAW_TABLES["seasonal_calendar"].require_valid(festivals.rows())
    ahead = rows.select((pl.col("event_at") - pl.col("available_at")).dt.total_days()).to_series()
    assert ahead.unique().to_list() == [1095]
    assert rows["session"].min() == calendar.FIRST_SESSION
