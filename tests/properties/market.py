"""The simulated market as point-in-time tables, and ways to disturb it: the ground every strategy is tested on."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import polars as pl

from qgtm_core import calendar
from qgtm_core.features.registry import FEATURES, compute_features
from qgtm_core.models.walk_forward import TRAINERS, fit_missing
from qgtm_core.quarantine import normalise
from qgtm_core.schemas.pit import PIT_SOURCES, PIT_TABLES
from qgtm_core.schemas.raw import RAW_TABLES
from qgtm_core.strategies.evaluate import evaluate_all
from qgtm_core.strategies.panel import span_of
from qgtm_core.strategies.registry import REGISTRY
from qgtm_core.strategies.spec import Cadence, DataRef, Strategy, consumed
from qgtm_resources.feeds.simulated import SimulatedFeed
from tests.core.models import judge

Pit = Mapping[str, pl.DataFrame]

LAST = dt.date(2024, 6, 28)
ASKED_FROM = dt.date(2024, 4, 1)  # every warm-up is over
YEARS = 11  # the longest look-back is ten years of months
SEED = 7
STRATEGIES: dict[str, Strategy] = {key: s for key, s in REGISTRY.items() if s.cadence is not Cadence.INTRADAY}
LONGEST = max(strategy.lookback for strategy in STRATEGIES.values())
FITTED = dt.date(2023, 12, 1), dt.date(2024, 2, 1)  # one fit each, in use from ASKED_FROM on
JUDGED_FROM = dt.date(2022, 12, 1)  # fits of the meta-labeller, made by hand
LARGE = {"bars_intraday"}  # read by the intraday strategies, which have a suite of their own


def sessions(first: dt.date = ASKED_FROM, last: dt.date = LAST) -> pl.DataFrame:
    """`session, decided_at`, both ends included."""
    return calendar.schedule(first, last).select("session", "decided_at")


@lru_cache(maxsize=1)
def base() -> Pit:
    """The undisturbed market."""
    feed = SimulatedFeed(SEED, LAST, YEARS)
    raw = {name: feed.rows(name, calendar.FIRST_SESSION, LAST) for name in RAW_TABLES if name not in LARGE}
    pit = {
        name: normalise(name, {source: raw[source] for source in sources})[0]
        for name, sources in PIT_SOURCES.items()
        if not LARGE & set(sources)
    }
    judged = consumed(REGISTRY["meta_labeller_pm"], REGISTRY)
    return {**pit, "models": _models(pit), "meta_models": judge.fits(judged, JUDGED_FROM, LAST)}


def _models(pit: Pit) -> pl.DataFrame:
    """One fit of each model that learns from the market."""
    fits = [row for trainer in TRAINERS for row in fit_missing(trainer, pit, *FITTED, (), lambda *_: None)]
    return pl.concat([PIT_TABLES["models"].empty(), *fits])


def features_of(pit: Pit, first: dt.date = ASKED_FROM, last: dt.date = LAST) -> dict[str, pl.DataFrame]:
    """Every feature table with the longest look-back of the registry."""
    days = sessions(calendar.offset_session(first, -LONGEST), last)
    return {table: compute_features(table, pit, days) for table in FEATURES}


def signals_of(pit: Pit, first: dt.date = ASKED_FROM, last: dt.date = LAST) -> dict[str, pl.DataFrame]:
    """Signals of every strategy, the quarantined too."""
    return evaluate_all(STRATEGIES, features_of(pit, first, last), sessions(first, last), include_quarantined=True)


@lru_cache(maxsize=1)
def base_features() -> dict[str, pl.DataFrame]:
    """Features of the undisturbed market."""
    return features_of(base())


@lru_cache(maxsize=1)
def base_signals() -> dict[str, pl.DataFrame]:
    """Signals of the undisturbed market."""
    return evaluate_all(STRATEGIES, base_features(), sessions(), include_quarantined=True)


def known_at(pit: Pit, decided_at: dt.datetime) -> Pit:
    """Only the rows known at a decision; the others are deleted."""
    return {name: frame.filter(pl.col("available_at") <= decided_at) for name, frame in pit.items()}


def _numbers(name: str, change: Callable[[pl.Expr], pl.Expr]) -> dict[str, pl.Expr]:
    """Every measured number of a table, changed; keys and counts of revisions stay."""
    table = PIT_TABLES[name]
    changed = {}
    for column, declared in table.columns.items():
        if column not in table.key and (declared.dtype.is_float() or declared.dtype == pl.Int64):
            changed[column] = change(pl.col(column).cast(pl.Float64)).cast(declared.dtype)
    return changed


def garbled_after(pit: Pit, decided_at: dt.datetime) -> Pit:
    """The rows known only after a decision carry values that make no sense."""
    later = pl.col("available_at") > decided_at

    def wild(value: pl.Expr) -> pl.Expr:
        return pl.when(later).then((value.abs() * 7.3 + 11.0).round(6)).otherwise(value)

    garbled = {name: frame.with_columns(**_numbers(name, wild)) for name, frame in pit.items()}
    moved = pl.when(later).then(pl.col("event_date").dt.offset_by("9d")).otherwise("event_date")
    return {**garbled, "festivals": pit["festivals"].with_columns(event_date=moved)}


def revised_after(pit: Pit, decided_at: dt.datetime) -> Pit:
    """Everything that became known in the sixty days before a decision is revised one second after it."""
    later = decided_at + dt.timedelta(seconds=1)
    recent = pl.col("available_at").is_between(decided_at - dt.timedelta(days=60), decided_at)
    out = dict(pit)
    for name, frame in pit.items():
        shifted = _numbers(name, lambda value: value * 1.1 + 0.01)
        again = frame.filter(recent).with_columns(
            available_at=pl.lit(later), retrieved_at=pl.lit(later), revision=pl.col("revision") + 100, **shifted
        )
        again = calendar.with_session(again.drop("session")).select(frame.columns)
        out[name] = pl.concat([frame, again.cast(dict(frame.schema))])
    return out


def with_prices(pit: Pit, **columns: pl.Expr) -> Pit:
    """The market with other prices."""
    return {**pit, "prices": pit["prices"].with_columns(**columns)}


def refs(strategy: Strategy, data: Sequence[str]) -> list[tuple[str, pl.Expr]]:
    """Data references as pairs of PIT table and the rows they are about."""
    parsed = [DataRef.parse(text) for text in data]
    return [(ref.table, ref.matches(strategy.symbols)) for ref in parsed]


def without(pit: Pit, strategy: Strategy, data: Sequence[str]) -> Pit:
    """The market in which these data never existed."""
    out = dict(pit)
    for table, rows in refs(strategy, data):
        out[table] = out[table].filter(~rows)
    return out


def frozen(pit: Pit, strategy: Strategy, data: Sequence[str], after: dt.datetime) -> Pit:
    """The market in which these data were last heard of at an instant."""
    out = dict(pit)
    for table, rows in refs(strategy, data):
        out[table] = out[table].filter(~rows | (pl.col("available_at") <= after))
    return out


def young(pit: Pit, strategy: Strategy, data: Sequence[str], observations: int) -> Pit:
    """The market in which these data began so many observations before the last computation."""
    out = dict(pit)
    computed_on = span_of(strategy, sessions(LAST, LAST)).computed_on[-1].astype("datetime64[D]").item()
    day = pl.col("event_at").dt.date()
    for table, rows in refs(strategy, data):
        known = out[table].filter(rows & (pl.col("session") <= computed_on))
        days = known.select(day.unique().sort()).to_series()
        first = days[-min(observations, len(days))] if len(days) else LAST
        out[table] = out[table].filter(~rows | (day >= first))
    return out


def lean_signals(strategy: Strategy, pit: Pit, day: dt.date = LAST) -> pl.DataFrame:
    """Signals of one session from the strategy's own tables and, where it reads any, the signals of others."""
    needed = {strategy.id: strategy, **{key: REGISTRY[key] for key in consumed(strategy, REGISTRY)}}
    lookback = max(s.lookback for s in needed.values())
    days = sessions(calendar.offset_session(day, -lookback), day)
    tables = {table for s in needed.values() for table in s.tables}
    features = {table: compute_features(table, pit, days) for table in tables}
    return evaluate_all(needed, features, sessions(day, day), include_quarantined=True)[strategy.id]
