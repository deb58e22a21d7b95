"""Small archive folders for tests of the feeds."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl

from qgtm_core import calendar

FRIDAY = dt.date(2024, 6, 28)


def sessions_before(last: dt.date, count: int) -> list[dt.date]:
    """The `count` sessions up to and including `last`, oldest first."""
    return calendar.schedule(last=last)["session"].tail(count).to_list()


def bars(symbol: str, days: int = 30, last: dt.date = FRIDAY) -> pl.DataFrame:
    """Daily bars as a file of the archive holds them; a single bar may lie on any day."""
    dates = [last] if days == 1 else sessions_before(last, days)
    rng = np.random.default_rng(len(symbol))
    close = np.round(200.0 * np.exp(np.cumsum(0.01 * rng.standard_normal(len(dates)))), 2)
    return pl.DataFrame(
        {
            "symbol": [symbol] * len(dates),
            "date": dates,
            "open": close,
            "high": close + 1.0,
            "low": close - 1.0,
            "close": close,
            "adj_close": close,
            "volume": rng.integers(1_000_000, 2_000_000, len(dates)),
            "volume_scope": ["consolidated"] * len(dates),
        }
    )


def write(folder: Path, name: str, frame: pl.DataFrame) -> Path:
    """Write one file of the archive."""
    path = folder / f"{name}.parquet"
    frame.write_parquet(path)
    return path
