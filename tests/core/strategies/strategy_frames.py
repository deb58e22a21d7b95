"""Small feature tables in which every input is healthy, for tests that then break one thing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from qgtm_core import calendar
from qgtm_core.schemas.features import CORRELATED, COT_MARKETS, FEATURE_TABLES, PAIRS
from qgtm_core.strategies.panel import LEG_COLUMNS, legs_of
from qgtm_core.strategies.spec import Strategy
from qgtm_core.universe import INSTRUMENTS

KEYS = {
    "symbol": pl.DataFrame({"symbol": sorted(INSTRUMENTS)}),
    "pair": pl.DataFrame({"pair": [f"{y}/{x}" for y, x in PAIRS]}),
    "market": pl.DataFrame({"market": list(COT_MARKETS)}),
    "symbol_a": pl.DataFrame(
        [(a, b) for a in CORRELATED for b in CORRELATED if a < b], schema=["symbol_a", "symbol_b"], orient="row"
    ),
}
PLENTY = 10_000  # observations


def asked(first: dt.date, last: dt.date | None = None) -> pl.DataFrame:
    """Sessions with their decision times."""
    return calendar.schedule(first, last or first).select("session", "decided_at")


def healthy(name: str, days: pl.DataFrame, seed: int = 0) -> pl.DataFrame:
    """One feature table over `days`: random values in range, plenty of observations, known 22 hours before."""
    table, rng = FEATURE_TABLES[name], np.random.default_rng(seed)
    frame = days if len(table.key) == 1 else days.join(KEYS[table.key[1]], how="cross")
    columns: dict[str, Any] = {}
    for column, spec in table.columns.items():
        if column in table.key:
            continue
        if column.endswith("available_at"):
            columns[column] = pl.col("decided_at") - dt.timedelta(hours=22)
        elif column.endswith("event_at"):
            columns[column] = pl.col("decided_at") - dt.timedelta(hours=23)
        elif column.endswith("obs"):
            columns[column] = pl.lit(PLENTY, pl.Int32)
        elif column == "month":
            columns[column] = pl.col("session").dt.month()
        elif spec.dtype == pl.Boolean:
            columns[column] = pl.lit(column == "covered")
        elif spec.dtype == pl.Int32:
            columns[column] = pl.Series(rng.integers(0, 250, frame.height), dtype=pl.Int32)
        elif spec.dtype in {pl.String, pl.Date}:
            columns[column] = pl.lit("-") if spec.dtype == pl.String else pl.col("session")
        else:
            columns[column] = pl.Series(_values(column, spec.low, rng, frame.height))
    return table.conform(frame.with_columns(**columns).select(list(table.dtypes)))


def _values(column: str, low: float | None, rng: np.random.Generator, count: int) -> np.ndarray:
    drawn = rng.normal(size=count)
    if column.startswith("vol_") or "half_life" in column:
        return np.abs(drawn) * 20.0 + 5.0 if "half_life" in column else np.abs(drawn) * 0.2 + 0.05
    if column == "gld_uup_corr_126":
        return -np.abs(np.tanh(drawn)) * 0.5 - 0.2
    if column == "corr_126":
        return np.abs(np.tanh(drawn)) * 0.5
    return np.clip(0.5 + 0.2 * drawn, 0.0, 1.0) if low == 0 else drawn


def features_of(
    strategy: Strategy, first: dt.date, last: dt.date | None = None, seed: int = 0
) -> dict[str, pl.DataFrame]:
    """Healthy tables of one strategy, with its look-back."""
    days = asked(calendar.offset_session(first, -strategy.lookback), last or first)
    return {name: healthy(name, days, seed) for name in strategy.tables}


def panel_of(
    strategy: Strategy, columns: Mapping[str, list[Any]], session: dt.date = dt.date(2024, 6, 28)
) -> pl.DataFrame:
    """One session's panel of a strategy: a value a leg (legs by symbol) for each column."""
    legs = legs_of(strategy)
    frame = pl.DataFrame({name: [getattr(leg, name) for leg in legs] for name in LEG_COLUMNS})
    return frame.select(pl.lit(session).alias("session"), *LEG_COLUMNS).with_columns(
        pl.Series(name, values) for name, values in columns.items()
    )
