"""When a rebalance is requested: inside its window in live work, once a session on history, and never late."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import dagster as dg
import pytest

from qgtm_core import calendar
from qgtm_jobs.schedules import CRON, SCHEDULES, known_session, parity_schedule
from qgtm_resources.resources import DeskResource, WarehouseResource
from qgtm_sensors.rebalance import due, rebalance_sensor
from tests.installation import LAST, Installation

NY = calendar.NEW_YORK
HALF_DAY = dt.date(2024, 7, 3)


def at(day: dt.date, hour: int, minute: int, second: int = 0) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(hour, minute, second), NY)


def live_desk(house: Installation) -> DeskResource:
    return DeskResource(book=house.book, feed_label="live", mode="live")


def answer(house: Installation, now: dt.datetime, warehouse: WarehouseResource | None = None) -> object:
    return due(now, live_desk(house), house.feed, warehouse or house.warehouse)


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (at(LAST, 9, 0), f"the window of {LAST} opens at 15:30 New York"),
        (at(LAST, 15, 29, 59), "opens at 15:30"),
        (at(LAST, 15, 40, 1), "a late rebalance is worse than none"),
        (at(LAST, 23, 0), "a late rebalance is worse than none"),
        (at(HALF_DAY, 12, 29), f"the window of {HALF_DAY} opens at 12:30 New York"),
        (at(HALF_DAY, 15, 30), "a late rebalance is worse than none"),
        (at(dt.date(2024, 7, 4), 15, 30), "no session today"),
        (at(dt.date(2024, 6, 29), 15, 30), "no session today"),
    ],
)
def test_outside_the_window_it_says_why_not(house: Installation, now: dt.datetime, words: str) -> None:
    found = answer(house, now)
    assert isinstance(found, dg.SkipReason)
    assert words in (found.skip_message or "")


@pytest.mark.parametrize("now", [at(LAST, 15, 30), at(LAST, 15, 35), at(LAST, 15, 40)])
def test_inside_the_window_the_session_is_requested_under_one_key(house: Installation, now: dt.datetime) -> None:
    found = answer(house, now.astimezone(dt.UTC))
    assert isinstance(found, dg.RunRequest)
    assert (found.job_name, found.partition_key) == ("rebalance", str(LAST))
    assert found.run_key == f"rebalance:{LAST}:1"


def test_inside_the_window_without_features_it_says_what_is_missing(house: Installation) -> None:
    found = answer(house, at(HALF_DAY, 12, 31))
    assert isinstance(found, dg.SkipReason)
    assert found.skip_message == f"features/prices holds nothing for {HALF_DAY}: ingest first"


def test_on_history_it_first_asks_for_the_data_and_then_for_the_rebalance(
    new_house: Callable[..., Installation],
) -> None:
    any_time = at(dt.date(2026, 1, 1), 3, 0)
    bare = new_house(history=None)
    first = due(any_time, bare.desk(), bare.feed, bare.warehouse)
    assert isinstance(first, dg.RunRequest)
    assert (first.job_name, first.run_key) == ("ingest", f"ingest:{LAST}:1")
    full = new_house()
    second = due(any_time, full.desk(), full.feed, full.warehouse)
    assert isinstance(second, dg.RunRequest)
    assert (second.job_name, second.run_key) == ("rebalance", f"rebalance:{LAST}:1")


def test_the_sensor_itself_asks_the_clock_and_the_warehouse(house: Installation) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(
            instance=instance, resources={"desk": house.desk(), "feed": house.feed, "warehouse": house.warehouse}
        )
        found = rebalance_sensor(context)
    assert isinstance(found, dg.RunRequest)
    assert found.partition_key == str(LAST)


# Which session a fetched row belongs to


@pytest.mark.parametrize(
    ("now", "session"),
    [
        (at(dt.date(2024, 6, 27), 9, 0), dt.date(2024, 6, 27)),
        (at(dt.date(2024, 6, 27), 15, 30), dt.date(2024, 6, 27)),
        (at(dt.date(2024, 6, 27), 15, 31), dt.date(2024, 6, 28)),
        (at(dt.date(2024, 6, 28), 16, 20), dt.date(2024, 7, 1)),  # Friday evening
        (at(dt.date(2024, 6, 29), 12, 0), dt.date(2024, 7, 1)),
        (at(HALF_DAY, 12, 31), dt.date(2024, 7, 5)),  # after the decision of a half-day, before a holiday
        (at(dt.date(2024, 7, 4), 16, 20), dt.date(2024, 7, 5)),
    ],
)
def test_a_row_known_now_belongs_to_the_first_session_that_can_still_decide(now: dt.datetime, session: dt.date) -> None:
    assert known_session(now) == session == known_session(now.astimezone(dt.UTC))


def test_a_schedule_fetches_for_the_session_its_rows_will_belong_to(house: Installation) -> None:
    repository = house.definitions()["live"].get_repository_def()
    schedule = next(each for each in SCHEDULES if each.name == "ingest_bars_daily_schedule")
    friday = at(dt.date(2024, 6, 28), 16, 20)
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(
            instance=instance, scheduled_execution_time=friday, repository_def=repository
        )
        (request,) = schedule.evaluate_tick(context).run_requests or ()
    assert request.partition_key == "2024-07-01"
    assert request.run_key == f"ingest_bars_daily:{friday.isoformat()}"


def test_every_feed_has_a_schedule_in_new_york_time() -> None:
    assert {each.name for each in SCHEDULES} == {*(f"ingest_{feed}_schedule" for feed in CRON), "parity_schedule"}
    assert {each.execution_timezone for each in SCHEDULES} == {"America/New_York"}


@pytest.mark.parametrize(
    ("now", "sessions"), [(at(HALF_DAY, 18, 30), [str(HALF_DAY)]), (at(dt.date(2024, 7, 4), 18, 30), [])]
)
def test_parity_is_asked_for_on_the_evening_of_a_session(
    house: Installation, now: dt.datetime, sessions: list[str]
) -> None:
    repository = house.definitions()["live"].get_repository_def()
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(instance=instance, scheduled_execution_time=now, repository_def=repository)
        requests = parity_schedule.evaluate_tick(context).run_requests or ()
    assert [request.partition_key for request in requests] == sessions
