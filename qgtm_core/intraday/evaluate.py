"""From bars to intraday signals: the conventions of the sleeve, applied once. No rule lives here.

A session is replayed from its first tick whichever ticks are asked for. Order of verdicts: DISABLED, QUARANTINED,
NOT_LICENSED, MISSING, WARMUP, OUT_OF_WINDOW (before the first entry or when the book must be flat), STALE (a bar older
than two bar lengths, a daily input older than its limit, no release dates ahead), DEGENERATE, then the rule's own.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping

import polars as pl

from qgtm_core import publication
from qgtm_core.correlation import tick_correlation_ids
from qgtm_core.errors import InvariantError
from qgtm_core.intraday import clock
from qgtm_core.intraday.events import releases
from qgtm_core.intraday.features import compute_intraday
from qgtm_core.schemas.intraday import RELEASES
from qgtm_core.schemas.signals import intraday_signal_table
from qgtm_core.schemas.spec import INSTANT
from qgtm_core.strategies.helpers import over
from qgtm_core.strategies.panel import LEG_COLUMNS, legs_of
from qgtm_core.strategies.spec import STALENESS, Input, Strategy
from qgtm_core.types import Reason, SignalStatus, StrategyStatus

STALE_BARS = 2  # bar lengths
LICENCE_TAG, FLAG_PARAM = "licensed_input", "flag"
_SPEAKS = pl.col("reason").is_null()
_ROUNDING = 1e-9


def evaluate_intraday(
    strategy: Strategy,
    pit: Mapping[str, pl.DataFrame],
    ticks: pl.DataFrame,
    *,
    include_quarantined: bool = False,
    flags: Collection[str] = (),
) -> pl.DataFrame:
    """Return the strategy's signals: one row per tick of `ticks` and traded symbol, sorted by both.

    `pit` holds the PIT tables the strategy reads, with `strategy.rule_lookback` sessions before the first one asked;
    `ticks` has `session` and `decided_at` (see `clock.ticks`). The shape is `intraday_signal_table(strategy.id)`.
    `include_quarantined` is research mode: a strategy declared DEAD is QUARANTINED without it, and one that also names
    a flag is DISABLED unless that flag is among `flags` too.
    """
    asked = ticks.select("session", "decided_at").sort("decided_at")
    if asked.is_empty():
        return intraday_signal_table(strategy.id).empty()
    off = _switched_off(strategy, flags, research=include_quarantined)
    if off is not None:
        return _finish(strategy, _silent(strategy, asked, off))
    days = clock.require_ticks(asked)
    known = days.join(releases(pit, days), on="decided_at", how="left", maintain_order="left")
    panel = _panel(strategy, pit, known.with_columns(may_enter=pl.col("may_enter") & pl.col("quiet")))
    return _finish(strategy, _opinions(strategy, panel).join(asked, on=["session", "decided_at"], how="semi"))


def _switched_off(strategy: Strategy, flags: Collection[str], *, research: bool) -> Reason | None:
    flag = strategy.params.get(FLAG_PARAM)
    if flag is not None and not (research and flag in flags):
        return Reason.DISABLED
    return Reason.QUARANTINED if strategy.status is StrategyStatus.DEAD and not research else None


def _silent(strategy: Strategy, asked: pl.DataFrame, reason: Reason) -> pl.DataFrame:
    symbols = pl.DataFrame({"symbol": sorted(strategy.symbols)}, schema={"symbol": pl.String})
    nothing = {name: pl.lit(None, pl.Float64) for name in ("score", "quality", "freshness")}
    unseen = {name: pl.lit(None, INSTANT) for name in ("event_at", "available_at")}
    rows = asked.join(symbols, how="cross", maintain_order="left_right")
    return rows.with_columns(reason=pl.lit(reason.value), **nothing, **unseen)


def _panel(strategy: Strategy, pit: Mapping[str, pl.DataFrame], days: pl.DataFrame) -> pl.DataFrame:
    """One row per tick and leg: keys, clock, declared values (null where an input is not usable) and the verdict."""
    panel = days
    for table in dict.fromkeys(i.table for i in strategy.inputs if i.table != RELEASES):
        frame = compute_intraday(table, pit, days).drop("session")
        panel = panel.join(frame, on="decided_at", how="left", maintain_order="left")
    read = [(n, i) for n, i in enumerate(strategy.inputs) if i.table != RELEASES]
    values = [c for _, i in read for c in i.columns]
    panel = panel.with_columns(
        reason=_verdict(strategy),
        freshness=pl.min_horizontal(pl.lit(1.0), *(_freshness(i, _limit(strategy, i)) for _, i in read)),
        event_at=pl.max_horizontal(*(f"{i.prefix}event_at" for _, i in read)),
        available_at=pl.max_horizontal(*(f"{i.prefix}available_at" for _, i in read)),
    )
    if (panel["available_at"] > panel["decided_at"]).any():
        raise InvariantError(f"signals/{strategy.id}: an input became known only after its tick")
    legs = pl.DataFrame(
        {name: [getattr(leg, name) for leg in legs_of(strategy)] for name in LEG_COLUMNS},
        schema=dict.fromkeys(LEG_COLUMNS, pl.String),
    )
    shown = [pl.when(_SPEAKS).then(pl.col(c)).alias(c) for c in dict.fromkeys(values)]
    kept = ("session", "decided_at", "tick", "may_enter", "may_hold", "reason", "freshness", "event_at", "available_at")
    return panel.select(*kept, *shown).join(legs, how="cross", maintain_order="left_right")


def _verdict(strategy: Strategy) -> pl.Expr:
    """The first reason that holds, worst first; null where every input is usable."""
    bars = [i for i in strategy.inputs if i.table != RELEASES]
    licensed = [i for i in bars if i.name and i.name == strategy.tags.get(LICENCE_TAG)]
    at = pl.col("decided_at")
    outside = ~pl.col("may_hold") | ~pl.col("in_hours")
    required = [pl.col(c) for i in bars for c in i.columns if c not in i.optional]
    age = [at - pl.col(f"{i.prefix}available_at") > _limit(strategy, i) for i in bars]
    ladder = (
        (Reason.NOT_LICENSED, [pl.col(f"{i.prefix}obs").is_null() for i in licensed]),
        (Reason.MISSING, [pl.col(f"{i.prefix}obs").is_null() for i in bars] + [pl.col("covered").is_null()]),
        (Reason.WARMUP, [pl.col(f"{i.prefix}obs") < i.warmup for i in bars]),
        (Reason.OUT_OF_WINDOW, [outside]),
        (Reason.STALE, [*age, ~pl.col("covered")]),
        (Reason.DEGENERATE, [~c.is_finite().fill_null(value=False) for c in required]),
    )
    verdict = pl.lit(None, pl.String)
    for reason, found in reversed(ladder):
        holds = pl.any_horizontal(pl.lit(value=False), *found).fill_null(value=False)
        verdict = pl.when(holds).then(pl.lit(reason.value)).otherwise(verdict)
    return verdict


def _limit(strategy: Strategy, item: Input) -> dt.timedelta:
    """Oldest usable age of an input: two bar lengths for bars, the class's limit for slower ones."""
    if item.staleness != "intraday":
        return STALENESS[item.staleness]
    return STALE_BARS * publication.INTERVALS[strategy.params["bar"]]


