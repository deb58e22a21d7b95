"""Feature tables of scheduled announcements."""

from __future__ import annotations

import polars as pl

from qgtm_core.schemas.features.common import feature_table, health, measure
from qgtm_core.schemas.spec import INSTANT, Column, Table

KINDS: tuple[str, ...] = ("fomc", "cpi", "nfp")


def _of(kind: str) -> dict[str, Column]:
    return {
        f"{kind}_next": Column(pl.Boolean, note=f"a known {kind} date falls on the next session"),
        f"{kind}_n": measure("events", f"past {kind} dates scheduled ahead, with a one-session return of GLD", low=0),
        f"{kind}_mean": measure("decimal", "mean return from the close before the event to the close of its session"),
        f"{kind}_sd": measure("decimal", "sample standard deviation of those returns", low=0),
    }


TABLES: tuple[Table, ...] = (
    feature_table(
        "events",
        ("session",),
        {
            **health("gld_"),
            "covered": Column(pl.Boolean, note="dates of every kind are known 35 days ahead and none is missing"),
            "schedule_available_at": Column(INSTANT, note="when the newest date was known; null = a kind has none"),
            **{name: column for kind in KINDS for name, column in _of(kind).items()},
        },
        "Scheduled announcements of the next session and gold's returns over earlier ones",
    ),
)
