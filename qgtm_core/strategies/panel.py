"""The rows a rule may see: feature tables joined by session and leg, with the verdict on their health.

The only place that decides MISSING, WARMUP, STALE and DEGENERATE inputs; no rule and no score lives here. Expressions
and legs depend on the declaration alone and are built once: one live session costs a few milliseconds.
"""

from __future__ import annotations

import bisect
import datetime as dt
from collections.abc import Iterable, Mapping
from functools import lru_cache, reduce
from typing import Any

import polars as pl

from qgtm_core import calendar
from qgtm_core.errors import DataError, InvariantError
from qgtm_core.schemas.features import FEATURE_TABLES
from qgtm_core.schemas.spec import INSTANT, Table
from qgtm_core.strategies.helpers import over
from qgtm_core.strategies.spec import STALENESS, Cadence, Input, Leg, Strategy
from qgtm_core.types import Reason, SignalStatus

LEG_COLUMNS = ("symbol", "pair", "side", "market")
VERDICT_COLUMNS = ("session", "symbol", "reason", "event_at", "available_at", "freshness")
# Reasons of bad inputs, worst first: of several that hold, the first is reported.
INPUT_REASONS = (Reason.MISSING, Reason.WARMUP, Reason.STALE, Reason.DEGENERATE)
_WIDE_KEY = ("session", "symbol_a", "symbol_b")
_HEALTH = {"obs": "obs", "event": "event_at", "available": "available_at"}


@lru_cache(maxsize=len(Cadence))
def _days(cadence: Cadence) -> tuple[list[dt.date], pl.DataFrame]:
    """All sessions, plain and as `session, decided_at, computed_on`: the newest on which a strategy computes."""
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
    frame = calendar.schedule().select(
        "session", "decided_at", computed_on=pl.when(computes).then("session").forward_fill()
    )
    return frame["session"].to_list(), frame


def days_of(strategy: Strategy, asked: pl.DataFrame) -> pl.DataFrame:
    """Return `session, decided_at, computed_on` from the look-back's first session to the last one asked for.

    `asked` has `session` and `decided_at`, oldest first, at least one row; its decision times win over the
    calendar's. `computed_on` is null before the first computation the calendar knows. Raises DataError on a day that is
    not a session.
    """
    sessions, days = _days(strategy.cadence)
    low = bisect.bisect_left(sessions, asked["session"][0])
    high = bisect.bisect_right(sessions, asked["session"][-1])
    start = max(low - strategy.lookback, 0)
    span = days.slice(start, high - start)
    if span["decided_at"].tail(asked.height).equals(asked["decided_at"]):
        return span
    unknown = asked.filter(~pl.col("session").is_in(span["session"].implode()))
    if unknown.height:
        raise DataError("sessions", f"{unknown['session'][0]} is not a session", column="session")
    return span.update(asked, on="session")


def legs_of(strategy: Strategy) -> tuple[Leg, ...]:
    """Return the legs of a strategy by symbol: those declared, else one a symbol."""
    return tuple(sorted(strategy.legs or (Leg(symbol) for symbol in strategy.symbols), key=lambda leg: leg.symbol))


@lru_cache(maxsize=1024)
def _leg_frame(legs: tuple[Leg, ...]) -> pl.DataFrame:
    columns = {name: [getattr(leg, name) for leg in legs] for name in LEG_COLUMNS}
    return pl.DataFrame(columns, schema=dict.fromkeys(LEG_COLUMNS, pl.String))


def signal_key(strategy_id: str) -> str:
    """Under which name the signals of a strategy are handed to one that consumes them."""
    return f"signals/{strategy_id}"


