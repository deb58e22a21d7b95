"""What a fitted model is: when it is fitted, when it may be used, and the row it is stored as. No mathematics here.

A fit of session T sees what was known at the decision of T and nothing later. It counts as known twelve hours after
that decision, so the next session is the first that can see the row; a model may have to wait longer before use.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import polars as pl

from qgtm_core import calendar
from qgtm_core.pit import point_in_time
from qgtm_core.schemas.pit import PIT_TABLES

KNOWN_AFTER = dt.timedelta(hours=12)  # after the decision whose data a fit has seen
FOUR_WEEKS = 28  # days; the age of a fit stays below 31 days over any holiday
_MONDAY = dt.date(2000, 1, 3)
MODEL_HEALTH = ("model_obs", "model_event_at", "model_available_at")


class Refit(StrEnum):
    """On which sessions a model is fitted."""

    QUARTERLY = "last session of each quarter"
    FOUR_WEEKLY = "first session of every fourth week"


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One model: its refits, what it needs, and how long a fit waits.

    A fit of T is used from `shadow_sessions` sessions after T on, and only when T lies more than `cutoff_days` days
    back. `params` are all numbers that shape the fit.
    """

    model_id: str
    refit: Refit
    min_observations: int
    shadow_sessions: int = 1
    cutoff_days: int = 0
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def params_hash(self) -> str:
        """Short hash of everything that shapes a fit, stored with it."""
        text = json.dumps([self.model_id, self.min_observations, dict(self.params)], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def usable_from(self, fitted: dt.date) -> dt.date:
        """First session that may use the fit of a session."""
        waited = calendar.offset_session(fitted, max(self.shadow_sessions, 1))
        return max(waited, calendar.session_on_or_after(fitted + dt.timedelta(days=self.cutoff_days + 1)))


@dataclass(frozen=True, slots=True)
class Fit:
    """What a training returns: its parameters as text, what it was trained on, and how well it did."""

    payload: str
    observations: int
    trained_to: dt.date
    auc_oos: float | None = None
    log_likelihood: float | None = None


def refit_sessions(spec: ModelSpec, first: dt.date, last: dt.date) -> list[dt.date]:
    """Sessions of fits whose rows belong to the sessions first..last (each the session after the fit)."""
    earlier = calendar.offset_session(first, -1)
    days = calendar.schedule(max(calendar.FIRST_SESSION, calendar.offset_session(first, -30)), last)["session"]
    days = days.append(pl.Series([calendar.offset_session(last, 1)])) if last < calendar.last_known_session() else days
    day, step = pl.col("session"), (pl.col("session") - _MONDAY).dt.total_days() // FOUR_WEEKS
    chosen = {
        Refit.QUARTERLY: day.dt.truncate("1q") != day.shift(-1).dt.truncate("1q"),
        Refit.FOUR_WEEKLY: step != step.shift(1),
    }[spec.refit]
    found = pl.DataFrame({"session": days}).filter(chosen & day.is_between(earlier, calendar.offset_session(last, -1)))
    return found["session"].to_list()


def model_row(spec: ModelSpec, fitted: dt.date, fit: Fit, table: str = "models") -> pl.DataFrame:
    """Return a fit as one row of its PIT table."""
    decided = calendar.decision_time(fitted)
    known = decided + KNOWN_AFTER
    row = pl.DataFrame(
        {
            "model_id": [spec.model_id],
            "event_date": [fitted],
            "trained_to": [fit.trained_to],
            "observations": [fit.observations],
            "payload": [fit.payload],
            "auc_oos": [fit.auc_oos],
            "log_likelihood": [fit.log_likelihood],
            "params_hash": [spec.params_hash],
            "session": [calendar.next_session(fitted)],
            "event_at": [decided],
            "available_at": [known],
            "retrieved_at": [known],
            "revision": [0],
            "source": ["qgtm"],
        },
        schema=PIT_TABLES[table].dtypes,
    )
    return PIT_TABLES[table].require_valid(row)


def newest_usable(models: pl.DataFrame, spec: ModelSpec, sessions: pl.DataFrame) -> pl.DataFrame:
    """Read at each session the newest fit of a model that may be used there.

    Returns `session, event_date, payload, auc_oos` and the health of the model as an input:
    `model_obs` (observations trained on), `model_event_at` (end of what the fit has seen), `model_available_at`
    (decision of the first session that may use it). No row before the first usable fit.
    """
    rows = models.filter(pl.col("model_id") == spec.model_id)
    first = [max(known, spec.usable_from(day)) for known, day in rows.select("session", "event_date").iter_rows()]
    ready = [calendar.decision_time(day) for day in first]
    rows = rows.with_columns(
        session=pl.Series(first, dtype=pl.Date), available_at=pl.Series(ready, dtype=rows.schema["available_at"])
    )

    def compute(view: pl.DataFrame) -> pl.DataFrame:
        return view.sort("event_date").select(
            "session",
            "event_date",
            "model_id",
            "payload",
            "auc_oos",
            model_obs="observations",
            model_event_at="event_at",
            model_available_at="available_at",
        )

    return point_in_time(rows, ("model_id", "event_date"), sessions, compute).drop("model_id")
