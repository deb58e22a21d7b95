"""Raw tables of futures and the positions in them."""

from __future__ import annotations

import polars as pl

from qgtm_core.schemas.raw.common import DAY, S, count, raw_table, text, usd
from qgtm_core.schemas.spec import Column, Table

TABLES: tuple[Table, ...] = (
    raw_table(
        "futures",
        ("root", "series", "contract_rank", "contract", "event_date"),
        {
            "root": text(),
            "series": text(),
            "contract_rank": Column(pl.Int32, "1 = front", nullable=False),
            "contract": text(nullable=True),
            "expiry_month": Column(pl.Date),
            "event_date": DAY,
            "open": usd(),
            "high": usd(),
            "low": usd(),
            "close": usd(nullable=False),
            "volume": count(),
            "open_interest": count(),
            "flags": Column(S),
        },
        "Metals futures, continuous fronts and dated contracts (never to be mixed)",
        "20:00 ET",
    ),
    raw_table(
        "futures_margins",
        ("root", "event_date"),
        {
            "root": text(),
            "event_date": DAY,
            "initial_usd": usd(nullable=False),
            "maintenance_usd": usd(nullable=False),
        },
        "Exchange margins a contract, from their effective date",
        "effective date 00:00 ET",
    ),
    raw_table(
        "comex_volume_oi",
        ("root", "event_date", "expiry_month"),
        {
            "root": text(),
            "event_date": DAY,
            "expiry_month": Column(pl.Date, "null = all months"),
            "total_volume": count(),
            "deliveries": count(),
            "open_interest": count(),
            "oi_change": Column(pl.Int64, "contracts"),
        },
        "COMEX volume and open interest by delivery month",
        "d+1 09:00 ET",
    ),
    raw_table(
        "cot",
        ("cftc_code", "report_type", "event_date"),
        {
            "cftc_code": text(),
            "market": text(),
            "report_type": text(),
            "event_date": DAY,
            "release_basis": text(nullable=True),
            "open_interest": count(),
            "managed_money_long": count(),
            "managed_money_short": count(),
            "managed_money_spread": count(),
            "producer_long": count(),
            "producer_short": count(),
            "swap_long": count(),
            "swap_short": count(),
            "swap_spread": count(),
            "other_long": count(),
            "other_short": count(),
            "other_spread": count(),
            "nonreportable_long": count(),
            "nonreportable_short": count(),
            "noncommercial_long": count(),
            "noncommercial_short": count(),
            "commercial_long": count(),
            "commercial_short": count(),
        },
        "CFTC Commitments of Traders; contracts; event_date is the Tuesday",
        "published release + 5 min (Friday 15:30 ET, later on holidays and shutdowns)",
    ),
)
