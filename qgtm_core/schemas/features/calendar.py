"""Feature tables of dates known ahead."""

from __future__ import annotations

import polars as pl

from qgtm_core.schemas.features.common import feature_table
from qgtm_core.schemas.spec import INSTANT, Column, Table

TABLES: tuple[Table, ...] = (
    feature_table(
        "calendar",
        ("session",),
        {
            "month": Column(pl.Int8, nullable=False),
            "covered": Column(pl.Boolean, note="festival dates known from 60 days back to 365 days ahead"),
            "festivals_available_at": Column(INSTANT),
            "sessions_to_lunar_new_year": Column(
                pl.Int32, "sessions", note="until the next one, 0 = today, at most 240"
            ),
            "sessions_since_lunar_new_year": Column(pl.Int32, "sessions", note="since the last one, at most 240"),
            "sessions_to_diwali": Column(pl.Int32, "sessions"),
            "sessions_to_akshaya_tritiya": Column(pl.Int32, "sessions"),
        },
        "Distance in sessions to the festivals that gold demand precedes",
    ),
)
