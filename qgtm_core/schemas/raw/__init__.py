"""Declarations of the `raw` tables: one a feed, as received, every revision kept.

`event_date` is the calendar day a row is about; instants are in `event_at` and `available_at`.
"""

from __future__ import annotations

from qgtm_core.schemas.raw import events, futures, macro, market, metals
from qgtm_core.schemas.spec import Table

RAW_TABLES: dict[str, Table] = {
    table.name: table for family in (market, macro, futures, metals, events) for table in family.TABLES
}
