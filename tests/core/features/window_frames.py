"""Sources with late rows and revisions for features over windows, and plain measures to hold them against."""

from __future__ import annotations

import datetime as dt
import functools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
import pytest
from statsmodels.tsa.stattools import adfuller

from qgtm_core.features.registry import compute_features
from tests.core import pit_frames

TABLES = ("fair_value", "residuals", "royalty", "margin", "premium", "formation")
SYMBOLS = ("GLD", "IAU", "PHYS", "SLV", "PSLV", "GDX", "GDXJ", "NEM", "FNV", "WPM", "RGLD", "PPLT", "PALL", "UUP")
CHECKED = (dt.date(2016, 2, 8), dt.date(2017, 2, 1), dt.date(2017, 3, 30))
STAMPS = {"session", "event_date", "event_at", "available_at", "retrieved_at", "revision"}
Values = dict[dt.date, float]


def at_midnight_london(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(available_at=pl.col("event_at") + pl.duration(hours=4))


@functools.cache
def tables() -> dict[str, pl.DataFrame]:
    """All sources with late rows and revisions."""
    rng = np.random.default_rng(8)
    stamps = pit_frames.closes()
    gold = 1250 * np.exp(np.cumsum(rng.normal(0, 0.007, stamps.height)))
    fixes = at_midnight_london(stamps).with_columns(metal=pl.lit("gold"), fix=pl.lit("PM"), usd_per_oz=pl.Series(gold))
    nav = at_midnight_london(stamps).with_columns(
        symbol=pl.lit("PHYS"), nav_usd=pl.Series(60 * np.exp(np.cumsum(rng.normal(0, 0.006, stamps.height))))
    )
    prices = pit_frames.prices(5, SYMBOLS, share=0.002)
    return {
        "prices": prices,
        "macro": pit_frames.macro(6, share=0.002),
        "fixes": pit_frames.complete("fixes", pit_frames.revise(fixes, ["usd_per_oz"], rng, 0.002)),
        "flows": pit_frames.complete("flows", pit_frames.revise(nav, ["nav_usd"], rng, 0.002)),
        "mining_costs": filings(
            [(s, q, 900 + 40 * n + q % 7, 300.0 + n) for n, s in enumerate("ABC") for q in range(14)]
        ),
    }


def filings(rows: list[tuple[str, int, float, float]], days_late: int = 40) -> pl.DataFrame:
    """Filings of (issuer, quarters after 2013-09-30, cost, production), known `days_late` after their quarter."""
    quarters = pl.date_range(dt.date(2013, 9, 30), dt.date(2018, 1, 1), "1q", eager=True).dt.month_end()
    frame = pl.DataFrame(rows, schema=["symbol", "quarter", "aisc_usd_per_oz", "production_koz"], orient="row")
    at = (
        frame.select(event_date=quarters[frame["quarter"]])
        .to_series()
        .cast(pl.Datetime("us"))
        .dt.replace_time_zone("UTC")
    )
    late = pl.duration(days=days_late, hours=18) + pl.duration(days=pl.col("symbol").rank("dense"))
    return pit_frames.complete(
        "mining_costs",
        frame.with_columns(event_date=at.dt.date(), event_at=at).with_columns(available_at=pl.col("event_at") + late),
    )


@functools.cache
def computed(table: str) -> pl.DataFrame:
    return compute_features(table, tables(), pit_frames.days())


def known(table: str, session: dt.date, value: str, **where: str) -> Values:
    """Newest known revision of each day."""
    rows = tables()[table].filter(pl.col("session") <= session, **where).sort("available_at", "revision")
    return {row["event_date"]: row[value] for row in rows.to_dicts()}


def prices(session: dt.date, symbol: str, value: str = "adj_close") -> Values:
    return known("prices", session, value, symbol=symbol)


def common(*series: Values) -> tuple[list[dt.date], list[np.ndarray]]:
    days = sorted(set.intersection(*(set(values) for values in series)))
    return days, [np.array([values[day] for day in days]) for values in series]


def statistic(residual: np.ndarray) -> float:
    return float(adfuller(residual, maxlag=5, regression="n", autolag="AIC", result_object=False)[0])


def half_life(x: np.ndarray) -> float | None:
    slope = np.polyfit(x[:-1], np.diff(x), 1)[0]
    return -math.log(2) / math.log(1 + slope) if -1 < slope < 0 else None


def row(table: str, session: dt.date, **key: str) -> dict[str, Any]:
    (found,) = computed(table).filter(pl.col("session") == session, **key).to_dicts()
    return found


def check(got: Mapping[str, Any], want: Mapping[str, float | None]) -> None:
    for name, value in want.items():
        assert got[name] == (None if value is None else pytest.approx(value, rel=1e-6, abs=1e-9)), name


def z(x: np.ndarray) -> float:
    return float((x[-1] - x.mean()) / x.std(ddof=1))


def garbage(frame: pl.DataFrame, after: dt.date) -> pl.DataFrame:
    """The frame with every number of rows known after a session replaced."""
    names = [n for n, t in frame.schema.items() if n not in STAMPS and t.is_numeric()]
    later = pl.col("session") > after
    return frame.with_columns(
        pl.when(later).then(pl.col(n) * 1000 + 7).otherwise(n).cast(frame.schema[n]).alias(n) for n in names
    )
