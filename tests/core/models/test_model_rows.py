"""When models are fitted, from when they are used, and how they are stored."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import polars as pl
import pytest

from qgtm_core import calendar
from qgtm_core.models import ensemble, regime
from qgtm_core.models.spec import Fit, ModelSpec, Refit, model_row, newest_usable, refit_sessions
from qgtm_core.schemas.pit import PIT_SOURCES, PIT_TABLES

MONTHLY = ModelSpec("toy", Refit.FOUR_WEEKLY, 10)
QUARTERS = [dt.date(2019, 3, 29), dt.date(2019, 6, 28), dt.date(2019, 9, 30), dt.date(2019, 12, 31)]


def fit(trained_to: dt.date) -> Fit:
    return Fit("{}", 100, trained_to)


def sessions(first: dt.date, last: dt.date) -> pl.DataFrame:
    return calendar.schedule(first, last).select("session")


def test_quarterly_models_are_fitted_on_the_last_session_of_each_quarter():
    assert refit_sessions(regime.SPEC, dt.date(2019, 1, 2), dt.date(2020, 1, 2)) == [dt.date(2018, 12, 31), *QUARTERS]


@pytest.mark.parametrize("day", [dt.date(2019, 6, 27), dt.date(2019, 6, 28), dt.date(2019, 7, 1), dt.date(2019, 7, 2)])
def test_a_row_belongs_to_the_session_after_the_fit_whatever_the_range_asked_for(day):
    found = refit_sessions(regime.SPEC, day, day)
    assert found == ([dt.date(2019, 6, 28)] if day == dt.date(2019, 7, 1) else [])


def test_a_four_weekly_fit_is_never_31_days_old_when_the_next_one_is_known():
    days = refit_sessions(MONTHLY, dt.date(2001, 1, 2), dt.date(2024, 12, 31))
    known = [calendar.next_session(day) for day in days]
    made = [model_row(MONTHLY, day, fit(day))["available_at"].item() for day in days]
    oldest = max(
        calendar.decision_time(calendar.previous_session(later)) - at
        for later, at in zip(known[1:], made[:-1], strict=True)
    )
    assert oldest < dt.timedelta(days=31)


def test_a_regime_fit_waits_thirty_sessions():
    assert calendar.sessions_since(QUARTERS[0], regime.SPEC.usable_from(QUARTERS[0])) == 30


def test_an_ensemble_fit_waits_until_its_cutoff_is_more_than_26_days_back():
    first = ensemble.SPEC.usable_from(QUARTERS[0])
    wait = dt.timedelta(days=26)
    assert calendar.decision_time(first) - wait > calendar.decision_time(QUARTERS[0])
    assert calendar.decision_time(calendar.previous_session(first)) - wait <= calendar.decision_time(QUARTERS[0])


def test_the_newest_fit_that_may_be_used_is_read_and_a_late_refit_of_an_old_quarter_replaces_no_newer_one():
    rows = [model_row(regime.SPEC, day, replace(fit(day), payload=str(day))) for day in QUARTERS]
    late = rows[0].with_columns(
        payload=pl.lit("again"), revision=pl.lit(1, pl.Int32), session=pl.lit(dt.date(2019, 10, 15)),
        available_at=pl.lit(calendar.decision_time(dt.date(2019, 10, 14))).cast(rows[0].schema["available_at"]),
    )  # fmt: skip
    models = pl.concat([*rows, late])
    days = sessions(dt.date(2019, 3, 1), dt.date(2020, 3, 31))
    read = newest_usable(models, regime.SPEC, days)
    for day, payload, known in read.select("session", "payload", "model_available_at").iter_rows():
        usable = [q for q in QUARTERS if regime.SPEC.usable_from(q) <= day]
        assert payload == str(usable[-1])
        assert known <= calendar.decision_time(day)
    assert read["session"][0] == regime.SPEC.usable_from(QUARTERS[0])
    for i in (0, 50, 150):
        alone = newest_usable(models.filter(pl.col("session") <= read["session"][i]), regime.SPEC, read[i][["session"]])
        assert alone.equals(read[i])


def test_without_fits_nothing_is_read():
    assert newest_usable(PIT_TABLES["models"].empty(), regime.SPEC, sessions(*QUARTERS[:2])).is_empty()


def test_a_row_is_known_after_the_decision_it_has_seen_and_has_no_raw_source():
    row = model_row(regime.SPEC, QUARTERS[0], fit(QUARTERS[0]))
    PIT_TABLES["models"].require_valid(row)
    assert row["session"].item() == calendar.next_session(QUARTERS[0])
    assert row["available_at"].item() > calendar.decision_time(QUARTERS[0])
    assert PIT_SOURCES["models"] == ()


def test_the_hash_follows_the_parameters():
    assert regime.SPEC.params_hash != replace(regime.SPEC, params={**regime.SPEC.params, "seed": 61}).params_hash
