"""Random PIT tables with late rows and revisions, for tests."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from qgtm_core import calendar
from qgtm_core.schemas.features import COT_MARKETS, COT_REPORT
from qgtm_core.schemas.pit import PIT_TABLES

FIRST, LAST = dt.date(2014, 1, 2), dt.date(2017, 3, 31)
SYMBOLS = ("GLD", "SLV", "GDX", "SIL", "PPLT", "PALL", "UUP", "SPY")


def days(first: dt.date = FIRST, last: dt.date = LAST) -> pl.DataFrame:
    """Sessions with their decision times."""
    return calendar.schedule(first, last).select("session", "decided_at")


def complete(table: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Fill the row contract and the undeclared rest with nulls; `event_at` and `available_at` must be there."""
    defaults = {"revision": pl.lit(0, pl.Int32), "source": pl.lit("test")}
    declared = PIT_TABLES[table]
    rows = calendar.with_session(rows.drop("session", strict=False))
    missing = {
        name: defaults.get(name, pl.lit(None)).cast(dtype)
        for name, dtype in declared.dtypes.items()
        if name not in rows.columns
    }
    rows = rows.with_columns(**missing)
    return declared.conform(rows.select(pl.col(name).cast(dtype) for name, dtype in declared.dtypes.items()))


def revise(rows: pl.DataFrame, columns: Sequence[str], rng: np.random.Generator, share: float) -> pl.DataFrame:
    """Add later revisions of a share of the rows and make another share arrive days late."""
    n = rows.height
    late = pl.Series(np.where(rng.random(n) < share, rng.integers(1, 9, n), 0))
    rows = rows.with_columns(available_at=pl.col("available_at") + pl.duration(days=late))
    again = rows.filter(pl.Series(rng.random(n) < share))
    m = again.height
    again = again.with_columns(
        *((pl.col(name) * pl.Series(rng.uniform(0.97, 1.03, m))).cast(rows.schema[name]) for name in columns),
        available_at=pl.col("available_at") + pl.duration(days=pl.Series(rng.integers(0, 60, m))),
        revision=pl.lit(1, pl.Int32),
    )
    return pl.concat([rows.with_columns(revision=pl.lit(0, pl.Int32)), again.select(*rows.columns, "revision")])


def closes(first: dt.date = FIRST, last: dt.date = LAST) -> pl.DataFrame:
    """Daily bars' stamps: event at the close, known 15 minutes later."""
    schedule = calendar.schedule(first, last)
    return schedule.select(
        event_date="session", event_at="close_at", available_at=pl.col("close_at") + calendar.BAR_DELAY
    )


def prices(
    seed: int = 1, symbols: Sequence[str] = SYMBOLS, share: float = 0.0, first: dt.date = FIRST, last: dt.date = LAST
) -> pl.DataFrame:
    """Correlated random walks; each symbol misses some days, and IEX volume appears at times."""
    rng = np.random.default_rng(seed)
    stamps = closes(first, last)
    n = stamps.height
    common = rng.normal(0, 0.007, n)
    parts = []
    for symbol in symbols:
        path = 50 * np.exp(np.cumsum(0.8 * common + rng.normal(0, 0.006, n)))
        scope = pl.Series(np.where(rng.random(n) < 0.1, "iex", "consolidated"))
        bars = stamps.with_columns(
            symbol=pl.lit(symbol),
            close=pl.Series(path * 1.02),
            adj_close=pl.Series(path),
            volume=pl.Series(rng.integers(1_000, 9_000, n)),
            volume_scope=scope,
        )
        parts.append(bars.filter(pl.Series(rng.random(n) > 0.01)))
    rows = pl.concat(parts)
    return complete("prices", revise(rows, ["close", "adj_close"], rng, share) if share else rows)


def macro(seed: int = 2, share: float = 0.0) -> pl.DataFrame:
    """Random walks for the series that features read, known at 17:15 New York the next day."""
    rng = np.random.default_rng(seed)
    stamps = closes().with_columns(available_at=pl.col("event_at") + pl.duration(days=1, hours=1, minutes=15))
    parts = []
    for series_id, start, scale in (("DFII10", 0.5, 0.05), ("T10YIE", 2.0, 0.03), ("VIXCLS", 20.0, 0.4)):
        value = start + np.cumsum(rng.normal(0, scale, stamps.height))
        parts.append(stamps.with_columns(series_id=pl.lit(series_id), value=pl.Series(np.round(value, 2))))
    rows = pl.concat(parts)
    return complete("macro", revise(rows, ["value"], rng, share) if share else rows)


def positioning(seed: int = 3, share: float = 0.0) -> pl.DataFrame:
    """Weekly Tuesday reports, known on Friday 15:35 New York."""
    rng = np.random.default_rng(seed)
    tuesdays = pl.date_range(dt.date(2013, 1, 1), LAST, "1w", eager=True)
    parts = []
    for name, code in COT_MARKETS.items():
        n = len(tuesdays)
        event = pl.col("event_date").cast(pl.Datetime("us"))
        parts.append(
            pl.DataFrame({"event_date": tuesdays}).with_columns(
                event_at=event.dt.replace_time_zone("UTC"),
                available_at=(event + pl.duration(days=3, hours=20, minutes=35)).dt.replace_time_zone("UTC"),
                cftc_code=pl.lit(code),
                market=pl.lit(name),
                report_type=pl.lit(COT_REPORT),
                release_basis=pl.Series(np.where(rng.random(n) < 0.05, "next_observed", "rule")),
                open_interest=pl.Series(rng.integers(200_000, 500_000, n)),
                managed_money_long=pl.Series(rng.integers(50_000, 150_000, n)),
                managed_money_short=pl.Series(rng.integers(20_000, 90_000, n)),
            )
        )
    rows = pl.concat(parts)
    return complete("positioning", revise(rows, ["managed_money_long"], rng, share) if share else rows)


def festivals(dates: Mapping[str, Sequence[dt.date]] | None = None, ahead_days: int = 730) -> pl.DataFrame:
    """Festival dates, known two years ahead; by default one fixed day a year of each."""
    if dates is None:
        fixed = {"lunar_new_year": (2, 5), "diwali": (11, 2), "akshaya_tritiya": (4, 28)}
        dates = {name: [dt.date(year, *day) for year in range(2011, 2021)] for name, day in fixed.items()}
    rows: list[tuple[Any, ...]] = [(name, day) for name, of_kind in dates.items() for day in of_kind]
    midnight = pl.col("event_date").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    frame = pl.DataFrame(rows, schema={"event": pl.String, "event_date": pl.Date}, orient="row").with_columns(
        event_at=midnight, available_at=midnight - pl.duration(days=ahead_days)
    )
    return complete("festivals", frame)


def tables(seed: int = 1, share: float = 0.0) -> dict[str, pl.DataFrame]:
    """All PIT tables that features read."""
    return {
        "prices": prices(seed, share=share),
        "macro": macro(seed + 1, share),
        "positioning": positioning(seed + 2, share),
        "festivals": festivals(),
    }
