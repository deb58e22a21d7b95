"""Intraday bars of the simulated market: hours of every session, shorter bars of a few funds."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl

from qgtm_core import calendar, publication
from qgtm_core.schemas.raw import RAW_TABLES
from qgtm_core.simulation.market import Market, finish
from qgtm_core.simulation.minutes import short_bars
from qgtm_core.simulation.prices import DECISION, extremes, paths, volumes
from qgtm_core.simulation.randomness import Array
from qgtm_core.simulation.world import SYMBOLS

FUNDS = ("GLD", "SPY", "TLT", "SLV", "GDX")
HOURS = (0.30, 0.13, 0.11, 0.10, 0.12, 0.24)  # share of the hourly volume by bar, 10:00 to 15:00


def bars_intraday(market: Market) -> pl.DataFrame:
    """Every intraday bar of the market. A feed asks for `hour_bars` and a span of `short_bars` instead."""
    whole = [hour_bars(market), short_bars_known(market, market.origin, market.last)]
    return pl.concat(whole).sort("session", *RAW_TABLES["bars_intraday"].unique)


def short_bars_known(market: Market, first: dt.date, last: dt.date) -> pl.DataFrame:
    """Bars of 1, 5, 15 and 30 minutes that became known in sessions first..last."""
    since = calendar.previous_session(first) if first > market.origin else market.origin  # the end of its day
    made = short_bars(market, since, last)
    if made.is_empty():
        return RAW_TABLES["bars_intraday"].empty()
    known = publication.intraday_bar(pl.col("event_at"), pl.col("interval"))
    rows = finish("bars_intraday", made.with_columns(available_at=known))
    return rows.filter(pl.col("session").is_between(first, last))


def hour_bars(market: Market) -> pl.DataFrame:
    """60-minute bars from 10:00 to the close (three on early closes), inside the daily bar."""
    knots = paths(market)
    high, low = extremes(market)
    frames = [
        _hour_bars(market, knots[:, column, :], high[:, column], low[:, column], symbol)
        for column, symbol in ((SYMBOLS.index(symbol), symbol) for symbol in FUNDS)
    ]
    frame = pl.concat(frames).with_columns(interval=pl.lit("60m"))
    known = publication.intraday_bar(pl.col("event_at"), pl.col("interval"))
    return finish("bars_intraday", frame.with_columns(available_at=known))


def _hour_bars(market: Market, knots: Array, high: Array, low: Array, symbol: str) -> pl.DataFrame:
    """Bars of one symbol; knots (sessions, points)."""
    early = market.sessions["early_close"].to_numpy()
    volume = volumes(market)[:, SYMBOLS.index(symbol)]
    bars = []
    for hour, share in enumerate(HOURS):
        last_full, last_early = hour == len(HOURS) - 1, hour == 2
        start, stop = knots[:, hour + 1], knots[:, min(hour + 2, 6)]
        middle, close = knots[:, DECISION], knots[:, -1]
        ends = np.where(early & last_early | ~early & last_full, close, stop)
        through = np.where(early & last_early | ~early & last_full, middle, start)
        day = pl.col("event_date")
        bars.append(
            market.daily()
            .with_columns(
                symbol=pl.lit(symbol),
                event_at=publication.at(day, 10 + hour),
                open=pl.Series(start),
                close=pl.Series(ends),
                high=pl.Series(np.minimum(np.maximum.reduce([start, ends, through]) * 1.0002, high).round(4)),
                low=pl.Series(np.maximum(np.minimum.reduce([start, ends, through]) * 0.9998, low).round(4)),
                volume=pl.Series(np.round(volume * 0.85 * share)),
                vwap=pl.Series(((start + ends + 2.0 * through) / 4.0).round(4)),
            )
            .filter(pl.Series(~early | (hour <= 2)))
        )
    return pl.concat(bars).drop("event_date")
