"""Feature tables of the dates that move gold and of what options expect of them."""

from __future__ import annotations

import polars as pl

from qgtm_core.schemas.features.common import feature_table, health, measure
from qgtm_core.schemas.spec import INSTANT, Column, Table

_SESSIONS = Column(pl.Int32, "sessions", note="until the next known one, after the decision; null = none is known")

TABLES: tuple[Table, ...] = (
    feature_table(
        "event_risk",
        ("session",),
        {
            "covered": Column(pl.Boolean, note="dates of FOMC, CPI and NFP are known 35 days ahead"),
            "events_available_at": Column(INSTANT, note="when the newest known date became known"),
            "sessions_to_fomc": _SESSIONS,
            "sessions_to_cpi": _SESSIONS,
            "sessions_to_nfp": _SESSIONS,
            "sessions_to_event": Column(pl.Int32, "sessions", note="until the nearest of the three"),
            "event": Column(pl.String, note="which one: fomc, cpi or nfp; on one day the first of this list"),
            **health("moves_"),
            "event_move": measure("decimal", "mean absolute log return of GLD in past sessions of that event"),
            **health("chain_"),
            "event_iv": measure("annual", "at the money, first GLD expiry after the event"),
            "event_iv_sessions": Column(pl.Int32, "sessions", note="from the decision to that expiry, inclusive"),
            "event_base_iv": measure("annual", "at the money, last expiry before the event, else 90 days"),
        },
        "Distance to scheduled events, what they moved gold by and what options expect",
    ),
)
