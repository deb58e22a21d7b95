"""Walk-forward: a fit sees what was known at its decision, and only what is missing is fitted."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from qgtm_core.models import walk_forward
from qgtm_core.models.spec import refit_sessions
from qgtm_core.models.walk_forward import TRAINERS
from tests.core import pit_frames
from tests.core.models import market

CUT = dt.date(2016, 12, 30)


def test_every_refit_session_with_enough_history_has_a_fit():
    held = market.with_fits()["models"]
    for trainer in market.trainers():
        days = refit_sessions(trainer.spec, dt.date(2016, 6, 1), pit_frames.LAST)
        assert held.filter(model_id=trainer.spec.model_id)["event_date"].to_list() == days


@pytest.mark.parametrize("share", [0.0, 0.004])
def test_history_after_a_fit_and_revisions_of_what_it_has_seen_never_change_it(share):
    tables = market.pit(share)
    known = {name: frame.filter(pl.col("session") <= CUT) for name, frame in tables.items()}
    until = market.fits(known, dt.date(2016, 12, 1), dt.date(2017, 1, 3))
    full = market.fits(tables, dt.date(2016, 12, 1), pit_frames.LAST)
    assert set(until["event_date"]) == {CUT}
    assert until.height == 2
    assert full.filter(event_date=CUT).equals(until)


def test_a_fit_has_seen_no_label_that_was_not_settled():
    rows = market.with_fits()["models"].filter(model_id="ml_ensemble")
    assert (rows["trained_to"] < rows["event_date"]).all()
    assert rows["auc_oos"].is_between(0.2, 0.8).all()
    assert rows["log_likelihood"].null_count() == rows.height


def test_what_is_held_is_not_fitted_again_and_progress_is_told():
    trainer, told = market.trainers()[0], []
    held = set(market.with_fits()["models"].filter(model_id=trainer.spec.model_id)["event_date"].to_list()[:-1])
    found = list(
        walk_forward.fit_missing(
            trainer, market.pit(), dt.date(2016, 6, 1), pit_frames.LAST, held, lambda *a: told.append(a)
        )
    )
    assert [row["event_date"].item() for row in found] == [CUT]
    assert told == [(f"regime_classifier_pm of {CUT}", 1, 1)]


@pytest.mark.parametrize("trainer", TRAINERS, ids=lambda t: t.spec.model_id)
def test_too_little_history_gives_no_fit(trainer):
    tables = market.pit()
    assert not list(walk_forward.fit_missing(trainer, tables, CUT, dt.date(2017, 1, 3), (), lambda *_: None))
