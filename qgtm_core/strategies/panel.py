"""The rows a rule may see: feature tables joined by session and leg, with the verdict on their health.

The only place that decides MISSING, WARMUP, STALE and DEGENERATE inputs; no rule and no score lives here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from functools import lru_cache, reduce

import polars as pl

from qgtm_core import calendar
from qgtm_core.errors import InvariantError
from qgtm_core.schemas.features import FEATURE_TABLES
from qgtm_core.schemas.spec import INSTANT
from qgtm_core.strategies.spec import STALENESS, Cadence, Input, Leg, Strategy
from qgtm_core.types import Reason

LEG_COLUMNS = ("symbol", "pair", "side", "market")
VERDICT_COLUMNS = ("reason", "freshness", "event_at", "available_at")
_WIDE_KEY = ("session", "symbol_a", "symbol_b")
# Reasons of bad inputs, worst first: of several that hold, the first is reported.
INPUT_REASONS = (Reason.MISSING, Reason.WARMUP, Reason.STALE, Reason.DEGENERATE)


@lru_cache(maxsize=1)
def _days() -> pl.DataFrame:
    """All sessions with their decision and whether slow strategies compute on them."""
    day = pl.col("session")
    week, month = day.dt.truncate("1w"), day.dt.truncate("1mo")
    return calendar.schedule().select(
        "session",
        "decided_at",
        weekly=(week != week.shift(1)).fill_null(value=True),
        monthly=(month != month.shift(-1)).fill_null(value=False),
    )


def days_of(strategy: Strategy, sessions: pl.DataFrame) -> pl.DataFrame:
    """Return `session, decided_at, computes, computed_on` from the look-back's first session to the last one asked.

    `computed_on` is the newest session on which the strategy computes, null before the first. Decision times asked
    for come from `sessions`, those of the look-back from the calendar.
    """
    first, last = sessions["session"].min(), sessions["session"].max()
    if not isinstance(first, dt.date) or not isinstance(last, dt.date):
        return pl.DataFrame(schema={"session": pl.Date, "decided_at": INSTANT, "computes": pl.Boolean})
    days = _days()
    low = int(days["session"].search_sorted(first))
    high = int(days["session"].search_sorted(last))
    start = max(low - strategy.lookback, 0)
    span = days.slice(start, high - start + 1)
    asked = sessions.select("session", pl.col("decided_at").alias("asked_at"))
    slow = {Cadence.WEEKLY: "weekly", Cadence.MONTHLY: "monthly"}.get(strategy.cadence)
    computes = pl.lit(value=True) if slow is None else pl.col(slow)
    return (
        span.join(asked, on="session", how="left", maintain_order="left")
        .with_columns(decided_at=pl.coalesce("asked_at", "decided_at"), computes=computes)
        .with_columns(computed_on=pl.when("computes").then("session").forward_fill())
        .select("session", "decided_at", "computes", "computed_on")
    )


def legs_of(strategy: Strategy) -> tuple[Leg, ...]:
    """Return the legs of a strategy: those declared, else one a symbol."""
    return strategy.legs or tuple(Leg(symbol) for symbol in strategy.symbols)


def _skeleton(strategy: Strategy, days: pl.DataFrame) -> pl.DataFrame:
    legs = pl.DataFrame(
        {name: [getattr(leg, name) for leg in legs_of(strategy)] for name in LEG_COLUMNS},
        schema=dict.fromkeys(LEG_COLUMNS, pl.String),
    )
    return days.join(legs, how="cross", maintain_order="left_right")


def build_panel(strategy: Strategy, features: Mapping[str, pl.DataFrame], days: pl.DataFrame) -> pl.DataFrame:
    """Return one row per (session, leg): keys, declared values, and the verdict on the inputs.

    `reason` is null where every input is usable; only there the values are not null. `freshness` in [0.5, 1] is that
    of the stalest input; `event_at` and `available_at` are the newest among the inputs.
    Raises InvariantError when an input row was not known at the decision.
    """
    panel = _skeleton(strategy, days)
    for table in strategy.tables:
        panel = _join(panel, table, strategy, features.get(table), days)
    return _judge(panel, strategy)


def _join(
    panel: pl.DataFrame, table: str, strategy: Strategy, frame: pl.DataFrame | None, days: pl.DataFrame
) -> pl.DataFrame:
    """Add one table's declared columns and its inputs' health; what the table lacks becomes null."""
    inputs = {n: i for n, i in enumerate(strategy.inputs) if i.table == table}
    declared = FEATURE_TABLES[table]
    values = list(dict.fromkeys(c for i in inputs.values() for c in i.columns))
    wanted: dict[str, str] = {c: c for c in values}
    for number, item in inputs.items():
        wanted |= {f"_{kind}_{number}": column for kind, column in _health_columns(item).items()}
    if frame is None:
        frame = declared.empty()
    present = {new: old for new, old in wanted.items() if old in frame.columns}
    absent = {new: declared.columns[old].dtype for new, old in wanted.items() if old not in frame.columns}
    span = pl.col("session").is_between(days["session"].min(), days["session"].max())
    cut = frame.filter(span).select(
        *declared.key,
        *(pl.col(old).alias(new) for new, old in present.items()),
        *(pl.lit(None, dtype).alias(new) for new, dtype in absent.items()),
    )
    if declared.key == _WIDE_KEY:
        return _join_wide(panel, cut, values, legs_of(strategy))
    return panel.join(cut, on=list(declared.key), how="left", maintain_order="left")


def _health_columns(item: Input) -> dict[str, str]:
    if item.coverage:
        return {"covered": item.coverage, "available": item.availability}
    return {kind: item.prefix + name for kind, name in _HEALTH.items()}


_HEALTH = {"obs": "obs", "event": "event_at", "available": "available_at"}


def _join_wide(panel: pl.DataFrame, cut: pl.DataFrame, values: list[str], legs: tuple[Leg, ...]) -> pl.DataFrame:
    """Add a table keyed by two symbols: a column a pair, and to each symbol the health of its best pair."""
    symbols = sorted({leg.symbol for leg in legs})
    pairs = [(a, b) for n, a in enumerate(symbols) for b in symbols[n + 1 :]]
    for a, b in pairs:
        one = cut.filter((pl.col("symbol_a") == a) & (pl.col("symbol_b") == b))
        named = one.select("session", *(pl.col(v).alias(f"{v}@{a}/{b}") for v in values))
        panel = panel.join(named, on="session", how="left", maintain_order="left")
    health = [c for c in cut.columns if c.startswith("_")]
    sides = [cut.select("session", pl.col(side).alias("symbol"), *health) for side in ("symbol_a", "symbol_b")]
    best = (
        pl.concat(sides).filter(pl.col("symbol").is_in(symbols)).group_by("session", "symbol").agg(pl.col(health).max())
    )
    return panel.join(best, on=["session", "symbol"], how="left", maintain_order="left")


def _judge(panel: pl.DataFrame, strategy: Strategy) -> pl.DataFrame:
    numbered = list(enumerate(strategy.inputs))
    available = [pl.col(f"_available_{n}") for n, _ in numbered]
    late = panel.filter(pl.any_horizontal(a > pl.col("decided_at") for a in available))
    if late.height:
        raise InvariantError(
            f"signals/{strategy.id}: an input of session {late['session'][0]} became known only after its decision"
        )
    bad = {
        Reason.MISSING: pl.any_horizontal(_is_missing(n, i) for n, i in numbered),
        Reason.WARMUP: pl.any_horizontal(_is_short(n, i) for n, i in numbered),
        Reason.STALE: pl.any_horizontal(_is_stale(n, i) for n, i in numbered),
        Reason.DEGENERATE: pl.any_horizontal(_is_degenerate(panel, i) for _, i in numbered),
    }
    reason = reduce(
        lambda rest, r: pl.when(bad[r]).then(pl.lit(r.value)).otherwise(rest),
        reversed(INPUT_REASONS),
        pl.lit(None, pl.String),
    )
    events = [pl.col(f"_event_{n}") for n, i in numbered if not i.coverage]
    judged = panel.with_columns(
        reason=reason,
        freshness=pl.min_horizontal(_freshness(n, i) for n, i in numbered),
        event_at=pl.max_horizontal(events) if events else pl.lit(None, INSTANT),
        available_at=pl.max_horizontal(available),
    )
    values = value_columns(judged)
    return judged.select(
        "session",
        *LEG_COLUMNS,
        *VERDICT_COLUMNS,
        *(pl.when(pl.col("reason").is_null()).then(pl.col(values)),) * bool(values),
    )


def value_columns(panel: pl.DataFrame) -> list[str]:
    """Names of the columns of a panel that a rule may read beside the leg's own."""
    known = {"session", "decided_at", "computes", "computed_on", *LEG_COLUMNS, *VERDICT_COLUMNS}
    return [c for c in panel.columns if c not in known and not c.startswith("_")]


