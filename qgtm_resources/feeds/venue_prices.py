"""What the venue saw and what a decision could see, made from bars. Pure: frames in, frames out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

import polars as pl

from qgtm_core import calendar, publication
from qgtm_core.schemas.raw import RAW_TABLES
from qgtm_core.universe import INSTRUMENTS

WINDOW = 20  # sessions in ADV and daily volatility
QUOTE_MAX_AGE = 5  # sessions; an older close is no quote
BASIS_POINT = 1e-4

MARKET_COLUMNS = {
    "session": pl.Date,
    "symbol": pl.String,
    "mid": pl.Float64,
    "half_spread_bp": pl.Float64,
    "volume_shares": pl.Float64,
    "adv_shares": pl.Float64,
    "daily_vol": pl.Float64,
    "vwap": pl.Float64,
    "close": pl.Float64,
}


def spreads() -> pl.DataFrame:
    """Half-spreads of the universe: `symbol, half_spread_bp`."""
    return pl.DataFrame(
        {"symbol": list(INSTRUMENTS), "half_spread_bp": [i.half_spread_bp for i in INSTRUMENTS.values()]}
    )


def market_frame(bars: pl.DataFrame, intraday: pl.DataFrame) -> pl.DataFrame:
    """What happened in each session for each instrument (`MARKET_COLUMNS`), sorted by session and symbol.

    `mid` is the close: with daily bars the venue trades at the close. ADV and volatility are of the 20 bars *before*
    the session, so they are known at its decision; ADV counts consolidated volume only. Volume is null where only a
    part of the tape is known. A bar of zero volume is a symbol that did not trade.
    """
    consolidated = pl.when(pl.col("volume_scope") == "consolidated").then(pl.col("volume").cast(pl.Float64))
    traded = (
        bars.lazy()
        .drop("session")
        .join(spreads().lazy(), on="symbol")
        .sort("symbol", "event_date")
        .with_columns(
            volume_shares=consolidated,
            daily_vol=pl.col("adj_close").log().diff().rolling_std(WINDOW).shift(1).over("symbol"),
        )
    )
    adv = (
        traded.filter(pl.col("volume_shares").is_not_null())
        .select(
            "symbol",
            "event_date",
            adv_shares=pl.col("volume_shares").rolling_mean(WINDOW).over("symbol"),
        )
        .drop_nulls()
        .sort("event_date")
    )
    return (
        traded.sort("event_date")
        .join_asof(
            adv, on="event_date", by="symbol", strategy="backward", allow_exact_matches=False, check_sortedness=False
        )
        .filter((pl.col("volume") > 0) | pl.col("volume").is_null())
        .rename({"event_date": "session"})
        .with_columns(mid=pl.col("close"))
        .join(late_vwap(intraday).lazy(), on=["session", "symbol"], how="left")
        .select(list(MARKET_COLUMNS))
        .sort("session", "symbol")
        .collect()
    )


def one_session(held: pl.DataFrame, session: dt.date, symbols: Iterable[str]) -> pl.DataFrame:
    """The rows of one session, without the `session` column, from a frame sorted by session."""
    start, stop = (int(held["session"].search_sorted(session, side=side)) for side in ("left", "right"))
    return held.slice(start, stop - start).filter(pl.col("symbol").is_in(list(symbols))).drop("session")


def many_sessions(
    held: pl.DataFrame, first: dt.date, last: dt.date, symbols: Iterable[str] | None = None
) -> pl.DataFrame:
    """The rows of sessions first..last; None means every symbol."""
    within = held.filter(pl.col("session").is_between(first, last))
    return within if symbols is None else within.filter(pl.col("symbol").is_in(list(symbols)))


def late_vwap(intraday: pl.DataFrame) -> pl.DataFrame:
    """Volume-weighted price between decision and close: `session, symbol, vwap`.

    From the bars that overlap the window, so with 60-minute bars it is the price of the last hour. The finest interval
    that is present counts. Bars without volume are not counted.
    """
    typical = (pl.col("high") + pl.col("low") + pl.col("close")) / 3.0
    window = (
        _in_session(intraday)
        .filter((pl.col("ended_at") > pl.col("decided_at")) & (pl.col("event_at") < pl.col("close_at")))
        .filter(pl.col("volume") > 0)
        .with_columns(price=pl.coalesce("vwap", typical))
    )
    finest = pl.col("span") == pl.col("span").min().over("session", "symbol")
    return (
        window.filter(finest)
        .group_by("session", "symbol")
        .agg(vwap=(pl.col("price") * pl.col("volume")).sum() / pl.col("volume").sum())
    )


def _in_session(intraday: pl.DataFrame) -> pl.DataFrame:
    """Bars of the universe with the session of their New York day, its times and the bar's end."""
    day = pl.col("event_at").dt.convert_time_zone("America/New_York").dt.date()
    ended = publication.intraday_end(pl.col("event_at"), pl.col("interval"))
    return (
        intraday.filter(pl.col("symbol").is_in(list(INSTRUMENTS)))
        .drop("session", strict=False)
        .with_columns(session=day, ended_at=ended, span=ended - pl.col("event_at"))
        .join(calendar.schedule().select("session", "close_at", "decided_at"), on="session")
    )


