"""Cost and borrow terms of funds, from their effective day. A constant table; no feed carries it."""

from __future__ import annotations

import datetime as dt

import polars as pl

from qgtm_core import calendar, publication
from qgtm_core.schemas.raw import RAW_TABLES

# (fund, effective day, expense ratio a year, borrow rate a year, can be borrowed)
# Expense ratios are public facts of the prospectuses, from the day the fund was listed. Borrow rates and "can be
# borrowed" are ASSUMPTIONS of this table, not observations: general collateral for the large trusts, a small premium
# for the leveraged funds. Where a broker states other terms, add a row with the day from which they hold.
_TERMS: tuple[tuple[str, str, float, float, bool], ...] = (
    ("GLD", "2004-11-18", 0.0040, 0.003, True),
    ("SLV", "2006-04-28", 0.0050, 0.003, True),
    ("UGL", "2008-12-03", 0.0095, 0.020, True),
    ("AGQ", "2008-12-03", 0.0095, 0.020, True),
)


def rows() -> pl.DataFrame:
    """The table `raw/fund_terms`: every set of terms, known on the morning it takes effect."""
    table = RAW_TABLES["fund_terms"]
    day = pl.col("event_date")
    frame = pl.DataFrame(
        [(symbol, dt.date.fromisoformat(day), *terms) for symbol, day, *terms in _TERMS],
        schema=["symbol", "event_date", "expense_ratio", "borrow_rate", "shortable"],
        orient="row",
    )
    known = publication.fund_terms(day)
    return (
        calendar.with_session(frame.with_columns(event_at=known, available_at=known))
        .with_columns(
            retrieved_at=pl.col("available_at"),
            revision=pl.lit(0, dtype=pl.Int32),
            source=pl.lit("terms"),
        )
        .select(list(table.dtypes))
        .sort("session", "symbol")
    )