def _age(number: int) -> pl.Expr:
    return pl.col("decided_at") - pl.col(f"_available_{number}")


def _is_missing(number: int, item: Input) -> pl.Expr:
    measure = "covered" if item.coverage else "obs"
    return pl.col(f"_available_{number}").is_null() | pl.col(f"_{measure}_{number}").is_null()


def _is_short(number: int, item: Input) -> pl.Expr:
    return pl.lit(value=False) if item.coverage else pl.col(f"_obs_{number}") < item.warmup


def _is_stale(number: int, item: Input) -> pl.Expr:
    return ~pl.col(f"_covered_{number}") if item.coverage else _age(number) > STALENESS[item.staleness]


def _is_degenerate(panel: pl.DataFrame, item: Input) -> pl.Expr:
    """True where a required value is null or not finite; a table of pairs is left to the rule, which drops symbols."""
    required = [c for c in item.columns if c not in item.optional and c in panel.columns]
    return pl.any_horizontal(pl.lit(value=False), *(_not_usable(panel, c) for c in required))


def _not_usable(panel: pl.DataFrame, column: str) -> pl.Expr:
    value = pl.col(column)
    return (value.is_null() | ~value.is_finite()) if panel.schema[column].is_float() else value.is_null()


def _freshness(number: int, item: Input) -> pl.Expr:
    """One up to half the staleness limit, then falling linearly to 0.5 at the limit."""
    if item.coverage:
        return pl.lit(1.0)
    limit_s = STALENESS[item.staleness].total_seconds()
    return (1.5 - _age(number).dt.total_microseconds() / 1e6 / limit_s).clip(0.5, 1.0)