def _freshness(item: Input, limit: dt.timedelta) -> pl.Expr:
    age = (pl.col("decided_at") - pl.col(f"{item.prefix}available_at")).dt.total_microseconds()
    return (1.5 - over(age, limit.total_seconds() * 1e6)).clip(0.5, 1.0)


def _opinions(strategy: Strategy, panel: pl.DataFrame) -> pl.DataFrame:
    """Apply the rule; score, quality and reason beside the verdict."""
    judged = strategy.rule(panel.drop("reason", "freshness", "event_at", "available_at"), strategy.params)
    if judged.height != panel.height:
        raise InvariantError(f"{strategy.id}: the rule returned {judged.height} rows for {panel.height}")
    own = [judged[name].alias(f"own_{name}") for name in ("score", "quality", "reason") if name in judged.columns]
    rows = panel.hstack(own)
    usable = (pl.col("own_score").is_finite() & pl.col("own_quality").is_finite()).fill_null(value=False)
    reasons = ["reason", *(["own_reason"] if "own_reason" in rows.columns else [])]
    rows = rows.with_columns(reason=pl.coalesce(*reasons, pl.when(~usable).then(pl.lit(Reason.DEGENERATE.value))))
    wild = (pl.col("own_score").abs() > 1.0 + _ROUNDING) | ~pl.col("own_quality").is_between(0.0, 1.0)
    if rows.select((_SPEAKS & wild).any()).item():
        raise InvariantError(f"{strategy.id}: score or quality out of range")
    spoken = {n: pl.when(_SPEAKS).then(pl.col(f"own_{n}")) for n in ("score", "quality")}
    return rows.with_columns(score=spoken["score"].clip(-1.0, 1.0), quality=spoken["quality"])


def _finish(strategy: Strategy, rows: pl.DataFrame) -> pl.DataFrame:
    """Lay the opinions out as the declared table."""
    sure = (pl.col("freshness") * pl.col("quality") * (0.3 + 0.7 * pl.col("score").abs())).clip(0.0, 1.0)
    status = pl.when(_SPEAKS).then(pl.lit(SignalStatus.OK.value)).otherwise(pl.lit(SignalStatus.NO_SIGNAL.value))
    frame = rows.select(
        "session",
        pl.lit(strategy.id).alias("strategy_id"),
        "symbol",
        "score",
        pl.when(_SPEAKS).then(sure).otherwise(0.0).alias("confidence"),
        status.alias("status"),
        "reason",
        pl.lit(strategy.horizon_sessions, pl.Int32).alias("horizon_sessions"),
        pl.col("event_at").alias("as_of_max"),
        "available_at",
        "decided_at",
        tick_correlation_ids(rows["decided_at"], rows["symbol"]),
        pl.lit(strategy.params_hash).alias("params_hash"),
    )
    return frame.sort("decided_at", "symbol")
