"""The rows a rule may see, and the verdict on their health.

The only place that decides MISSING, WARMUP, STALE and DEGENERATE inputs; no rule and no score lives here.
Rows run session by session and, within one, leg by leg in order of the symbol.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import polars as pl

from qgtm_core import calendar
from qgtm_core.errors import DataError, InvariantError
from qgtm_core.schemas.features import FEATURE_TABLES
from qgtm_core.schemas.signals import signal_table
from qgtm_core.strategies.grid import NEVER, SIGNALS, Days, Flags, Floats, Grid, Ints, Shelf
from qgtm_core.strategies.spec import EVERY, STALENESS, Cadence, Input, Leg, Strategy
from qgtm_core.types import Reason

LEG_COLUMNS = ("symbol", "pair", "side", "market")
# Reasons of bad inputs, worst first: of several that hold, the first is reported.
INPUT_REASONS = (Reason.MISSING, Reason.WARMUP, Reason.STALE, Reason.DEGENERATE)
REASONS: tuple[str, ...] = tuple(reason.value for reason in dict.fromkeys((*INPUT_REASONS, *Reason)))
SPEAKS = 0  # a verdict is 0 or one more than the place of its reason in REASONS: of two reasons the worse is smaller
_WIDE_KEY = ("session", "symbol_a", "symbol_b")
_VOICES = ("score", "confidence")


def code_of(reason: Reason) -> int:
    """The verdict that stands for a reason."""
    return REASONS.index(reason.value) + 1


@dataclass(frozen=True, slots=True)
class Span:
    """Consecutive sessions: the day, the decision in microseconds, and the newest day on which a strategy computes."""

    sessions: Days
    decided_at: Ints
    computed_on: Days

    @property
    def computing(self) -> Flags:
        """True on the sessions on which it computes."""
        return np.asarray(self.sessions == self.computed_on)


@lru_cache(maxsize=len(Cadence))
def _all_sessions(cadence: Cadence) -> Span:
    day = pl.col("session")
    week, month = day.dt.truncate("1w"), day.dt.truncate("1mo")
    week_begins = (week != week.shift(1)).fill_null(value=True)
    week_month = pl.when(week_begins).then(month)  # month of each week's first session
    computes = {
        Cadence.WEEKLY: week_begins,
        Cadence.WEEKLY_LAST: (week != week.shift(-1)).fill_null(value=False),
        Cadence.MONTHLY: (month != month.shift(-1)).fill_null(value=False),
        Cadence.MONTHLY_FIRST_WEEK: (week_month != week_month.forward_fill().shift(1)).fill_null(value=False),
    }.get(cadence, pl.lit(value=True))
    computed_on = pl.when(computes).then("session").forward_fill().cast(pl.Int32).fill_null(0)
    frame = calendar.schedule().select(day.cast(pl.Int32), pl.col("decided_at").cast(pl.Int64), computed_on=computed_on)
    return Span(*(frame[name].to_numpy() for name in frame.columns))


def span_of(strategy: Strategy, asked: pl.DataFrame) -> Span:
    """Return the sessions from the look-back's first to the last one asked for.

    `asked` has `session` and `decided_at`, oldest first, at least one row; its decision times win over the
    calendar's. Raises DataError on a day that is not a session.
    """
    every = _all_sessions(strategy.cadence)
    days, decided = asked["session"].cast(pl.Int32).to_numpy(), asked["decided_at"].cast(pl.Int64).to_numpy()
    place = np.minimum(np.searchsorted(every.sessions, days), len(every.sessions) - 1)
    strange = every.sessions[place] != days
    if strange.any():
        raise DataError("sessions", f"{asked['session'][int(strange.argmax())]} is not a session", column="session")
    start, stop = max(int(place[0]) - strategy.lookback, 0), int(place[-1]) + 1
    at = every.decided_at[start:stop].copy()
    at[place - start] = decided
    return Span(every.sessions[start:stop], at, every.computed_on[start:stop])


def legs_of(strategy: Strategy) -> tuple[Leg, ...]:
    """Return the legs of a strategy by symbol: those declared, else one a symbol."""
    return _sorted_legs(strategy.legs or tuple(Leg(symbol) for symbol in strategy.symbols))


@lru_cache(maxsize=1024)
def _sorted_legs(legs: tuple[Leg, ...]) -> tuple[Leg, ...]:
    return tuple(sorted(legs, key=lambda leg: leg.symbol))


@lru_cache(maxsize=256)
def _leg_frame(legs: tuple[Leg, ...]) -> pl.DataFrame:
    columns = {name: [getattr(leg, name) for leg in legs] for name in LEG_COLUMNS}
    return pl.DataFrame(columns, schema=dict.fromkeys(LEG_COLUMNS, pl.String))


def signal_key(strategy_id: str) -> str:
    """Under which name the signals of a strategy are handed to one that consumes them."""
    return f"{SIGNALS}{strategy_id}"


@dataclass(frozen=True, slots=True)
class Health:
    """Verdict, freshness in [0.5, 1] and the newest instants among the inputs (NEVER = none): (sessions, legs)."""

    verdict: Ints
    freshness: Floats
    event_at: Ints
    available_at: Ints


@dataclass(frozen=True, slots=True)
class Panel:
    """What a rule sees of the sessions on which it computes, and the health of all sessions."""

    health: Health
    computing: Flags  # by session
    frame: pl.DataFrame  # rows of the computing sessions


@dataclass(frozen=True, slots=True)
class _View:
    """Where the legs of one strategy find their rows in one table; several columns a leg for a table of pairs."""

    grid: Grid
    rows: Ints  # (sessions, legs), or (sessions, legs, partners) of a table of pairs


def build_panel(strategy: Strategy, shelf: Shelf, span: Span) -> Panel:
    """Return the panel over a span that ends where the shelf ends.

    Values are null where the verdict is not to speak. Raises InvariantError when an input row was not known at the
    decision and DataError on a key that occurs twice.
    """
    legs, sessions = legs_of(strategy), len(span.sessions)
    views = {table: _view(shelf, table, legs, sessions) for table in strategy.tables}
    decided = span.decided_at[:, None]
    health = _judge(strategy, views, decided, (sessions, len(legs)))
    said = _voices_of(strategy, shelf, legs, sessions)
    health = _heard(health, said)
    late = (health.available_at > decided).any(axis=1)
    if late.any():
        day = span.sessions[int(late.argmax())].astype("datetime64[D]")
        raise InvariantError(f"signals/{strategy.id}: an input of {day} became known only after its decision")
    return Panel(health, span.computing, _frame(strategy, views, said, span, health.verdict == SPEAKS))


def _view(shelf: Shelf, table: str, legs: tuple[Leg, ...], sessions: int) -> _View:
    declared = FEATURE_TABLES[table]
    grid = shelf.grid(declared, table)
    start = shelf.height - sessions
    if declared.key == _WIDE_KEY:
        symbols = tuple(dict.fromkeys(leg.symbol for leg in legs))
        pairs = tuple((x, y) for n, x in enumerate(symbols) for y in symbols[n + 1 :])
        rows = grid.rows(("symbol_a", "symbol_b"), pairs)[start:]
        own = np.array([[n for n, pair in enumerate(pairs) if leg.symbol in pair] for leg in legs])
        return _View(grid, rows[:, own])
    columns = tuple(name for name in declared.key if name != "session")
    wanted = tuple(tuple(getattr(leg, name) for name in columns) for leg in legs)
    keys = tuple(dict.fromkeys(wanted))
    rows = grid.rows(columns, keys)[start:]
    return _View(grid, rows[:, [keys.index(key) for key in wanted]])


def _judge(strategy: Strategy, views: Mapping[str, _View], decided: Ints, shape: tuple[int, int]) -> Health:
    """Look at every input; of several faults the worst counts."""
    bad = {reason: np.zeros(shape, dtype=bool) for reason in INPUT_REASONS}
    freshness = np.ones(shape)
    event_at, available_at = np.full(shape, NEVER), np.full(shape, NEVER)
    for item in strategy.inputs:
        view = views[item.table]
        known = _newest(view, view.grid.instants(item.availability or f"{item.prefix}available_at"))
        if not all(view.grid.has(c) for c in item.columns if c not in item.optional):
            known = np.full(shape, NEVER)  # an input without one of its columns is missing altogether
        available_at = np.maximum(available_at, known)
        measure = _most(view, view.grid.numbers(item.coverage or f"{item.prefix}obs"))
        bad[Reason.MISSING] |= (known == NEVER) | np.isnan(measure)
        bad[Reason.DEGENERATE] |= _degenerate(item, view, shape)
        if item.coverage:
            bad[Reason.STALE] |= measure == 0.0
            continue
        limit_us = STALENESS[item.staleness].total_seconds() * 1e6
        age_us = np.where(known == NEVER, 0, decided - known).astype(np.float64)
        event_at = np.maximum(event_at, _newest(view, view.grid.instants(f"{item.prefix}event_at")))
        bad[Reason.WARMUP] |= measure < item.warmup
        bad[Reason.STALE] |= age_us > limit_us
        freshness = np.minimum(freshness, np.clip(1.5 - age_us * (1.0 / limit_us), 0.5, 1.0))
    verdict = np.full(shape, SPEAKS)
    for reason in reversed(INPUT_REASONS):
        verdict[bad[reason]] = code_of(reason)
    return Health(verdict, freshness, event_at, available_at)


def _newest(view: _View, instants: Ints) -> Ints:
    found: Ints = instants[view.rows]
    return found.max(axis=2) if view.rows.ndim == 3 else found


def _most(view: _View, numbers: Floats) -> Floats:
    found: Floats = numbers[view.rows]
    return np.fmax.reduce(found, axis=2) if view.rows.ndim == 3 else found


def _degenerate(item: Input, view: _View, shape: tuple[int, int]) -> Flags:
    """True where a required value is null or not finite; a table of pairs is left to the rule, which drops symbols."""
    bad = np.zeros(shape, dtype=bool)
    if view.rows.ndim == 3:
        return bad
    for column in item.columns:
        if column not in item.optional and view.grid.has(column):
            dtype = view.grid.table.columns[column].dtype
            usable = np.isfinite(view.grid.numbers(column)) if dtype.is_numeric() else view.grid.present(column)
            bad |= ~usable[view.rows]
    return bad


def _voices_of(strategy: Strategy, shelf: Shelf, legs: tuple[Leg, ...], sessions: int) -> dict[str, _View]:
    """Where the legs find the signals of each strategy they read."""
    if not strategy.consumes:
        return {}
    told = [name.removeprefix(SIGNALS) for name in shelf.names if name.startswith(SIGNALS)]
    keys = tuple((symbol,) for symbol in dict.fromkeys(leg.symbol for leg in legs))
    place = [keys.index((leg.symbol,)) for leg in legs]
    voices = {}
    for child in told if EVERY in strategy.consumes else strategy.consumes:
        grid = shelf.grid(signal_table(child), signal_key(child))
        voices[child] = _View(grid, grid.rows(("symbol",), keys)[shelf.height - sessions :][:, place])
    return voices


def _heard(health: Health, voices: Mapping[str, _View]) -> Health:
    """Instants that count the consumed signals that speak; how fresh those are is in their confidence."""
    event_at, available_at = health.event_at, health.available_at
    for voice in voices.values():
        spoken = np.isfinite(voice.grid.numbers("score")[voice.rows])
        event_at = np.maximum(event_at, np.where(spoken, voice.grid.instants("as_of_max")[voice.rows], NEVER))
        known = np.where(spoken, voice.grid.instants("available_at")[voice.rows], NEVER)
        available_at = np.maximum(available_at, known)
    return replace(health, event_at=event_at, available_at=available_at)


def _frame(
    strategy: Strategy, views: Mapping[str, _View], voices: Mapping[str, _View], span: Span, speaks: Flags
) -> pl.DataFrame:
    """The rule's rows: keys, then every declared column, null where the leg may not speak."""
    legs, computing = legs_of(strategy), span.computing
    wanted = speaks[computing].ravel()
    columns: dict[str, pl.Series] = {}
    for item in strategy.inputs:
        view = views[item.table]
        if view.rows.ndim == 3:
            columns |= _pair_columns(item, view, _leg_frame(legs), computing, wanted)
        else:
            rows = view.rows[computing].ravel()
            columns |= {c: view.grid.series(c, rows, wanted) for c in item.columns if c not in columns}
    for child, voice in voices.items():
        rows = voice.rows[computing].ravel()
        spoken = np.isfinite(voice.grid.numbers("score")[rows])
        columns |= {f"{v}@{child}": voice.grid.series(v, rows, spoken).alias(f"{v}@{child}") for v in _VOICES}
    return keys_of(span.sessions[computing], _leg_frame(legs)).hstack(list(columns.values()))


def keys_of(sessions: Days, each: pl.DataFrame) -> pl.DataFrame:
    """Return `session` and the columns of `each`, all of its rows for every session."""
    days = pl.Series("session", np.repeat(sessions, each.height)).cast(pl.Date)
    rows = each
    if len(sessions) != 1:
        rows = each.select(pl.all().gather(np.tile(np.arange(each.height), len(sessions))))
    return pl.DataFrame([days, *rows.get_columns()])


def _pair_columns(
    item: Input, view: _View, legs: pl.DataFrame, computing: Flags, wanted: Flags
) -> dict[str, pl.Series]:
    """One column a pair of the strategy's symbols, the same for every leg that may speak."""
    symbols = list(dict.fromkeys(legs["symbol"]))
    rows = view.rows[computing]
    columns: dict[str, pl.Series] = {}
    for n, x in enumerate(symbols):
        leg = legs["symbol"].to_list().index(x)
        for m, y in enumerate(symbols[n + 1 :], start=n):
            each = np.repeat(rows[:, leg, m], legs.height)
            for column in item.columns:
                name = f"{column}@{x}/{y}"
                columns[name] = view.grid.series(column, each, wanted).alias(name)
    return columns
