"""Point-in-time reading: views never hold the future, and segments reproduce history as it was known."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as hyp
from polars.testing import assert_frame_equal

from qgtm_core import calendar, pit
from qgtm_core.schemas.pit import PIT_TABLES
from tests.core import pit_frames

KEY = ("series_id", "event_date")
DAYS = calendar.schedule(dt.date(2020, 3, 2), dt.date(2020, 3, 31)).select("session", "decided_at")
SESSIONS = DAYS["session"].to_list()


def series(*rows: tuple[str, int, int, int, float]) -> pl.DataFrame:
    """Rows of (series, event day of March, session known, revision, value); known at the session's noon."""
    frame = pl.DataFrame(
        {
            "series_id": [r[0] for r in rows],
            "event_date": [dt.date(2020, 3, r[1]) for r in rows],
            "event_at": [dt.datetime(2020, 3, r[1], tzinfo=dt.UTC) for r in rows],
            "available_at": [calendar.open_at(SESSIONS[r[2]]) for r in rows],
            "revision": [r[3] for r in rows],
            "value": [r[4] for r in rows],
        }
    )
    return pit_frames.complete("macro", frame)


REVISED = series(
    ("A", 2, 1, 0, 1.0),
    ("A", 3, 2, 0, 2.0),
    ("A", 2, 4, 1, 1.5),  # the first value is corrected in session 4
    ("A", 4, 5, 0, 3.0),
    ("B", 2, 1, 0, 9.0),
)


def test_an_as_of_read_takes_the_newest_revision_known():
    before = pit.as_of(REVISED, SESSIONS[3], KEY).filter(series_id="A").sort("event_date")["value"].to_list()
    after = pit.as_of(REVISED, SESSIONS[4], KEY).filter(series_id="A").sort("event_date")["value"].to_list()
    assert (before, after) == ([1.0, 2.0], [1.5, 2.0])


def test_an_instant_and_its_session_read_the_same_rows():
    for session in SESSIONS[:8]:
        assert_frame_equal(pit.as_of(REVISED, session, KEY), pit.as_of(REVISED, calendar.decision_time(session), KEY))


def test_of_two_copies_of_a_key_the_later_known_one_wins():
    rows = series(("A", 2, 3, 0, 1.0), ("A", 2, 1, 1000, 2.0))
    assert pit.as_of(rows, SESSIONS[4], KEY)["value"].to_list() == [1.0]


@given(minute=hyp.integers(0, 30 * 24 * 60))
@settings(max_examples=50)
def test_no_method_of_a_view_returns_a_row_from_after_the_decision(minute):
    decided = dt.datetime(2020, 3, 1, tzinfo=dt.UTC) + dt.timedelta(minutes=minute)
    view = pit.AsOfView({"macro": REVISED}, decided)
    for rows in (
        view.table("macro"),
        view.vintages("macro"),
        view.newest("macro"),
        view.newest("macro", ["series_id"]),
    ):
        assert (rows["available_at"] <= decided).all()


def test_a_view_names_its_tables_and_gives_the_newest_row_of_each_group():
    view = pit.AsOfView({"macro": REVISED}, calendar.decision_time(SESSIONS[6]))
    newest = view.newest("macro", ["series_id"]).sort("series_id")
    assert view.names == ("macro",)
    assert newest["value"].to_list() == [3.0, 9.0]
    assert view.newest("macro")["value"].to_list() == [3.0]
    assert view.vintages("macro").height == 5


def test_history_without_revisions_is_one_segment():
    rows = REVISED.filter(pl.col("revision") == 0)
    assert [part.height for part, _ in pit.segments(rows, KEY, DAYS)] == [DAYS.height]


def test_a_revision_starts_a_segment_at_the_session_that_learns_of_it():
    parts = list(pit.segments(REVISED, KEY, DAYS))
    assert [part["session"][0] for part, _ in parts] == [SESSIONS[0], SESSIONS[4]]
    assert 1.0 in parts[0][1]["value"]
    assert 1.0 not in parts[1][1]["value"]


