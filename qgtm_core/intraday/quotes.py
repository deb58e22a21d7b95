"""The best price known at a tick, for marking and sizing: a quote, else a bar of today, else the close before."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

import polars as pl

from qgtm_core import calendar, publication
from qgtm_core.types import Quote

QUOTE, INTRADAY_BAR, PREVIOUS_CLOSE = "quote", "intraday_bar", "previous_close"
QUOTE_MAX_AGE = dt.timedelta(minutes=5)
CLOSE_MAX_AGE = dt.timedelta(days=7)
SCHEMA = {"symbol": pl.String, "mid": pl.Float64, "half_spread_bp": pl.Float64, "basis": pl.String}


def tick_quotes(
    symbols: Sequence[str],
    bars: pl.DataFrame,
    closes: pl.DataFrame,
    decided_at: dt.datetime,
    quotes: Mapping[str, Quote] | None = None,
) -> pl.DataFrame:
    """One row a symbol that has a price: `symbol, mid, half_spread_bp, basis`; a null spread is not known.

    `bars` are rows of `pit/bars_intraday`, `closes` of `pit/prices`; only what was known at the tick is read.
    `quotes` are those of the broker in live work; one with an empty or crossed book, or older than 5 minutes, is none.
    """
    found = {**_closes(closes, decided_at), **_bars(bars, decided_at)}
    for symbol, quote in (quotes or {}).items():
        fresh = dt.timedelta(0) <= decided_at - quote.quoted_at <= QUOTE_MAX_AGE or quote.quoted_at > decided_at
        if fresh and 0.0 < quote.bid <= quote.ask:
            found[symbol] = (quote.mid, quote.half_spread_bp, QUOTE)
    rows = [(symbol, *found[symbol]) for symbol in symbols if symbol in found]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


Found = dict[str, tuple[float, float | None, str]]


def _bars(bars: pl.DataFrame, decided_at: dt.datetime) -> Found:
    session = calendar.session_at(decided_at)
    if session is None:
        return {}
    end = publication.intraday_end(pl.col("event_at"), pl.col("interval"))
    known = bars.filter((pl.col("event_at") >= calendar.open_at(session)) & (pl.col("available_at") <= decided_at))
    newest = known.with_columns(end=end).sort("end", "revision").unique("symbol", keep="last")
    return {s: (p, None, INTRADAY_BAR) for s, p in newest.select("symbol", "close").iter_rows()}


def _closes(closes: pl.DataFrame, decided_at: dt.datetime) -> Found:
    known = closes.filter(
        (pl.col("available_at") <= decided_at) & (pl.col("event_at") >= decided_at - CLOSE_MAX_AGE)
    ).sort("event_date", "revision")
    newest = known.unique("symbol", keep="last")
    return {s: (p, None, PREVIOUS_CLOSE) for s, p in newest.select("symbol", "close").iter_rows()}