def build_panel(strategy: Strategy, features: Mapping[str, pl.DataFrame], days: pl.DataFrame) -> pl.DataFrame:
    """Return one row per (session, leg): keys, declared values, and the verdict on the inputs.

    `reason` is null where every input is usable; only there the values are not null. `freshness` in [0.5, 1] is that
    of the stalest input; `event_at` and `available_at` are the newest among the inputs.
    Raises InvariantError when an input row was not known at the decision and DataError on a key that occurs twice.
    """
    legs = legs_of(strategy)
    panel = days.join(_leg_frame(legs), how="cross", maintain_order="left_right")
    for table in strategy.tables:
        frame = features.get(table)
        panel = _join(panel, table, strategy.inputs, FEATURE_TABLES[table].empty() if frame is None else frame, legs)
    for key, frame in features.items():
        if strategy.consumes and key.startswith(signal_key("")):
            panel = _join_signals(panel, key.removeprefix(signal_key("")), frame)
    values = tuple(c for c in panel.columns if c not in (*LEG_COLUMNS, *days.columns) and not c.startswith("_"))
    floats = tuple(c for c in values if panel.schema[c].is_float())
    panel = panel.with_columns(_verdicts(strategy.inputs, values, floats))
    if panel["_late"].any():
        session = panel.filter("_late")["session"][0]
        raise InvariantError(f"signals/{strategy.id}: an input of {session} became known only after its decision")
    return panel.select(*VERDICT_COLUMNS, *LEG_COLUMNS[1:], *_usable_only(values))


def _join(
    panel: pl.DataFrame, table: str, inputs: tuple[Input, ...], frame: pl.DataFrame, legs: tuple[Leg, ...]
) -> pl.DataFrame:
    """Add one table's declared columns and its inputs' health; what the table lacks becomes null."""
    declared = FEATURE_TABLES[table]
    first, last = panel["session"][0], panel["session"][-1]
    cut = frame.filter(pl.col("session").is_between(first, last)).select(
        _selection(inputs, table, tuple(frame.columns))
    )
    if declared.key == _WIDE_KEY:
        return _join_wide(panel, cut, legs)
    joined = panel.join(cut, on=list(declared.key), how="left", maintain_order="left")
    if joined.height != panel.height:
        raise DataError(f"features/{table}", "a key occurs more than once", column=declared.key[-1])
    return joined


@lru_cache(maxsize=1024)
def _selection(inputs: tuple[Input, ...], table: str, present: tuple[str, ...]) -> list[pl.Expr]:
    declared = FEATURE_TABLES[table]
    wanted = {key: key for key in declared.key}
    for number, item in enumerate(inputs):
        if item.table == table:
            wanted |= {column: column for column in item.columns}
            wanted |= {f"_{kind}_{number}": column for kind, column in _health_columns(item).items()}
            if not {*item.columns, *_health_columns(item).values()} - {*item.optional} <= {*present}:
                wanted[f"_available_{number}"] = ""  # an input without one of its columns is missing altogether
    return [
        (pl.col(column) if column in present else pl.lit(None, _dtype(declared, column))).alias(name)
        for name, column in wanted.items()
    ]


def _dtype(declared: Table, column: str) -> Any:
    return declared.columns[column].dtype if column else INSTANT


def _health_columns(item: Input) -> dict[str, str]:
    if item.coverage:
        return {"covered": item.coverage, "available": item.availability}
    return {kind: item.prefix + name for kind, name in _HEALTH.items()}


def _join_signals(panel: pl.DataFrame, strategy_id: str, signals: pl.DataFrame) -> pl.DataFrame:
    """Add the score and confidence of one consumed strategy; a silent one gives null."""
    spoken = signals.filter(status=SignalStatus.OK.value).select(
        "session", "symbol", *(pl.col(c).alias(f"{c}@{strategy_id}") for c in ("score", "confidence"))
    )
    return panel.join(spoken, on=["session", "symbol"], how="left", maintain_order="left")


