"""Distances to festivals, counted in sessions from what was known."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import polars as pl
import pytest

from qgtm_core import calendar
from qgtm_core.features.registry import compute_features
from tests.core import pit_frames

YEARS = range(2012, 2024)


def dates(kind: str, month: int, day: int, skip: Sequence[int] = ()) -> dict[str, list[dt.date]]:
    return {kind: [dt.date(year, month, day) for year in YEARS if year not in skip]}


EVERY = {**dates("lunar_new_year", 2, 5), **dates("diwali", 11, 2), **dates("akshaya_tritiya", 4, 28)}


def features(session: dt.date, festivals: pl.DataFrame) -> dict[str, object]:
    (row,) = compute_features("calendar", {"festivals": festivals}, pit_frames.days(session, session)).to_dicts()
    return row


def known(**kinds: Sequence[dt.date]) -> pl.DataFrame:
    return pit_frames.festivals(kinds)


def test_the_day_itself_is_zero_sessions_away_in_both_directions():
    row = features(dt.date(2018, 2, 5), known(lunar_new_year=EVERY["lunar_new_year"]))
    assert (row["sessions_to_lunar_new_year"], row["sessions_since_lunar_new_year"]) == (0, 0)


def test_sessions_are_counted_not_days():
    row = features(dt.date(2018, 1, 10), known(lunar_new_year=[dt.date(2018, 2, 5)]))
    assert row["sessions_to_lunar_new_year"] == 17  # 15 January is a holiday
    assert row["month"] == 1


@pytest.mark.parametrize(("session", "ahead", "behind"), [((2016, 2, 5), 1, None), ((2016, 2, 8), None, 1)])
def test_a_festival_on_a_closed_day_is_one_session_from_both_its_neighbours(session, ahead, behind):
    row = features(dt.date(*session), known(lunar_new_year=[dt.date(2016, 2, 6)]))  # a Saturday
    assert (row["sessions_to_lunar_new_year"], row["sessions_since_lunar_new_year"]) == (ahead, behind)


def test_the_nearest_of_several_dates_counts():
    row = features(dt.date(2018, 2, 15), known(lunar_new_year=EVERY["lunar_new_year"]))
    assert row["sessions_since_lunar_new_year"] == 8
    assert row["sessions_to_lunar_new_year"] == 240  # a year ahead, beyond which distances are not told apart


def test_a_date_beyond_the_calendar_is_simply_far():
    last = calendar.last_known_session()
    row = features(calendar.offset_session(last, -30), known(diwali=[last + dt.timedelta(days=100)]))
    assert row["sessions_to_diwali"] == 240


def test_a_date_not_yet_published_is_not_counted():
    late = pit_frames.festivals({"diwali": [dt.date(2018, 11, 2)]}, ahead_days=20)
    early = pit_frames.festivals({"diwali": [dt.date(2017, 11, 2)]})
    row = features(dt.date(2018, 10, 1), pl.concat([early, late]))
    assert row["sessions_to_diwali"] is None
    assert features(dt.date(2018, 10, 15), pl.concat([early, late]))["sessions_to_diwali"] == 14


def test_a_date_known_twice_counts_once():
    twice = known(diwali=[dt.date(2018, 11, 2)])
    row = features(dt.date(2018, 10, 15), pl.concat([twice, twice.with_columns(revision=pl.lit(1, pl.Int32))]))
    assert row["sessions_to_diwali"] == 14


def test_the_window_is_covered_when_every_festival_is_known_on_both_sides_without_a_gap():
    assert features(dt.date(2018, 6, 1), known(**EVERY))["covered"] is True


@pytest.mark.parametrize(
    "hole",
    [
        dates("diwali", 11, 2, skip=[2018]),
        dates("diwali", 11, 2, skip=range(2019, 2024)),
        dates("diwali", 11, 2, skip=range(2012, 2018)),
        {"diwali": []},
    ],
    ids=["next is missing", "ends too early", "starts too late", "absent"],
)
def test_the_window_is_not_covered_when_a_date_is_missing(hole):
    assert features(dt.date(2018, 6, 1), known(**{**EVERY, **hole}))["covered"] is False
