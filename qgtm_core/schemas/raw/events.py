"""Raw tables of dates and headlines."""

from __future__ import annotations

from qgtm_core.schemas.raw.common import DAY, F, S, raw_table, text
from qgtm_core.schemas.spec import Column, Table

TABLES: tuple[Table, ...] = (
    raw_table(
        "news",
        ("news_id",),
        {
            "news_id": text(),
            "event_date": DAY,
            "headline": text(),
            "url": text(nullable=True),
            "sentiment": Column(S, "positive, negative, neutral, none or null"),
        },
        "Headlines; text is untrusted",
        "creation instant, or the close of the day where only the day is known",
    ),
    raw_table(
        "event_calendar",
        ("event", "event_at", "stage"),
        {
            "event": text(),
            "category": text(nullable=True),
            "importance": text(nullable=True),
            "stage": Column(S, "schedule or outcome", nullable=False),
            "actual": Column(F, "unit"),
            "forecast": Column(F, "unit"),
            "previous": Column(F, "unit"),
            "unit": text(nullable=True),
        },
        "US releases: the schedule ahead of the event and the outcome at it",
        "schedule 90 days ahead; outcome at the event",
    ),
    raw_table(
        "fomc_meetings",
        ("event_date", "stage"),
        {
            "event_date": DAY,
            "kind": text(nullable=True),
            "stage": Column(S, "schedule or outcome", nullable=False),
            "target_rate_upper_pct": Column(F, "percent"),
        },
        "FOMC decision days: the schedule ahead and the outcome at the statement",
        "schedule on 1 October of the year before; outcome at the statement",
    ),
    raw_table(
        "seasonal_calendar",
        ("event", "event_date"),
        {"event": Column(S, "lunar_new_year, diwali or akshaya_tritiya", nullable=False), "event_date": DAY},
        "Festivals that gold demand precedes; known years ahead",
        "three years ahead",
    ),
)
