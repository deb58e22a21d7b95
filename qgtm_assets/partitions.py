"""The one partition set of the graph. Which session it is, is never asked here: `qgtm_core.calendar` knows."""

from __future__ import annotations

import datetime as dt
import warnings

import dagster as dg

from qgtm_core import calendar

# Backfill policies and partition exclusions are marked beta; tests hold the behaviour we rely on.
warnings.filterwarnings("ignore", category=dg.BetaWarning)

# A row published this evening belongs to tomorrow's session, so tomorrow's key must exist today.
END_OFFSET = 2


def _exclusions() -> list[dt.datetime]:
    days = calendar.holidays(calendar.FIRST_SESSION, calendar.last_known_session())
    return [dt.datetime.combine(day, dt.time(), calendar.NEW_YORK) for day in days]


SESSIONS = dg.TimeWindowPartitionsDefinition(
    start=calendar.FIRST_SESSION.isoformat(),
    cron_schedule="0 0 * * 1-5",
    fmt="%Y-%m-%d",
    timezone="America/New_York",
    end_offset=END_OFFSET,
    exclusions=_exclusions(),
)


def session_span(context: dg.AssetExecutionContext) -> tuple[dt.date, dt.date]:
    """First and last session this run was asked for."""
    keys = context.partition_key_range
    return dt.date.fromisoformat(keys.start), dt.date.fromisoformat(keys.end)
