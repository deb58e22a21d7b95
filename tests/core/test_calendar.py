"""NYSE sessions, early closes and decision times."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qgtm_core import calendar

D = dt.date
ALL = calendar.schedule()["session"].to_list()
some_sessions = st.sampled_from(ALL[10:-10])
YEAR_S = 31_557_600
instants = st.integers(0, 27 * YEAR_S).map(lambda s: dt.datetime(1999, 12, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=s))


def new_york(at: dt.datetime) -> str:
    return at.astimezone(calendar.NEW_YORK).strftime("%H:%M")


@pytest.mark.parametrize(
    ("session", "close", "decision"),
    [
        (D(2024, 7, 2), "16:00", "15:30"),
        (D(2024, 7, 3), "13:00", "12:30"),
        (D(2024, 11, 29), "13:00", "12:30"),
        (D(2024, 12, 24), "13:00", "12:30"),
    ],
)
def test_the_decision_is_half_an_hour_before_the_close(session: D, close: str, decision: str) -> None:
    assert new_york(calendar.open_at(session)) == "09:30"
    assert new_york(calendar.close_at(session)) == close
    assert new_york(calendar.decision_time(session)) == decision
    row = calendar.schedule(session, session).row(0, named=True)
    assert row["early_close"] is (close == "13:00")


@pytest.mark.parametrize(
    "day",
    [D(2024, 3, 29), D(2024, 7, 4), D(2024, 6, 19), D(2025, 1, 9), D(2001, 9, 12), D(2012, 10, 29), D(2024, 6, 15)],
    ids=str,
)
def test_holidays_mourning_and_storms_have_no_session(day: D) -> None:
    assert not calendar.is_session(day)
    assert calendar.session_at(dt.datetime(day.year, day.month, day.day, 17, tzinfo=dt.UTC)) is None


@pytest.mark.parametrize(
    ("session", "hour"),
    [(D(2024, 3, 8), 20), (D(2024, 3, 11), 19), (D(2024, 11, 1), 19), (D(2024, 11, 4), 20)],
    ids=str,
)
def test_the_decision_keeps_its_new_york_hour_when_the_clocks_change(session: D, hour: int) -> None:
    assert calendar.decision_time(session) == dt.datetime(
        session.year, session.month, session.day, hour, 30, tzinfo=dt.UTC
    )
    assert new_york(calendar.decision_time(session)) == "15:30"


def test_neighbours_step_over_good_friday() -> None:
    assert calendar.next_session(D(2024, 3, 28)) == D(2024, 4, 1)
    assert calendar.previous_session(D(2024, 4, 1)) == D(2024, 3, 28)
    assert calendar.session_on_or_before(D(2024, 3, 29)) == D(2024, 3, 28)
    assert calendar.session_on_or_after(D(2024, 3, 29)) == D(2024, 4, 1)
    assert calendar.sessions_since(D(2024, 3, 28), D(2024, 4, 1)) == 1
    assert calendar.sessions_since(D(2024, 4, 1), D(2024, 3, 28)) == 0


def test_holidays_are_the_weekdays_without_a_session() -> None:
    assert calendar.holidays(D(2024, 1, 1), D(2024, 3, 31)) == [
        D(2024, 1, 1),
        D(2024, 1, 15),
        D(2024, 2, 19),
        D(2024, 3, 29),
    ]


def test_the_session_is_that_of_the_new_york_date() -> None:
    late_in_new_york = dt.datetime(2024, 6, 13, 2, tzinfo=dt.UTC)
    assert calendar.session_at(late_in_new_york) == D(2024, 6, 12)


def test_the_rebalance_window_is_ten_minutes_from_the_decision() -> None:
    opened, shut = calendar.rebalance_window(D(2024, 7, 3))
    assert (new_york(opened), new_york(shut)) == ("12:30", "12:40")


def test_outside_the_calendar_is_an_error_but_an_offset_is_clamped() -> None:
    with pytest.raises(ValueError, match="outside the calendar, which runs from 2000-01-03"):
        calendar.previous_session(calendar.FIRST_SESSION)
    with pytest.raises(ValueError, match="outside the calendar"):
        calendar.next_session(calendar.last_known_session())
    assert calendar.offset_session(D(2000, 1, 5), -400) == calendar.FIRST_SESSION
    assert calendar.offset_session(calendar.last_known_session(), 3) == calendar.last_known_session()


@given(some_sessions, st.integers(-9, 9))
def test_an_offset_and_its_reverse_meet(session: D, by: int) -> None:
    moved = calendar.offset_session(session, by)
    assert calendar.offset_session(moved, -by) == session
    assert calendar.sessions_since(min(session, moved), max(session, moved)) == abs(by)


@given(st.lists(instants, min_size=1, max_size=8), some_sessions)
def test_a_rows_session_is_the_first_decision_that_may_see_it(known: list[dt.datetime], session: D) -> None:
    frame = pl.DataFrame(
        {"available_at": known, "n": range(len(known))}, schema_overrides={"available_at": pl.Datetime("us", "UTC")}
    )
    found = calendar.with_session(frame)
    assert found["n"].to_list() == list(range(len(known)))
    decided = calendar.decision_time(session)
    for at, of in zip(known, found["session"], strict=True):
        assert (at <= decided) == (of <= session)


def test_a_row_known_at_the_very_decision_is_seen_by_it() -> None:
    decided = calendar.decision_time(D(2024, 6, 12))
    times = [decided, decided + dt.timedelta(microseconds=1), dt.datetime(2040, 1, 1, tzinfo=dt.UTC), None]
    frame = pl.DataFrame({"available_at": times}, schema={"available_at": pl.Datetime("us", "UTC")})
    assert calendar.with_session(frame)["session"].to_list() == [D(2024, 6, 12), D(2024, 6, 13), None, None]
