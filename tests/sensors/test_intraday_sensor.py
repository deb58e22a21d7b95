"""When a tick is requested: in live work, inside its two minutes, once; and never while the gate is closed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import dagster as dg
import pytest

from qgtm_assets.intraday import TICK_TAG
from qgtm_core import calendar
from qgtm_core.types import KillTier
from qgtm_resources.resources import DeskResource, LedgerResource
from qgtm_sensors.intraday import due, intraday_sensor
from tests.installation import LAST, Installation

HALF_DAY = dt.date(2024, 7, 3)


@pytest.fixture
def desk(new_house: Callable[..., Installation]) -> Installation:
    """A book without any market data: the sensor asks the clock and the gate."""
    found = new_house(history=None)
    found.ledger.open_book(found.book, found.desk().cash_usd, found.desk().feed_label)
    return found


def at(day: dt.date, hour: int, minute: int, second: int = 0) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(hour, minute, second), calendar.NEW_YORK)


def answer(house: Installation, now: dt.datetime, mode: str = "live") -> dg.RunRequest | dg.SkipReason:
    desk = DeskResource(book=house.book, feed_label="live", mode=mode)
    return due(now, desk, LedgerResource(url=house.ledger_url))


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (at(LAST, 9, 35, 4), "no tick of a session yet"),
        (at(LAST, 16, 0), "no tick of a session yet, or none any more"),
        (at(LAST, 15, 50), "the tick of 15:45:05 New York is over"),
        (at(LAST, 12, 2, 6), "the tick of 12:00:05 New York is over"),
        (at(HALF_DAY, 12, 48), "the tick of 12:45:05 New York is over"),
        (at(HALF_DAY, 13, 0), "none any more"),
        (at(dt.date(2024, 7, 4), 12, 0, 6), "no tick of a session"),
    ],
)
def test_outside_its_minutes_it_says_why_not(desk: Installation, now: dt.datetime, words: str) -> None:
    found = answer(desk, now)
    assert isinstance(found, dg.SkipReason)
    assert words in (found.skip_message or "")


@pytest.mark.parametrize("second", [5, 30, 59])
def test_a_tick_is_requested_once_under_its_instant(desk: Installation, second: int) -> None:
    found = answer(desk, at(LAST, 12, 0, second))
    tick = at(LAST, 12, 0, 5).astimezone(dt.UTC).isoformat()
    assert isinstance(found, dg.RunRequest)
    assert (found.run_key, found.partition_key, found.tags[TICK_TAG]) == (f"intraday:{tick}", str(LAST), tick)


def test_history_has_no_clock_to_follow(desk: Installation) -> None:
    found = answer(desk, at(LAST, 12, 0, 6), mode="simulated")
    assert isinstance(found, dg.SkipReason)


def test_a_closed_gate_requests_nothing(desk: Installation) -> None:
    desk.ledger.raise_tier(desk.book, KillTier.NO_NEW, "a test said so", LAST, at(LAST, 11, 0), "test")
    found = answer(desk, at(LAST, 12, 0, 6))
    assert isinstance(found, dg.SkipReason)
    assert found.skip_message == "kill switch at NO_NEW: a test said so"


def test_it_is_off_until_someone_switches_it_on() -> None:
    assert intraday_sensor.default_status is dg.DefaultSensorStatus.STOPPED
    assert intraday_sensor.job_name == "intraday"
