"""Contract of the partition set: its keys are the calendar's sessions, and Dagster is never asked which one it is."""

from __future__ import annotations

import datetime as dt

import pytest
from dagster import PartitionKeyRange

from qgtm_assets.partitions import END_OFFSET, SESSIONS
from qgtm_core import calendar

D = dt.date
NEW_YORK = calendar.NEW_YORK


def keys_at(now: dt.datetime) -> list[str]:
    return list(SESSIONS.get_partition_keys(current_time=now))


def test_every_session_is_a_partition_and_nothing_else_is() -> None:
    keys = keys_at(dt.datetime(2026, 3, 4, 12, tzinfo=NEW_YORK))
    sessions = [str(day) for day in calendar.schedule(last=D(2026, 3, 5))["session"]]
    assert keys == sessions


@pytest.mark.parametrize(
    "day", [D(2024, 7, 4), D(2024, 3, 29), D(2001, 9, 11), D(2012, 10, 29), D(2025, 1, 9), D(2024, 6, 29)]
)
def test_holidays_closures_and_week_ends_are_no_partitions(day: D) -> None:
    assert not SESSIONS.has_partition_key(str(day))


@pytest.mark.parametrize("day", [D(2024, 7, 3), D(2023, 11, 24), D(2024, 12, 24)])
def test_half_days_are_partitions(day: D) -> None:
    assert calendar.schedule(day, day)["early_close"].item()
    assert SESSIONS.has_partition_key(str(day))


def test_the_first_partition_is_the_first_session() -> None:
    assert SESSIONS.get_first_partition_key() == str(calendar.FIRST_SESSION)


@pytest.mark.parametrize(
    ("now", "newest"),
    [
        (dt.datetime(2026, 3, 4, 9, 0, tzinfo=NEW_YORK), D(2026, 3, 5)),
        (dt.datetime(2026, 3, 4, 15, 31, tzinfo=NEW_YORK), D(2026, 3, 5)),
        (dt.datetime(2026, 3, 4, 16, 20, tzinfo=NEW_YORK), D(2026, 3, 5)),
        (dt.datetime(2026, 3, 6, 16, 20, tzinfo=NEW_YORK), D(2026, 3, 9)),  # Friday evening
        (dt.datetime(2026, 2, 13, 20, 0, tzinfo=NEW_YORK), D(2026, 2, 17)),  # before a long week-end
    ],
)
def test_the_session_that_rows_of_this_evening_belong_to_has_a_key_already(now: dt.datetime, newest: D) -> None:
    assert END_OFFSET == 2
    assert str(newest) in keys_at(now)


def test_on_a_holiday_the_newest_key_is_a_day_that_has_not_begun() -> None:
    """Why the calendar, and never Dagster, is asked for the session."""
    holiday = dt.datetime(2026, 2, 16, 12, tzinfo=NEW_YORK)
    assert calendar.session_at(holiday) is None
    assert D.fromisoformat(keys_at(holiday)[-1]) > holiday.date()


def test_a_range_of_keys_holds_the_sessions_between() -> None:
    span = SESSIONS.get_partition_keys_in_range(partition_key_range=PartitionKeyRange("2024-07-02", "2024-07-08"))
    assert list(span) == ["2024-07-02", "2024-07-03", "2024-07-05", "2024-07-08"]