def decision_quotes(bars: pl.DataFrame, intraday: pl.DataFrame, retrieved_at: dt.datetime, source: str) -> pl.DataFrame:
    """Best price known at each decision, in the declared schema of `raw/decision_quotes`.

    The last intraday bar of the session that had ended by the decision, else the newest close known by then, at most
    five sessions old; half-spreads from the universe. `session` is the session decided on.
    """
    table = RAW_TABLES["decision_quotes"]
    if bars.is_empty():
        return table.empty()
    struck = pl.concat([_struck_on_closes(bars), _struck_intraday(intraday)], how="vertical")
    half = pl.col("price") * pl.col("half_spread_bp") * BASIS_POINT
    return (
        struck.sort("basis")  # intraday_bar before previous_close
        .unique(["session", "symbol"], keep="first", maintain_order=True)
        .join(spreads(), on="symbol")
        .with_columns(
            event_date=pl.col("session"),
            bid=pl.col("price") - half,
            ask=pl.col("price") + half,
            retrieved_at=pl.lit(retrieved_at, dtype=pl.Datetime("us", "UTC")),
            revision=pl.lit(0, dtype=pl.Int32),
            source=pl.lit(source),
        )
        .select(list(table.dtypes))
        .sort("session", "symbol")
    )


_STRUCK = ("session", "symbol", "price", "event_at", "available_at", "basis")


def _struck_on_closes(bars: pl.DataFrame) -> pl.DataFrame:
    """Newest close known at each decision, at most `QUOTE_MAX_AGE` sessions old."""
    first, last = bars["event_date"].min(), bars["event_date"].max()
    days = calendar.schedule().with_row_index("number").select("session", "decided_at", "number")
    numbers = days.select(event_date="session", struck_number="number")
    closes = (
        bars.filter(pl.col("symbol").is_in(list(INSTRUMENTS)))
        .join(numbers, on="event_date")
        .select("symbol", "available_at", "event_at", "struck_number", price="close")
        .sort("available_at")
    )
    decisions = days.filter(pl.col("session").is_between(first, last)).join(
        closes.select("symbol").unique(), how="cross"
    )
    seen = decisions.sort("decided_at").join_asof(
        closes.with_columns(known_at="available_at"),
        left_on="decided_at",
        right_on="known_at",
        by="symbol",
        strategy="backward",
        check_sortedness=False,  # sorted above; polars cannot verify it with `by`
    )
    age = pl.col("number").cast(pl.Int64) - pl.col("struck_number").cast(pl.Int64)
    return (
        seen.filter(pl.col("price").is_not_null() & (age <= QUOTE_MAX_AGE))
        .with_columns(basis=pl.lit("previous_close"))
        .select(_STRUCK)
    )


def _struck_intraday(intraday: pl.DataFrame) -> pl.DataFrame:
    """Close of the last intraday bar of the session that was known by its decision."""
    return (
        _in_session(intraday)
        .filter(pl.col("available_at") <= pl.col("decided_at"))
        .sort("ended_at", "span", descending=[False, True])
        .group_by("session", "symbol", maintain_order=True)
        .agg(
            pl.col("close").last().alias("price"),
            pl.col("ended_at").last().alias("event_at"),
            pl.col("available_at").last(),
        )
        .with_columns(basis=pl.lit("intraday_bar"))
        .select(_STRUCK)
    )
