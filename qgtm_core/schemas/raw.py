"""Declarations of the `raw` tables: one a feed, as received, every revision kept.

`event_date` is the calendar day a row is about; instants are in `event_at` and `available_at`.
"""

from __future__ import annotations

import polars as pl

from qgtm_core.schemas.spec import Column, Table

_F = pl.Float64
_I = pl.Int64
_S = pl.String


def _usd(*, nullable: bool = True, low: float = 0.0001) -> Column:
    return Column(_F, "USD", nullable, low=low, high=1e8)  # reverse splits adjusted backwards reach 1e7


def _count(unit: str = "contracts", *, nullable: bool = True) -> Column:
    return Column(_I, unit, nullable, low=0)


def _text(*, nullable: bool = False) -> Column:
    return Column(_S, nullable=nullable)


_DAY = Column(pl.Date, "calendar day", nullable=False)


def _raw(
    name: str,
    key: tuple[str, ...],
    columns: dict[str, Column],
    description: str,
    publication: str,
    first_delivery_sessions: int | None = None,
) -> Table:
    return Table(
        "raw",
        name,
        key,
        columns,
        description,
        versioned=True,
        publication=publication,
        first_delivery_sessions=first_delivery_sessions,
    )


RAW_TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        _raw(
            "bars_daily",
            ("symbol", "event_date"),
            {
                "symbol": _text(),
                "event_date": _DAY,
                "open": _usd(),
                "high": _usd(),
                "low": _usd(),
                "close": _usd(nullable=False),
                "adj_close": _usd(nullable=False),
                "volume": _count("shares"),
                "volume_scope": Column(_S, note="consolidated, iex or null; never mix the two"),
                "flags": Column(_S, note="comma-separated remarks of the source"),
            },
            "Daily bars; close on the split basis, adj_close on the total-return basis",
            "session close + 15 min",
        ),
        _raw(
            "bars_intraday",
            ("symbol", "interval", "event_at"),
            {
                "symbol": _text(),
                "interval": Column(_S, "1m, 5m, 15m, 60m", nullable=False),
                "open": _usd(nullable=False),
                "high": _usd(nullable=False),
                "low": _usd(nullable=False),
                "close": _usd(nullable=False),
                "volume": Column(_F, "shares or ticks", low=0),
                "vwap": _usd(),
            },
            "Intraday bars; event_at is the bar's start",
            "bar end + 5 s",
            first_delivery_sessions=60,  # millions of bars: older ones are backfilled when wanted
        ),
        _raw(
            "decision_quotes",
            ("symbol", "event_date"),
            {
                "symbol": _text(),
                "event_date": _DAY,
                "bid": _usd(nullable=False),
                "ask": _usd(nullable=False),
                "basis": Column(_S, "quote, intraday_bar or previous_close", nullable=False),
            },
            "Best price known at the decision, for sizing; event_at says how old it is",
            "the decision itself; never a price from after it",
        ),
        _raw(
            "macro",
            ("series_id", "event_date"),
            {
                "series_id": _text(),
                "event_date": _DAY,
                "value": Column(_F, "unit of the series", nullable=False, low=-1e6, high=1e9),
                "release_basis": Column(_S, "observed, rule or same_day_close"),
            },
            "Macro series by FRED id, with release dates",
            "H.15 d+1 17:15 ET; H.10 Monday 17:15 ET; VIX and GVZ d+1 10:00 ET; releases at their instant",
        ),
        _raw(
            "macro_vintages",
            ("series_id", "event_date", "measure"),
            {
                "series_id": _text(),
                "event_date": _DAY,
                "measure": Column(_S, "level or yoy_pct", nullable=False),
                "value": Column(_F, "unit of the measure", nullable=False),
            },
            "Competing vintages and first-release figures of revised series",
            "vintage date 08:30 ET",
        ),
        _raw(
            "cot",
            ("cftc_code", "report_type", "event_date"),
            {
                "cftc_code": _text(),
                "market": _text(),
                "report_type": _text(),
                "event_date": _DAY,
                "release_basis": _text(nullable=True),
                "open_interest": _count(),
                "managed_money_long": _count(),
                "managed_money_short": _count(),
                "managed_money_spread": _count(),
                "producer_long": _count(),
                "producer_short": _count(),
                "swap_long": _count(),
                "swap_short": _count(),
                "swap_spread": _count(),
                "other_long": _count(),
                "other_short": _count(),
                "other_spread": _count(),
                "nonreportable_long": _count(),
                "nonreportable_short": _count(),
                "noncommercial_long": _count(),
                "noncommercial_short": _count(),
                "commercial_long": _count(),
                "commercial_short": _count(),
            },
            "CFTC Commitments of Traders; contracts; event_date is the Tuesday",
            "published release + 5 min (Friday 15:30 ET, later on holidays and shutdowns)",
        ),
        _raw(
            "lbma_fix",
            ("metal", "fix", "event_date"),
            {
                "metal": _text(),
                "fix": Column(_S, "AM, PM or DAY", nullable=False),
                "event_date": _DAY,
                "usd_per_oz": _usd(nullable=False),
            },
            "London auction prices",
            "00:05 London on the next day",
        ),
        _raw(
            "futures",
            ("root", "series", "contract_rank", "contract", "event_date"),
            {
                "root": _text(),
                "series": _text(),
                "contract_rank": Column(pl.Int32, "1 = front", nullable=False),
                "contract": _text(nullable=True),
                "expiry_month": Column(pl.Date),
                "event_date": _DAY,
                "open": _usd(),
                "high": _usd(),
                "low": _usd(),
                "close": _usd(nullable=False),
                "volume": _count(),
                "open_interest": _count(),
                "flags": Column(_S),
            },
            "Metals futures, continuous fronts and dated contracts (never to be mixed)",
            "20:00 ET",
        ),
        _raw(
            "futures_margins",
            ("root", "event_date"),
            {
                "root": _text(),
                "event_date": _DAY,
                "initial_usd": _usd(nullable=False),
                "maintenance_usd": _usd(nullable=False),
            },
            "Exchange margins a contract, from their effective date",
            "effective date 00:00 ET",
        ),
        _raw(
            "etf_holdings",
            ("symbol", "event_date"),
            {
                "symbol": _text(),
                "event_date": _DAY,
                "nav_usd": _usd(),
                "premium_pct": Column(_F, "percent", low=-20, high=20),
                "oz_per_share": Column(_F, "troy oz", low=0),
                "ounces": Column(_F, "troy oz", low=0),
                "tonnes": Column(_F, "tonnes", low=0),
                "net_assets_usd": Column(_F, "USD", low=0),
                "shares_outstanding": Column(_F, "shares", low=0),
            },
            "Metal held by exchange-traded trusts",
            "d+1 09:00 ET",
        ),
        _raw(
            "comex_stocks",
            ("metal", "event_date", "depository", "category"),
            {
                "metal": _text(),
                "event_date": _DAY,
                "report_date": Column(pl.Date, nullable=False),
                "depository": _text(),
                "category": _text(),
                "received_oz": Column(_F, "troy oz"),
                "withdrawn_oz": Column(_F, "troy oz"),
                "total_oz": Column(_F, "troy oz", nullable=False, low=0),
            },
            "COMEX warehouse stocks by depository; event_date is the activity date",
            "report date 18:00 ET",
        ),
        _raw(
            "comex_volume_oi",
            ("root", "event_date", "expiry_month"),
            {
                "root": _text(),
                "event_date": _DAY,
                "expiry_month": Column(pl.Date, "null = all months"),
                "total_volume": _count(),
                "deliveries": _count(),
                "open_interest": _count(),
                "oi_change": Column(_I, "contracts"),
            },
            "COMEX volume and open interest by delivery month",
            "d+1 09:00 ET",
        ),
        _raw(
            "gpr_daily",
            ("event_date",),
            {
                "event_date": _DAY,
                "gprd": Column(_F, "index", low=0),
                "gprd_act": Column(_F, "index", low=0),
                "gprd_threat": Column(_F, "index", low=0),
            },
            "Daily geopolitical risk index (Caldara and Iacoviello)",
            "next Monday 12:00 ET",
        ),
        _raw(
            "gpr_monthly",
            ("event_date",),
            {
                "event_date": _DAY,
                "gpr": Column(_F, "index", low=0),
                "gpr_threat": Column(_F, "index", low=0),
                "gpr_act": Column(_F, "index", low=0),
            },
            "Monthly geopolitical risk index; event_date is the month's first day",
            "first Monday of the next month 12:00 ET",
        ),
        _raw(
            "cb_gold_reserves",
            ("country", "event_date"),
            {
                "country": _text(),
                "event_date": _DAY,
                "tonnes": Column(_F, "tonnes", nullable=False, low=0),
            },
            "Official gold reserves at quarter end",
            "15th of the second month after, 12:00 UTC",
        ),
        _raw(
            "option_chain",
            ("contract", "event_at"),
            {
                "underlying": _text(),
                "contract": _text(),
                "expiry": Column(pl.Date, nullable=False),
                "right": Column(_S, "C or P", nullable=False),
                "strike": _usd(nullable=False),
                "underlying_price": _usd(nullable=False),
                "bid": _usd(low=0),
                "ask": _usd(low=0),
                "iv": Column(_F, "decimal; null = not computed", low=0, high=10),
                "delta": Column(_F, low=-1, high=1),
                "gamma": Column(_F, low=0),
                "vega": Column(_F, "USD per vol point"),
                "theta": Column(_F, "USD per day"),
                "open_interest": _count(),
                "volume": _count(),
            },
            "Option chains with Greeks, one snapshot a session",
            "quote instant + 15 min",
        ),
        _raw(
            "news",
            ("news_id",),
            {
                "news_id": _text(),
                "event_date": _DAY,
                "headline": _text(),
                "url": _text(nullable=True),
                "sentiment": Column(_S, "positive, negative, neutral, none or null"),
            },
            "Headlines; text is untrusted",
            "creation instant, or the close of the day where only the day is known",
        ),
        _raw(
            "event_calendar",
            ("event", "event_at", "stage"),
            {
                "event": _text(),
                "category": _text(nullable=True),
                "importance": _text(nullable=True),
                "stage": Column(_S, "schedule or outcome", nullable=False),
                "actual": Column(_F, "unit"),
                "forecast": Column(_F, "unit"),
                "previous": Column(_F, "unit"),
                "unit": _text(nullable=True),
            },
            "US releases: the schedule ahead of the event and the outcome at it",
            "schedule 90 days ahead; outcome at the event",
        ),
        _raw(
            "fomc_meetings",
            ("event_date", "stage"),
            {
                "event_date": _DAY,
                "kind": _text(nullable=True),
                "stage": Column(_S, "schedule or outcome", nullable=False),
                "target_rate_upper_pct": Column(_F, "percent"),
            },
            "FOMC decision days: the schedule ahead and the outcome at the statement",
            "schedule on 1 January of the year; outcome at the statement",
        ),
        _raw(
            "seasonal_calendar",
            ("event", "event_date"),
            {"event": Column(_S, "lunar_new_year, diwali or akshaya_tritiya", nullable=False), "event_date": _DAY},
            "Festivals that gold demand precedes; known years ahead",
            "three years ahead",
        ),
    )
}
