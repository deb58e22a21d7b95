"""A small market of intraday bars with real publication rules, for tests of the intraday sleeve."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache

import numpy as np
import polars as pl

from qgtm_core import calendar, publication
from qgtm_core.intraday import clock
from qgtm_core.intraday.events import KINDS
from qgtm_core.schemas.pit import PIT_TABLES

FIRST, LAST = dt.date(2024, 5, 28), dt.date(2024, 7, 8)  # 29 sessions, an early close on 3 July
VOL = {"GLD": 0.18, "SLV": 0.34, "GDX": 0.36}
PRICE = {"GLD": 215.0, "SLV": 27.0, "GDX": 34.0}
NEWS_DAY = dt.date(2024, 7, 2)
NEWS_AT = dt.datetime(2024, 7, 2, 14, 0, tzinfo=dt.UTC)  # 10:00 New York


def finish(table: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with `event_at` and `available_at` as the declared PIT table."""
    declared = PIT_TABLES[table]
    known = calendar.with_session(rows).with_columns(
        retrieved_at=pl.col("available_at"), revision=pl.lit(0, pl.Int32), source=pl.lit("synthetic")
    )
    known = known.with_columns(pl.lit(None, t).alias(n) for n, t in declared.dtypes.items() if n not in known.columns)
    return declared.conform(known.select(list(declared.dtypes)).cast(declared.dtypes))


@lru_cache(maxsize=2)
def bars(seed: int = 3) -> pl.DataFrame:
    """5, 15 and 30-minute bars of GLD, SLV and GDX, one path a symbol: the longer bars hold the shorter."""
    rng = np.random.default_rng(seed)
    days = calendar.schedule(FIRST, LAST).select("session", "open_at", "close_at")
    grid = days.join(pl.DataFrame({"k": np.arange(78)}), how="cross").with_columns(
        event_at=pl.col("open_at") + pl.duration(minutes=5) * pl.col("k")
    )
    grid = grid.filter(pl.col("event_at") < pl.col("close_at")).sort("event_at")
    shock = rng.standard_t(4, size=grid.height)
    frames = []
    for symbol, vol in VOL.items():
        own = rng.standard_t(4, size=grid.height)
        moves = vol / np.sqrt(252 * 78) * (0.8 * shock + 0.6 * own) / np.sqrt(2.0)
        moves[grid["k"].to_numpy() == 0] += 0.004 * rng.normal(size=int((grid["k"] == 0).sum()))
        close = PRICE[symbol] * np.exp(np.cumsum(moves))
        five = grid.with_columns(
            symbol=pl.lit(symbol),
            close=pl.Series(close.round(4)),
            volume=pl.Series(rng.integers(1_000, 90_000, grid.height).astype(float)),
        ).with_columns(vwap=(pl.col("close") * (1 + pl.Series(rng.normal(0, 1e-4, grid.height)))).round(4))
        frames += [_bars(five, minutes) for minutes in (5, 15, 30)]
    return finish("bars_intraday", pl.concat(frames))


def _bars(five: pl.DataFrame, minutes: int) -> pl.DataFrame:
    span = pl.duration(minutes=minutes)
    start = pl.col("open_at") + span * (pl.col("k") * 5 // minutes)
    made = five.group_by(start.alias("event_at"), "symbol", maintain_order=True).agg(
        pl.col("close").last(),
        vwap=(pl.col("vwap") * pl.col("volume")).sum() / pl.col("volume").sum(),
        volume=pl.col("volume").sum(),
    )
    return made.with_columns(
        pl.lit(f"{minutes}m").alias("interval"),
        open="close",
        high="close",
        low="close",
        available_at=pl.col("event_at") + span + clock.LAG,
    )


def gvz(level: float = 9.0) -> pl.DataFrame:
    days = calendar.schedule(FIRST, LAST).select(event_date="session")
    day = pl.col("event_date")
    return finish(
        "macro",
        days.with_columns(
            series_id=pl.lit("GVZCLS"),
            value=pl.lit(level),
            event_at=publication.session_close(day),
            available_at=publication.next_morning(day),
        ),
    )


def releases(*more: dt.datetime) -> pl.DataFrame:
    """Far dates of every kind, and the given instants as consumer price releases."""
    far = [dt.datetime(2024, 9, 18, 18, tzinfo=dt.UTC)] * 3
    rows = pl.DataFrame(
        {
            "category": [*KINDS, *("CPI" for _ in more)],
            "event": [*KINDS, *(f"CPI {n}" for n, _ in enumerate(more))],
            "event_at": [*far, *more],
        },
        schema_overrides={"event_at": pl.Datetime("us", "UTC")},
    )
    return finish(
        "events",
        rows.with_columns(stage=pl.lit("schedule"), available_at=pl.lit(dt.datetime(2024, 5, 1, tzinfo=dt.UTC))),
    )


def pit(seed: int = 3, level: float = 9.0, *news: dt.datetime) -> dict[str, pl.DataFrame]:
    return {"bars_intraday": bars(seed), "macro": gvz(level), "events": releases(*(news or (NEWS_AT,)))}


def ticks(first: dt.date = dt.date(2024, 6, 27), last: dt.date = LAST) -> pl.DataFrame:
    return clock.ticks(first, last).select("session", "decided_at")
