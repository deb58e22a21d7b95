"""pit/option_points: three points an expiry, the same whatever else is made with them."""

from __future__ import annotations

import datetime as dt
import functools

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from qgtm_core import calendar
from qgtm_core.maths import surface
from qgtm_core.pit import as_of
from qgtm_core.quarantine import normalise
from qgtm_core.schemas.pit import PIT_TABLES
from tests.core.option_chains import chains, span
from tests.core.pit_frames import complete

SESSIONS = span(dt.date(2022, 3, 1), 6)
DAYS = SESSIONS["session"].to_list()
TABLE = PIT_TABLES["option_points"]


def made(raw: pl.DataFrame) -> pl.DataFrame:
    points, held_back = normalise("option_points", {"option_chain": raw})
    assert held_back.is_empty()
    return TABLE.require_valid(points).sort(TABLE.unique)


def again(rows: pl.DataFrame, sessions: int, revision: int, **columns: pl.Expr) -> pl.DataFrame:
    """The rows as they came some sessions later."""
    days = {day: calendar.decision_time(calendar.offset_session(day, sessions)) for day in DAYS}
    later = pl.col("session").replace_strict(days, return_dtype=rows.schema["available_at"])
    moved = rows.with_columns(available_at=later, revision=pl.lit(revision, pl.Int32), **columns)
    return complete("options", moved.drop("session", "retrieved_at"))


@functools.cache
def untidy() -> pl.DataFrame:
    """Chains of which some quotes came a session late, some were revised, once in the same session."""
    rows = chains(SESSIONS, ("GLD", "SLV")).with_row_index("n")
    late = (pl.col("session") == DAYS[2]) & (pl.col("n") % 3 == 0)
    first, tardy = rows.filter(~late).drop("n"), rows.filter(late).drop("n")
    revised = first.filter(pl.col("session") == DAYS[1])
    return pl.concat(
        [
            first,
            again(tardy, 1, 0),
            again(revised, 3, 1, iv=pl.col("iv") * 1.1),
            again(revised.head(40), 3, 2, iv=pl.col("iv") * 1.2),
        ]
    )


def test_session_by_session_gives_the_rows_of_the_range() -> None:
    rows = untidy()
    alone = [made(rows.filter(pl.col("session") == day)) for day in rows["session"].unique()]
    assert_frame_equal(pl.concat(alone).sort(TABLE.unique), made(rows), check_exact=True)


def test_points_are_those_of_the_quotes_that_came_together() -> None:
    rows = untidy()
    for day in (DAYS[0], DAYS[1], DAYS[4]):
        quotes = as_of(rows.filter(pl.col("session") == day), day, PIT_TABLES["options"].key)
        expected = surface.expiry_points(quotes).with_columns(pl.col(name).fill_nan(None) for name in surface.POINTS)
        found = made(rows).filter(session=day).sort(surface.EXPIRY).select(expected.columns)
        assert_frame_equal(found, expected, check_exact=True, check_dtypes=False)


def test_a_later_delivery_is_a_revision_known_when_its_quotes_were() -> None:
    rows, points = untidy(), made(untidy())
    at = rows.filter(session=DAYS[1])["event_at"][0]
    of_one = points.filter(event_at=at, underlying="GLD", expiry=points.filter(event_at=at)["expiry"].min())
    assert of_one["revision"].to_list() == [0, 3]
    assert of_one["session"].to_list() == [DAYS[1], DAYS[4]]
    assert of_one["available_at"][1] == calendar.decision_time(DAYS[4])
    first, second = of_one["atm"].to_list()
    assert second == pytest.approx(first * 1.1, rel=0.1)


def test_late_quotes_make_points_of_their_own() -> None:
    points = made(untidy())
    at = untidy().filter(session=DAYS[2])["event_at"][0]
    seen = [as_of(points, day, TABLE.key).filter(event_at=at) for day in (DAYS[1], DAYS[2], DAYS[3])]
    assert seen[0].is_empty()
    assert set(seen[1]["session"]) == {DAYS[2]}
    assert set(seen[2]["session"]) == {DAYS[3]}
    whole = chains(SESSIONS, ("GLD", "SLV")).filter(session=DAYS[2]).height
    assert seen[1]["quotes"].sum() + seen[2]["quotes"].sum() == whole


def test_an_expiry_without_a_usable_quote_has_null_points_and_counts() -> None:
    rows = made(chains(SESSIONS.head(1)).with_columns(bid=pl.lit(0.0)))
    assert rows.select(surface.POINTS).null_count().row(0) == (rows.height,) * 3
    assert rows["passed"].sum() == 0
    assert rows["quotes"].min() > 0


def test_a_quote_that_cannot_be_right_is_left_out() -> None:
    rows = chains(SESSIONS.head(1))
    broken = rows.with_columns(delta=pl.when(pl.int_range(pl.len()) < 7).then(2.0).otherwise("delta"))
    points, held_back = normalise("option_points", {"option_chain": broken})
    assert held_back.is_empty()  # they are set aside with the chain
    assert points["quotes"].sum() == rows.height - 7
