"""Nothing known later changes an earlier row: features, signals and target weights with the future cut off or spoiled.

Rows are compared bit for bit with those of a run over the full history. `cut` takes every row away that became known
after a session. `spoilt` puts noise, nulls and infinities in their place, and adds a false revision of every row known
before, which arrives one session later; features and signals are then computed past the cut, through the noise.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.history import (
    QUOTES,
    Frames,
    Span,
    make_features,
    make_panel,
    make_pit,
    make_signals,
    open_archive,
    read_raw,
    with_fits,
)
from benchmarks.tables import Result, Table
from qgtm_assets.desk import CLUSTERS
from qgtm_core import calendar
from qgtm_core.engine import open_session, target_stage
from qgtm_core.policy import Policy
from qgtm_core.schemas.features import FEATURE_TABLES
from qgtm_core.schemas.pit import PIT_TABLES
from qgtm_core.schemas.raw import RAW_TABLES
from qgtm_core.schemas.spec import Table as Declared
from qgtm_core.types import BookState
from qgtm_core.view import Array

CUTS = 12
FIRST_CUT = dt.date(2012, 3, 15)
BEYOND = 260  # sessions computed past the cut in a spoilt history
FALSE_REVISION = 9_999
SEED = 20_240_628
CASH = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class World:
    """What was computed from one history."""

    features: Frames
    signals: Frames
    quotes: pl.DataFrame


def run(folder: Path, span: Span) -> Result:
    """Compare the cut and the spoilt history at every cut with the full one."""
    feed = open_archive(folder)
    pit = with_fits(make_pit(read_raw(feed, span.last)), span)
    quotes = feed.rows(QUOTES, span.first, span.last)
    full = world_of(pit, quotes, span)
    rows: list[dict[str, Any]] = []
    for session in cuts(span):
        until = Span(span.first, session)
        past = Span(span.first, min(span.last, calendar.offset_session(session, BEYOND)))
        rows.append(compare("cut", full, world_of(_cut_all(pit, session), _cut(quotes, session), until), until))
        noise = {name: spoil(PIT_TABLES[name], frame, session) for name, frame in pit.items()}
        spoilt = world_of(noise, spoil(RAW_TABLES[QUOTES], quotes, session), past)
        rows.append(compare("spoilt", full, spoilt, until))
    seen = leak_is_seen(pit, quotes, span)
    result = Result("lookahead", ok=bool(seen) and not any(row["different"] + row["weights_different"] for row in rows))
    result.tables = [Table(f"{len(rows) // 2} cuts, each row up to the cut against the full history", rows)]
    result.notes.append(
        f"{sum(row['rows'] for row in rows)} rows compared. Of a history in which every row is known one session too "
        f"early, the same comparison finds {seen} rows that differ (none would mean that it sees nothing)."
    )
    return result


def cuts(span: Span) -> list[dt.date]:
    """Sessions spread over the range, neither at month ends only nor evenly by weekday."""
    days = calendar.schedule(max(span.first, FIRST_CUT), span.last)["session"]
    return [days[int(i)] for i in np.linspace(0, len(days) - 2, CUTS)]


def world_of(pit: Mapping[str, pl.DataFrame], quotes: pl.DataFrame, span: Span) -> World:
    """Features and signals of the range."""
    features = make_features(pit, span.feature_sessions)
    return World(features, make_signals(features, span.sessions), quotes)


def _cut(frame: pl.DataFrame, session: dt.date) -> pl.DataFrame:
    return frame.filter(pl.col("session") <= session)


def _cut_all(frames: Mapping[str, pl.DataFrame], session: dt.date) -> Frames:
    return {name: _cut(frame, session) for name, frame in frames.items()}


# spoiling


def spoil(table: Declared, frame: pl.DataFrame, session: dt.date) -> pl.DataFrame:
    """Noise in place of all that became known after the session, and a false revision of all that was known."""
    known, future = _cut(frame, session), frame.filter(pl.col("session") > session)
    later = calendar.next_session(session)
    false = known.with_columns(
        session=pl.lit(later),
        available_at=pl.lit(calendar.decision_time(later)),
        revision=pl.lit(FALSE_REVISION, dtype=frame.schema["revision"]),
    ).unique(list(table.key), keep="last", maintain_order=True)
    random = np.random.default_rng(SEED + session.toordinal())
    return pl.concat([known, _noise(table, future, random), _noise(table, false, random)])


def _noise(table: Declared, frame: pl.DataFrame, random: np.random.Generator) -> pl.DataFrame:
    """The same rows with noise in every number that is no key."""
    columns = [name for name in table.columns if name not in table.key and name != "revision"]
    return frame.with_columns(
        _noise_like(frame[name], random, nullable=table.columns[name].nullable)
        for name in columns
        if frame.schema[name].is_numeric()
    )


def _noise_like(column: pl.Series, random: np.random.Generator, *, nullable: bool) -> pl.Series:
    if column.dtype.is_integer():
        return pl.Series(column.name, random.integers(-100, 100, len(column))).cast(column.dtype, strict=False)
    wild = random.lognormal(0.0, 5.0, len(column)) * random.choice(
        [-1.0, 1.0, np.inf], len(column), p=[0.3, 0.69, 0.01]
    )
    found = pl.Series(column.name, wild).cast(column.dtype)
    if not nullable:
        return found
    return pl.select(pl.when(pl.Series(random.random(len(column)) > 0.1)).then(found)).to_series().alias(column.name)


def leak_is_seen(pit: Mapping[str, pl.DataFrame], quotes: pl.DataFrame, span: Span) -> int:
    """Rows that differ when every PIT row is, wrongly, known one session before it was: must not be none."""
    session = cuts(span)[CUTS // 2]
    short = Span(calendar.offset_session(session, -BEYOND), session)
    noise = {name: spoil(PIT_TABLES[name], frame, session) for name, frame in pit.items()}
    leaky, spoilt = (world_of({n: _too_early(f) for n, f in frames.items()}, quotes, short) for frames in (pit, noise))
    return int(compare("leaky", leaky, spoilt, short)["different"])


def _too_early(frame: pl.DataFrame) -> pl.DataFrame:
    before = calendar.schedule().select(
        "session", _before=pl.col("session").shift(1), _decided=pl.col("decided_at").shift(1)
    )
    moved = frame.join(before, on="session", how="inner", maintain_order="left").with_columns(
        session="_before", available_at=pl.min_horizontal("available_at", "_decided")
    )
    return moved.drop_nulls("session").select(frame.columns)


# comparing


def compare(kind: str, full: World, other: World, span: Span) -> dict[str, Any]:
    """Count the rows up to the cut and those that differ in any bit; name the first one."""
    compared, different, first = 0, 0, ""
    for label, key, expected, found in pairs(full, other, span):
        rows, wrong, where = differences(expected, found, key)
        compared, different = compared + rows, different + wrong
        first = first or (f"{label}: {where}" if where else "")
    weights = [target_weights(world, span.last) for world in (full, other)]
    return {
        "history": kind,
        "session": str(span.last),
        "rows": compared,
        "different": different,
        "weights": len(weights[0]),
        "weights_different": int((weights[0].view(np.int64) != weights[1].view(np.int64)).sum()),
        "invested": float(np.abs(weights[0]).sum()),
        "first difference": first,
        "load": os.getloadavg()[0],
    }


def pairs(full: World, other: World, span: Span) -> Iterator[tuple[str, list[str], pl.DataFrame, pl.DataFrame]]:
    """Every table of both worlds up to the cut, sorted by key."""
    for name, frame in full.features.items():
        key = list(FEATURE_TABLES[name].key)
        both = [_cut(f, span.last).sort(key) for f in (frame, other.features[name])]
        yield f"features/{name}", key, both[0], both[1]
    for name, frame in full.signals.items():
        key = ["session", "symbol"]
        both = [_cut(f, span.last).sort(key) for f in (frame, other.signals[name])]
        yield f"signals/{name}", key, both[0], both[1]


def differences(expected: pl.DataFrame, found: pl.DataFrame, key: list[str]) -> tuple[int, int, str]:
    """Rows compared, rows that differ, and the first difference in words."""
    if expected.height != found.height or expected.columns != found.columns:
        return expected.height, max(expected.height, 1), f"{expected.height} rows against {found.height}"
    marks = pl.DataFrame({name: _unequal(expected[name], found[name]) for name in expected.columns})
    wrong = marks.select(pl.any_horizontal(pl.all())).to_series()
    if not wrong.any():
        return expected.height, 0, ""
    row = int(wrong.arg_max() or 0)
    column = next(name for name in marks.columns if marks[name][row])
    place = ", ".join(str(expected[name][row]) for name in key)
    return expected.height, int(wrong.sum()), f"{column} at {place}: {expected[column][row]} / {found[column][row]}"


def _unequal(expected: pl.Series, found: pl.Series) -> pl.Series:
    """True where two values differ; floats by their bits, so that -0.0 is not 0.0 and NaN is not null."""
    if expected.dtype == pl.Float64:
        nulls = expected.is_null() != found.is_null()
        bits = [s.fill_null(0.0).to_numpy().view(np.int64) for s in (expected, found)]
        return nulls | pl.Series(bits[0] != bits[1])
    return expected.ne_missing(found)


def target_weights(world: World, session: dt.date) -> Array:
    """Target weights of a book without positions at the decision of the session."""
    panel = make_panel(world.features, world.signals, _cut(world.quotes, session), Span(session, session))
    view, policy = next(panel.views()), Policy()
    opened = open_session(BookState(book="benchmark", cash_usd=CASH), view, policy)
    return target_stage(opened, view, CLUSTERS, policy).target_weight