def _join_wide(panel: pl.DataFrame, cut: pl.DataFrame, legs: tuple[Leg, ...]) -> pl.DataFrame:
    """Add a table keyed by two symbols: a column a pair, and to each symbol the health of its best pair."""
    symbols = sorted({leg.symbol for leg in legs})
    a, b = pl.col("symbol_a"), pl.col("symbol_b")
    health = [c for c in cut.columns if c.startswith("_")]
    values = [c for c in cut.columns if c not in health and c not in _WIDE_KEY]
    pairs = [(x, y) for n, x in enumerate(symbols) for y in symbols[n + 1 :]]
    wide = cut.group_by("session").agg(
        pl.col(v).filter((a == x) & (b == y)).first().alias(f"{v}@{x}/{y}") for x, y in pairs for v in values
    )
    inside = cut.filter(a.is_in(symbols) & b.is_in(symbols))
    sides = [inside.select("session", side.alias("symbol"), *health) for side in (a, b)]
    best = pl.concat(sides).group_by("session", "symbol").agg(pl.col(health).max())
    return panel.join(wide, on="session", how="left", maintain_order="left").join(
        best, on=["session", "symbol"], how="left", maintain_order="left"
    )


@lru_cache(maxsize=1024)
def _verdicts(inputs: tuple[Input, ...], values: tuple[str, ...], floats: tuple[str, ...]) -> list[pl.Expr]:
    """Expressions of `reason, freshness, event_at, available_at` and `_late` over a joined panel."""
    numbered = list(enumerate(inputs))
    available = [pl.col(f"_available_{n}") for n, _ in numbered]
    events = [pl.col(f"_event_{n}") for n, i in numbered if not i.coverage]
    bad = {
        Reason.MISSING: _any(_is_missing(n, i) for n, i in numbered),
        Reason.WARMUP: _any(_is_short(n, i) for n, i in numbered),
        Reason.STALE: _any(_is_stale(n, i) for n, i in numbered),
        Reason.DEGENERATE: _is_degenerate(inputs, values, floats),
    }
    return [
        reduce(
            lambda rest, r: pl.when(bad[r]).then(pl.lit(r.value)).otherwise(rest),
            reversed(INPUT_REASONS),
            pl.lit(None, pl.String),
        ).alias("reason"),
        pl.min_horizontal(pl.lit(1.0), *(_freshness(n, i) for n, i in numbered)).alias("freshness"),
        (pl.max_horizontal(events) if events else pl.lit(None, INSTANT)).alias("event_at"),
        (pl.max_horizontal(available) if available else pl.lit(None, INSTANT)).alias("available_at"),
        _any(known > pl.col("decided_at") for known in available).alias("_late"),
    ]


@lru_cache(maxsize=1024)
def _usable_only(values: tuple[str, ...]) -> list[pl.Expr]:
    usable = pl.col("reason").is_null()
    return [pl.when(usable).then(pl.col(c)).alias(c) for c in values]


def _age(number: int) -> pl.Expr:
    return pl.col("decided_at") - pl.col(f"_available_{number}")


def _is_missing(number: int, item: Input) -> pl.Expr:
    measure = "covered" if item.coverage else "obs"
    return pl.col(f"_available_{number}").is_null() | pl.col(f"_{measure}_{number}").is_null()


def _is_short(number: int, item: Input) -> pl.Expr:
    return pl.lit(value=False) if item.coverage else pl.col(f"_obs_{number}") < item.warmup


def _is_stale(number: int, item: Input) -> pl.Expr:
    return ~pl.col(f"_covered_{number}") if item.coverage else _age(number) > STALENESS[item.staleness]


def _is_degenerate(inputs: tuple[Input, ...], values: tuple[str, ...], floats: tuple[str, ...]) -> pl.Expr:
    """True where a required value is null or not finite; a table of pairs is left to the rule, which drops symbols."""
    required = [c for i in inputs for c in i.columns if c not in i.optional and c in values]
    bad = [~pl.col(c).is_finite().fill_null(value=False) if c in floats else pl.col(c).is_null() for c in required]
    return _any(bad)


def _any(conditions: Iterable[pl.Expr]) -> pl.Expr:
    return pl.any_horizontal(pl.lit(value=False), *conditions)


def _freshness(number: int, item: Input) -> pl.Expr:
    """One up to half the staleness limit, then falling linearly to 0.5 at the limit."""
    if item.coverage:
        return pl.lit(1.0)
    limit_us = STALENESS[item.staleness].total_seconds() * 1e6
    return (1.5 - over(_age(number).dt.total_microseconds(), limit_us)).clip(0.5, 1.0)