def test_a_value_that_fills_an_earlier_gap_starts_a_segment():
    rows = series(("A", 2, 1, 0, 1.0), ("A", 6, 3, 0, 2.0), ("A", 4, 5, 0, 3.0))
    assert [part["session"][0] for part, _ in pit.segments(rows, KEY, DAYS)] == [SESSIONS[0], SESSIONS[5]]


def test_a_correction_known_together_with_its_first_value_does_not_split_history():
    rows = series(("A", 2, 1, 0, 1.0), ("A", 2, 1, 1, 2.0), ("A", 3, 2, 0, 3.0))
    ((_, view),) = pit.segments(rows, KEY, DAYS)
    assert sorted(view["value"]) == [2.0, 3.0]


def test_no_sessions_give_no_segments():
    assert list(pit.segments(REVISED, KEY, DAYS.clear())) == []


def running_mean(view: pl.DataFrame) -> pl.DataFrame:
    rows = view.sort(KEY)
    mean = (pl.col("value").cum_sum() / pl.col("value").cum_count()).over("series_id")
    return rows.select("session", "series_id", "event_at", "available_at", mean=mean)


def by_hand(rows: pl.DataFrame, sessions: list[dt.date]) -> list[tuple[dt.date, str, float]]:
    """At each session, from scratch: the mean of every value known then, by series."""
    out = []
    for session in sessions:
        known = pit.as_of(rows, session, KEY)
        out += [
            (session, name, group.sort("event_date")["value"].mean()) for (name,), group in known.group_by("series_id")
        ]
    return sorted(out)


observation = hyp.tuples(hyp.sampled_from("AB"), hyp.integers(2, 20), hyp.integers(0, 20), hyp.floats(-9, 9))


@settings(max_examples=60)
@given(hyp.lists(observation, min_size=1, max_size=40), hyp.integers(0, 10))
def test_a_whole_column_computation_equals_one_made_afresh_at_each_session(drawn, start):
    drawn.sort(key=lambda r: r[2])
    count: dict[tuple[str, int], int] = {}
    rows = []
    for name, day, session, value in drawn:
        revision = count.get((name, day), 0)
        count[name, day] = revision + 1
        rows.append((name, day, session, revision, value))
    frame = series(*rows)
    asked = DAYS.slice(start)
    got = pit.point_in_time(frame, KEY, asked, running_mean).sort("session", "series_id")
    want = by_hand(frame, asked["session"].to_list())
    assert got.select("session", "series_id").rows() == [(s, n) for s, n, _ in want]
    assert got["mean"].to_list() == pytest.approx([m for _, _, m in want], abs=1e-9)


def test_groups_computed_together_are_split_where_any_of_them_is_revised():
    def total(view: pl.DataFrame) -> pl.DataFrame:
        rows = view.sort("event_date", "series_id")
        return rows.select("session", "event_at", "available_at", total=pl.col("value").sum())

    got = pit.point_in_time(REVISED.filter(pl.col("event_date") < dt.date(2020, 3, 4)), KEY, DAYS, total, together=True)
    assert dict(got.select("session", "total").iter_rows())[SESSIONS[3]] == 12.0
    assert dict(got.select("session", "total").iter_rows())[SESSIONS[4]] == 12.5


def test_asking_for_no_session_keeps_the_columns():
    got = pit.point_in_time(REVISED, KEY, DAYS.clear(), running_mean)
    assert got.is_empty()
    assert got.columns == ["session", "series_id", "event_at", "available_at", "mean"]


def test_rows_known_only_after_the_calendar_ends_are_never_read():
    rows = REVISED.with_columns(session=pl.lit(None, pl.Date))
    assert pit.point_in_time(rows, KEY, DAYS, running_mean).is_empty()


def test_every_pit_table_can_be_viewed_when_empty():
    view = pit.AsOfView(
        {name: table.empty() for name, table in PIT_TABLES.items()}, calendar.decision_time(SESSIONS[0])
    )
    assert all(view.table(name).is_empty() and view.newest(name).is_empty() for name in view.names)
