"""Pieces that several feature families share: usable observations, their health, and reading onto sessions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from qgtm_core.pit import Compute, point_in_time

PRICE_KEY = ("symbol", "event_date")
MACRO_KEY = ("series_id", "event_date")
STAMPS = ("session", "event_at", "available_at")
HEALTH = ("obs", "event_at", "available_at")


def first_read(rows: pl.DataFrame, sessions: pl.DataFrame) -> int:
    """Index of the first row (event order, with `session`) that any of the asked sessions can read.

    Heavy windows need computing from there on only: a live session reads one row, a range reads nearly all.
    """
    if sessions.is_empty():
        return rows.height
    known = (rows["session"] <= sessions["session"][0]).arg_true()
    return int(known[-1]) if known.len() else 0


def usable_prices(view: pl.DataFrame) -> pl.DataFrame:
    """Bars with finite, positive closes, by symbol and day, with `obs` counted."""
    price = pl.col("adj_close")
    good = price.is_finite() & (price > 0) & pl.col("close").is_finite()
    rows = view.filter(good).sort(PRICE_KEY)
    return rows.with_columns(obs=pl.col("adj_close").cum_count().over("symbol").cast(pl.Int32))


def one_price(view: pl.DataFrame, symbol: str, value: str = "adj_close") -> pl.DataFrame:
    """Usable bars of one symbol: `event_date, session, event_at, available_at, obs, <value>`."""
    rows = usable_prices(view.filter(pl.col("symbol") == symbol))
    return rows.select("event_date", *STAMPS, "obs", pl.col("adj_close").alias(value))


def common_bars(view: pl.DataFrame, a: str, b: str) -> pl.DataFrame:
    """Days on which both symbols have a usable bar: `event_date`, stamps of the later leg, `obs`, prices `a`, `b`."""
    left, right = one_price(view, a, "a"), one_price(view, b, "b")
    both = left.drop("obs").join(right.drop("obs"), on="event_date", how="inner", maintain_order="left")
    later = {name: pl.max_horizontal(name, f"{name}_right") for name in STAMPS}
    rows = both.with_columns(**later).select("event_date", *STAMPS, "a", "b")
    return rows.with_columns(obs=pl.int_range(1, pl.len() + 1, dtype=pl.Int32))


def macro_series(
    macro: pl.DataFrame, series_id: str, sessions: pl.DataFrame, columns: Mapping[str, pl.Expr], prefix: str
) -> pl.DataFrame:
    """Read expressions of `value` of one series at each session: `session, <prefix>_obs…, <columns>`."""

    def compute(view: pl.DataFrame) -> pl.DataFrame:
        rows = view.filter(pl.col("value").is_finite()).sort("event_date")
        return rows.select(*STAMPS, "series_id", obs=pl.int_range(1, pl.len() + 1, dtype=pl.Int32), **columns)

    rows = macro.filter(pl.col("series_id") == series_id)
    return with_prefix(point_in_time(rows, MACRO_KEY, sessions, compute).drop("series_id"), prefix)


def price_series(
    prices: pl.DataFrame, symbol: str, sessions: pl.DataFrame, columns: Mapping[str, pl.Expr], prefix: str
) -> pl.DataFrame:
    """Read expressions of `price` (adjusted close) of one symbol at each session."""

    def compute(view: pl.DataFrame) -> pl.DataFrame:
        rows = one_price(view, symbol, "price").with_columns(symbol=pl.lit(symbol))
        return rows.select(*STAMPS, "symbol", "obs", **columns)

    rows = prices.filter(pl.col("symbol") == symbol)
    return with_prefix(point_in_time(rows, PRICE_KEY, sessions, compute).drop("symbol"), prefix)


def observe_pair(prices: pl.DataFrame, a: str, b: str, sessions: pl.DataFrame, features: Compute) -> pl.DataFrame:
    """Read at each session `features(common bars)`, which keeps the rows and the columns `session` and HEALTH."""

    def compute(view: pl.DataFrame) -> pl.DataFrame:
        return features(common_bars(view, a, b))

    rows = prices.filter(pl.col("symbol").is_in([a, b]))
    return point_in_time(rows, PRICE_KEY, sessions, compute, together=True)


def with_prefix(frame: pl.DataFrame, prefix: str) -> pl.DataFrame:
    """Name the health columns after their input."""
    return frame.rename({name: f"{prefix}_{name}" for name in HEALTH})


def side_by_side(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Join one-row-a-session frames; a session known to any of them has a row."""
    joined = frames[0]
    for frame in frames[1:]:
        joined = joined.join(frame, on="session", how="full", coalesce=True)
    return joined
