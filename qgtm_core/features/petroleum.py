"""features/petroleum: the surprise in weekly crude stocks, without a consensus: against the same week of five years."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import numpy as np
import polars as pl

from qgtm_core import calendar
from qgtm_core.features.common import HEALTH, MACRO_KEY, STAMPS, with_prefix
from qgtm_core.features.known import macro_rows
from qgtm_core.features.spec import Feature
from qgtm_core.maths import statistics as stats
from qgtm_core.maths.expectation import same_season_mean
from qgtm_core.pit import point_in_time

SERIES = "WCESTUS1"
YEARS_BACK = 5
WEEKS = 260  # earlier surprises
WEEK = dt.timedelta(days=7)


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a session from the first known report on."""
    reports = macro_rows(pit, SERIES)
    rows = point_in_time(reports, MACRO_KEY, sessions, surprises).drop("series_id")
    # a figure that is revised later is no new report
    released = reports.group_by("event_date").agg(_released=pl.col("session").min())
    rows = rows.join(released, on="event_date", how="left", maintain_order="left")
    place = calendar.schedule().select(_day="session", _place=pl.int_range(0, pl.len(), dtype=pl.Int32))
    for day, name in (("session", "_now"), ("_released", "_then")):
        rows = rows.join(
            place.rename({"_place": name}), left_on=day, right_on="_day", how="left", maintain_order="left"
        )
    return with_prefix(rows.with_columns(crude_age=pl.col("_now") - pl.col("_then")), "crude")


def surprises(view: pl.DataFrame) -> pl.DataFrame:
    """Change, expectation and surprise of each week; a change over a missing week is null."""
    rows = view.filter(pl.col("value").is_finite()).sort("event_date")
    day, change = pl.col("event_date"), pl.col("value").diff()
    rows = rows.with_columns(
        pl.int_range(1, pl.len() + 1, dtype=pl.Int32).alias(HEALTH[0]),
        crude_change=pl.when(day.diff() == WEEK).then(change),
        _year=day.dt.iso_year().cast(pl.Int64),
        _week=day.dt.week().cast(pl.Int64) - 1,
    )
    changes = rows["crude_change"].fill_null(np.nan).to_numpy()
    usual, known = same_season_mean(changes, rows["_year"].to_numpy(), rows["_week"].to_numpy(), YEARS_BACK)
    surprise = pl.col("_surprise")
    enough = pl.col("_years") >= stats.filled(YEARS_BACK)
    rows = rows.with_columns(
        pl.Series("_surprise", changes - usual).fill_nan(None),
        pl.Series("_usual", usual).fill_nan(None),
        pl.Series("_years", known),
    )
    return rows.select(
        *STAMPS,
        "series_id",
        HEALTH[0],
        "crude_change",
        "event_date",
        crude_expected=pl.when(enough).then("_usual"),
        crude_surprise=pl.when(enough).then(surprise / stats.rolling_sd(surprise, WEEKS).shift(1)),
    )


FEATURES = (Feature("petroleum", ("macro",), compute),)
