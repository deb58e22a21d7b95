"""A synthetic point-in-time market: random walks with real publication rules, and ways to disturb it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import polars as pl

from qgtm_core import calendar, festivals, publication
from qgtm_core.features.registry import FEATURES, compute_features
from qgtm_core.schemas.features import COT_MARKETS, COT_REPORT
from qgtm_core.schemas.pit import PIT_TABLES
from qgtm_core.strategies.evaluate import evaluate
from qgtm_core.strategies.registry import REGISTRY
from qgtm_core.strategies.spec import Strategy

Pit = Mapping[str, pl.DataFrame]

FIRST, LAST = dt.date(2017, 1, 3), dt.date(2020, 12, 31)
ASKED_FROM = dt.date(2020, 10, 1)  # every warm-up is over
SYMBOLS = {"GLD": 0.16, "SLV": 0.30, "PPLT": 0.25, "PALL": 0.35, "GDX": 0.38, "SIL": 0.40, "SPY": 0.16, "UUP": 0.07}
MACRO = {"DFII10": (0.5, 0.05), "T10YIE": (1.8, 0.04), "VIXCLS": (18.0, 1.5)}


def sessions(first: dt.date = ASKED_FROM, last: dt.date = LAST) -> pl.DataFrame:
    """`session, decided_at`, both ends included."""
    return calendar.schedule(first, last).select("session", "decided_at")


def _finish(table: str, frame: pl.DataFrame, event_at: pl.Expr, available_at: pl.Expr) -> pl.DataFrame:
    declared = PIT_TABLES[table]
    known = calendar.with_session(frame.with_columns(event_at=event_at, available_at=available_at))
    rows = known.with_columns(
        retrieved_at=pl.col("available_at"), revision=pl.lit(0, pl.Int32), source=pl.lit("synthetic")
    )
    rows = rows.with_columns(pl.lit(None, t).alias(n) for n, t in declared.dtypes.items() if n not in rows.columns)
    return declared.conform(rows.select(list(declared.dtypes)))


def _prices(rng: np.random.Generator) -> pl.DataFrame:
    days = calendar.schedule(FIRST, LAST)["session"]
    common = rng.normal(size=days.len())
    parts = []
    for symbol, vol in SYMBOLS.items():
        share = -0.5 if symbol == "UUP" else 0.0 if symbol == "SPY" else 0.7
        returns = vol / 252**0.5 * (share * common + (1 - share**2) ** 0.5 * rng.standard_t(5, size=days.len()) / 1.29)
        price = 100.0 * np.exp(np.cumsum(returns))
        parts.append(
            pl.DataFrame({"event_date": days, "close": price, "adj_close": price}).with_columns(
                symbol=pl.lit(symbol), volume=pl.lit(1_000_000, pl.Int64), volume_scope=pl.lit("consolidated")
            )
        )
    frame = pl.concat(parts).with_columns(open="close", high="close", low="close")
    day = pl.col("event_date")
    return _finish("prices", frame, publication.session_close(day), publication.daily_bar(day))


def _macro(rng: np.random.Generator) -> pl.DataFrame:
    days = calendar.schedule(FIRST, LAST)["session"]
    parts = []
    for series, (level, step) in MACRO.items():
        path = level + np.cumsum(rng.normal(size=days.len()) * step)
        values = np.abs(path) + 9.0 if series == "VIXCLS" else path
        parts.append(pl.DataFrame({"event_date": days, "value": values}).with_columns(series_id=pl.lit(series)))
    day = pl.col("event_date")
    known = pl.when(series_id="VIXCLS").then(publication.next_morning(day)).otherwise(publication.h15(day))
    return _finish("macro", pl.concat(parts), publication.session_close(day), known)


def _positioning(rng: np.random.Generator) -> pl.DataFrame:
    tuesdays = pl.date_range(FIRST, LAST, "1w", eager=True)
    parts = []
    for name, code in COT_MARKETS.items():
        share = 0.2 + np.cumsum(rng.normal(size=tuesdays.len()) * 0.03)
        long = np.round(200_000 * (1 + np.clip(share, -0.9, 0.9)))
        columns = {"managed_money_long": long.astype(int), "managed_money_short": 200_000, "open_interest": 600_000}
        parts.append(
            pl.DataFrame({"event_date": tuesdays}).with_columns(
                cftc_code=pl.lit(code),
                market=pl.lit(name),
                report_type=pl.lit(COT_REPORT),
                release_basis=pl.lit("rule"),
                **{n: pl.Series(np.broadcast_to(v, tuesdays.len()), dtype=pl.Int64) for n, v in columns.items()},
            )
        )
    day = pl.col("event_date")
    return _finish("positioning", pl.concat(parts), publication.session_close(day), publication.cot(day))


@lru_cache(maxsize=1)
def base() -> Pit:
    """The undisturbed market."""
    rng = np.random.default_rng(20170103)
    known = PIT_TABLES["festivals"].conform(festivals.rows())
    return {"prices": _prices(rng), "macro": _macro(rng), "positioning": _positioning(rng), "festivals": known}


def features_of(pit: Pit, first: dt.date = ASKED_FROM, last: dt.date = LAST) -> dict[str, pl.DataFrame]:
    """Every feature table with the longest look-back of the registry."""
    longest = max(strategy.lookback for strategy in REGISTRY.values())
    days = sessions(calendar.offset_session(first, -longest), last)
    return {table: compute_features(table, pit, days) for table in FEATURES}


def signals_of(pit: Pit, first: dt.date = ASKED_FROM, last: dt.date = LAST) -> dict[str, pl.DataFrame]:
    """Signals of every strategy, the quarantined too."""
    features, days = features_of(pit, first, last), sessions(first, last)
    return {s.id: evaluate(s, features, days, include_quarantined=True) for s in REGISTRY.values()}


@lru_cache(maxsize=1)
def base_features() -> dict[str, pl.DataFrame]:
    """Features of the undisturbed market."""
    return features_of(base())


@lru_cache(maxsize=1)
def base_signals() -> dict[str, pl.DataFrame]:
    """Signals of the undisturbed market."""
    return signals_of(base())


def known_at(pit: Pit, decided_at: dt.datetime) -> Pit:
    """Only the rows known at a decision; the others are deleted."""
    return {name: frame.filter(pl.col("available_at") <= decided_at) for name, frame in pit.items()}


def garbled_after(pit: Pit, decided_at: dt.datetime) -> Pit:
    """The rows known only after a decision carry values that make no sense."""
    later = pl.col("available_at") > decided_at
    wild = {
        "prices": {n: pl.when(later).then(9e4 / pl.col(n)).otherwise(n) for n in ("close", "adj_close")},
        "macro": {"value": pl.when(later).then(pl.lit(999.0)).otherwise("value")},
        "positioning": {
            n: pl.when(later).then(pl.lit(1, pl.Int64)).otherwise(n) for n in ("managed_money_long", "open_interest")
        },
        "festivals": {
            "event_date": pl.when(later).then(pl.col("event_date").dt.offset_by("9d")).otherwise("event_date")
        },
    }
    return {name: frame.with_columns(**wild[name]) for name, frame in pit.items()}


def revised_after(pit: Pit, decided_at: dt.datetime) -> Pit:
    """Every macro value, report and recent price known at a decision is revised one second later."""
    later = decided_at + dt.timedelta(seconds=1)
    shifts = {
        "prices": {n: pl.col(n) * 1.1 for n in ("close", "adj_close")},
        "macro": {"value": pl.col("value") + 1.0},
        "positioning": {"managed_money_short": pl.col("managed_money_short") // 2},
    }
    out = dict(pit)
    for name, shift in shifts.items():
        known = pit[name].filter(pl.col("available_at").is_between(decided_at - dt.timedelta(days=60), decided_at))
        again = known.with_columns(available_at=pl.lit(later), retrieved_at=pl.lit(later), **shift).drop("session")
        again = calendar.with_session(again).with_columns(pl.col("revision") + 1).select(pit[name].columns)
        out[name] = pl.concat([pit[name], again.cast(dict(pit[name].schema))])
    return out


def with_prices(pit: Pit, **columns: pl.Expr) -> Pit:
    """The market with other prices."""
    return {**pit, "prices": pit["prices"].with_columns(**columns)}


def required_by(strategy: Strategy) -> set[str]:
    """PIT tables behind a strategy."""
    return {source for table in strategy.tables for source in FEATURES[table].sources}
