"""Clocks: the wall clock for live work, a still one for a session of history."""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import dataclass

from qgtm_core.calendar import decision_time


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The wall clock, UTC."""

    def now(self) -> dt.datetime:
        """Return the current instant, UTC."""
        return dt.datetime.fromtimestamp(time.time(), dt.UTC)


@dataclass(frozen=True, slots=True)
class SessionClock:
    """Stands still at the decision of one session, so that a replayed session carries its own time."""

    session: dt.date

    def now(self) -> dt.datetime:
        """Return the decision instant of the session, UTC."""
        return decision_time(self.session)
