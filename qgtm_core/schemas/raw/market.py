"""Raw tables of prices: bars, quotes and option chains."""

from __future__ import annotations

import polars as pl

from qgtm_core.schemas.raw.common import DAY, F, S, count, raw_table, text, usd
from qgtm_core.schemas.spec import Column, Table

TABLES: tuple[Table, ...] = (
    raw_table(
        "bars_daily",
        ("symbol", "event_date"),
        {
            "symbol": text(),
            "event_date": DAY,
            "open": usd(),
            "high": usd(),
            "low": usd(),
            "close": usd(nullable=False),
            "adj_close": usd(nullable=False),
            "volume": count("shares"),
            "volume_scope": Column(S, note="consolidated, iex or null; never mix the two"),
            "flags": Column(S, note="comma-separated remarks of the source"),
        },
        "Daily bars; close on the split basis, adj_close on the total-return basis",
        "session close + 15 min",
    ),
    raw_table(
        "bars_intraday",
        ("symbol", "interval", "event_at"),
        {
            "symbol": text(),
            "interval": Column(S, "1m, 5m, 15m, 30m, 60m", nullable=False),
            "open": usd(nullable=False),
            "high": usd(nullable=False),
            "low": usd(nullable=False),
            "close": usd(nullable=False),
            "volume": Column(F, "shares or ticks", low=0),
            "vwap": usd(),
        },
        "Intraday bars; event_at is the bar's start",
        "bar end + 5 s",
        first_delivery_sessions=60,  # millions of bars: older ones are backfilled when wanted
    ),
    raw_table(
        "decision_quotes",
        ("symbol", "event_date"),
        {
            "symbol": text(),
            "event_date": DAY,
            "bid": usd(nullable=False),
            "ask": usd(nullable=False),
            "basis": Column(S, "quote, intraday_bar or previous_close", nullable=False),
        },
        "Best price known at the decision, for sizing; event_at says how old it is",
        "the decision itself; never a price from after it",
    ),
    raw_table(
        "option_chain",
        ("contract", "event_at"),
        {
            "underlying": text(),
            "contract": text(),
            "expiry": Column(pl.Date, nullable=False),
            "right": Column(S, "C or P", nullable=False),
            "strike": usd(nullable=False),
            "underlying_price": usd(nullable=False),
            "bid": usd(low=0),
            "ask": usd(low=0),
            "iv": Column(F, "decimal; null = not computed", low=0, high=10),
            "delta": Column(F, low=-1, high=1),
            "gamma": Column(F, low=0),
            "vega": Column(F, "USD per vol point"),
            "theta": Column(F, "USD per day"),
            "open_interest": count(),
            "volume": count(),
        },
        "Option chains with Greeks, one snapshot a session",
        "quote instant + 15 min",
        first_delivery_sessions=756,  # three years; a chain is a hundred rows and more
    ),
)
