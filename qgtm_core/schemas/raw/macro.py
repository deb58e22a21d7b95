"""Raw tables of economic series and indices."""

from __future__ import annotations

from qgtm_core.schemas.raw.common import DAY, F, S, raw_table, text
from qgtm_core.schemas.spec import Column, Table

TABLES: tuple[Table, ...] = (
    raw_table(
        "macro",
        ("series_id", "event_date"),
        {
            "series_id": text(),
            "event_date": DAY,
            "value": Column(F, "unit of the series", nullable=False, low=-1e6, high=1e9),
            "release_basis": Column(S, "observed, rule or same_day_close"),
            "unit": Column(S, note="as the publisher words it (Millions of U.S. Dollars); null = not stated"),
        },
        "Macro series by FRED id, with release dates",
        "H.15 d+1 17:15 ET; H.10 Monday 17:15 ET; H.4.1 Thursday 17:30 ET; SOFR d+1 08:00 ET; "
        "reverse repo d+1 09:00 ET; VIX and GVZ d+1 10:00 ET; releases at their instant",
    ),
    raw_table(
        "macro_vintages",
        ("series_id", "event_date", "measure"),
        {
            "series_id": text(),
            "event_date": DAY,
            "measure": Column(S, "level or yoy_pct", nullable=False),
            "value": Column(F, "unit of the measure", nullable=False),
        },
        "Competing vintages and first-release figures of revised series",
        "vintage date 08:30 ET",
    ),
    raw_table(
        "gpr_daily",
        ("event_date",),
        {
            "event_date": DAY,
            "gprd": Column(F, "index", low=0),
            "gprd_act": Column(F, "index", low=0),
            "gprd_threat": Column(F, "index", low=0),
        },
        "Daily geopolitical risk index (Caldara and Iacoviello)",
        "next Monday 12:00 ET",
    ),
    raw_table(
        "gpr_monthly",
        ("event_date",),
        {
            "event_date": DAY,
            "gpr": Column(F, "index", low=0),
            "gpr_threat": Column(F, "index", low=0),
            "gpr_act": Column(F, "index", low=0),
        },
        "Monthly geopolitical risk index; event_date is the month's first day",
        "first Monday of the next month 12:00 ET",
    ),
    raw_table(
        "eia_weekly",
        ("series_id", "event_date"),
        {"series_id": text(), "event_date": DAY, "value": Column(F, "thousand barrels", nullable=False, low=0)},
        "Weekly US petroleum stocks (WCESTUS1); event_date is the Friday",
        "Wednesday 10:30 ET + 2 min; Thursday 12:00 ET + 2 min in weeks with a holiday before it",
    ),
)
