"""Pieces that several feature families share: usable observations, their health, and reading onto sessions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from qgtm_core.features.known import bars_of, macro_rows, price_rows, usable_bars
from qgtm_core.pit import Compute, observe, point_in_time, segments_of

PRICE_KEY = ("symbol", "event_date")
MACRO_KEY = ("series_id", "event_date")
DAY_KEY = ("event_date",)  # of one symbol or series
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
    bars = usable_bars(view.filter(pl.col("symbol") == symbol))
    return bars.select("event_date", *STAMPS, "obs", pl.col("adj_close").alias(value))


def common_bars(left: pl.DataFrame, right: pl.DataFrame) -> pl.DataFrame:
    """Days that are among the usable bars of both symbols: `event_date`, later stamps, `obs`, prices `a`, `b`."""
    a, b = (bars.select("event_date", *STAMPS, pl.col("adj_close").alias(n)) for bars, n in ((left, "a"), (right, "b")))
    both = a.join(b, on="event_date", how="inner", maintain_order="left")
    later = {name: pl.max_horizontal(name, f"{name}_right") for name in STAMPS}
    return both.select("event_date", "a", "b", obs=pl.int_range(1, pl.len() + 1, dtype=pl.Int32), **later)


def by_symbol(
    pit: Mapping[str, pl.DataFrame], symbols: Iterable[str], sessions: pl.DataFrame, features: Compute
) -> pl.DataFrame:
    """Read at each session `features(usable bars)` of each symbol: `session, symbol, <other columns>`."""

    def read(symbol: str) -> pl.DataFrame:
        def compute(view: pl.DataFrame) -> pl.DataFrame:
            return features(bars_of(pit, symbol, view))

        return point_in_time(price_rows(pit, symbol), DAY_KEY, sessions, compute).with_columns(symbol=pl.lit(symbol))

    return pl.concat(read(symbol) for symbol in symbols)


def macro_series(
    pit: Mapping[str, pl.DataFrame], series_id: str, sessions: pl.DataFrame, columns: Mapping[str, pl.Expr], prefix: str
) -> pl.DataFrame:
    """Read expressions of `value` of one series at each session: `session, <prefix>_obs…, <columns>`."""

    def compute(view: pl.DataFrame) -> pl.DataFrame:
        rows = view.filter(pl.col("value").is_finite()).sort("event_date")
        return rows.select(*STAMPS, obs=pl.int_range(1, pl.len() + 1, dtype=pl.Int32), **columns)

    return with_prefix(point_in_time(macro_rows(pit, series_id), DAY_KEY, sessions, compute), prefix)


def price_series(
    pit: Mapping[str, pl.DataFrame], symbol: str, sessions: pl.DataFrame, columns: Mapping[str, pl.Expr], prefix: str
) -> pl.DataFrame:
    """Read expressions of `price` (adjusted close) of one symbol at each session."""

    def compute(view: pl.DataFrame) -> pl.DataFrame:
        return _priced_columns(bars_of(pit, symbol, view), columns)

    return with_prefix(point_in_time(price_rows(pit, symbol), DAY_KEY, sessions, compute), prefix)


def bar_series(bars: pl.DataFrame, sessions: pl.DataFrame, columns: Mapping[str, pl.Expr], prefix: str) -> pl.DataFrame:
    """The same over some PIT rows of a symbol."""

    def compute(view: pl.DataFrame) -> pl.DataFrame:
        return _priced_columns(usable_bars(view), columns)

    return with_prefix(point_in_time(bars, DAY_KEY, sessions, compute), prefix)


def _priced_columns(bars: pl.DataFrame, columns: Mapping[str, pl.Expr]) -> pl.DataFrame:
    return bars.rename({"adj_close": "price"}).select(*STAMPS, "obs", **columns)


def observe_pair(
    pit: Mapping[str, pl.DataFrame], a: str, b: str, sessions: pl.DataFrame, features: Compute
) -> pl.DataFrame:
    """Read at each session `features(common bars)`, which keeps the rows and the columns `session` and HEALTH."""
    legs = [price_rows(pit, symbol) for symbol in (a, b)]
    parts = []
    for days, (left, right) in segments_of(legs, DAY_KEY, sessions):
        bars = common_bars(bars_of(pit, a, left), bars_of(pit, b, right))
        parts.append(observe(days, features(bars)))
    return pl.concat(parts)


def with_prefix(frame: pl.DataFrame, prefix: str) -> pl.DataFrame:
    """Name the health columns after their input."""
    return frame.rename({name: f"{prefix}_{name}" for name in HEALTH})


def side_by_side(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Join one-row-a-session frames; a session known to any of them has a row."""
    joined = frames[0]
    for frame in frames[1:]:
        joined = joined.join(frame, on="session", how="full", coalesce=True)
    return joined
