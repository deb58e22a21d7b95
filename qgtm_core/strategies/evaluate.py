"""From features to signals: the conventions that bind every strategy, applied once. No rule lives here.

Order of verdicts: QUARANTINED, then MISSING, WARMUP, STALE and DEGENERATE of the inputs, then the rule's own reason,
then DEGENERATE for a score that is null. Slow strategies repeat the result of their newest computation, unchanged,
until the next one, unless an input goes missing or stale first. Arrays are (sessions, symbols).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import polars as pl

from qgtm_core.schemas.signals import signal_table
from qgtm_core.schemas.spec import INSTANT
from qgtm_core.strategies.grid import NEVER, Floats, Shelf
from qgtm_core.strategies.opinions import Opinions, opinions
from qgtm_core.strategies.panel import (
    REASONS,
    SPEAKS,
    Health,
    Span,
    build_panel,
    code_of,
    keys_of,
    signal_key,
    span_of,
)
from qgtm_core.strategies.spec import Cadence, Strategy, consumed
from qgtm_core.types import Reason, SignalStatus, StrategyStatus

_REASON_NAMES = pl.Series([None, *REASONS], dtype=pl.String)
_OK, _NO_SIGNAL = pl.lit(SignalStatus.OK.value), pl.lit(SignalStatus.NO_SIGNAL.value)


def evaluate(
    strategy: Strategy,
    features: Mapping[str, pl.DataFrame],
    sessions: pl.DataFrame,
    *,
    include_quarantined: bool = False,
) -> pl.DataFrame:
    """Return the strategy's signals: one row per session of `sessions` and traded symbol, sorted by both.

    `features` holds the strategy's feature tables by name, with all rows of the `strategy.lookback` sessions before
    the first one asked as well, and the signals it consumes under `signal_key`; `sessions` has `session` and
    `decided_at`. The shape is `signal_table(strategy.id)`. Null score means no opinion: status is NO_SIGNAL, confidence
    0 and `reason` says why. A strategy declared DEAD is silent (QUARANTINED) unless `include_quarantined`.
    """
    asked = in_order(sessions)
    if asked.is_empty():
        return signal_table(strategy.id).empty()
    shelf = Shelf(features, span_of(strategy, asked).sessions)
    return _evaluate(strategy, shelf, asked, include_quarantined=include_quarantined)


def evaluate_all(
    strategies: Mapping[str, Strategy],
    features: Mapping[str, pl.DataFrame],
    sessions: pl.DataFrame,
    *,
    include_quarantined: bool = False,
) -> dict[str, pl.DataFrame]:
    """Return the signals of every daily strategy by id; those that consume signals come after those they read.

    The look-backs are those of all strategies together: a table laid out once serves all of them.
    """
    daily = {key: s for key, s in strategies.items() if s.cadence is not Cadence.INTRADAY}
    asked = in_order(sessions)
    if asked.is_empty() or not daily:
        return {key: signal_table(key).empty() for key in daily}
    widest = max(daily.values(), key=lambda s: s.lookback)
    sessions_held = span_of(widest, asked).sessions
    shelf, done = Shelf(features, sessions_held), dict[str, pl.DataFrame]()
    for key in sorted(daily, key=lambda name: (bool(daily[name].consumes), daily[name].number)):
        strategy = daily[key]
        given = shelf
        if strategy.consumes:
            told = {signal_key(child): done[child] for child in consumed(strategy, daily)}
            given = Shelf({**{t: features[t] for t in strategy.tables if t in features}, **told}, sessions_held)
        done[key] = _evaluate(strategy, given, asked, include_quarantined=include_quarantined)
    return {key: done[key] for key in daily}


def confidence(freshness: Floats, quality: Floats, score: Floats) -> Floats:
    """Freshness times quality times a term that rises with the size of the score from 0.3 to 1."""
    sure: Floats = np.clip(freshness * quality * (0.3 + 0.7 * np.abs(score)), 0.0, 1.0)
    return sure


def in_order(sessions: pl.DataFrame) -> pl.DataFrame:
    """The sessions asked for with their decisions, oldest first."""
    asked = sessions[["session", "decided_at"]]
    return asked if asked["session"].is_sorted() else asked.sort("session")


def _evaluate(strategy: Strategy, shelf: Shelf, asked: pl.DataFrame, *, include_quarantined: bool) -> pl.DataFrame:
    symbols = tuple(sorted(strategy.symbols))
    span = span_of(strategy, asked)
    if strategy.status is StrategyStatus.DEAD and not include_quarantined:
        return _finish(strategy, shelf, asked, span, _quarantined((len(span.sessions), len(symbols))))
    found = opinions(strategy, build_panel(strategy, shelf, span), span)
    return _finish(strategy, shelf, asked, span, found)


def _quarantined(shape: tuple[int, int]) -> Opinions:
    nothing, never = np.full(shape, np.nan), np.full(shape, NEVER)
    return Opinions(Health(np.full(shape, code_of(Reason.QUARANTINED)), nothing, never, never), nothing, nothing)


def _finish(strategy: Strategy, shelf: Shelf, asked: pl.DataFrame, span: Span, found: Opinions) -> pl.DataFrame:
    """Lay the opinions of the sessions asked for out as the declared table."""
    symbols = tuple(sorted(strategy.symbols))
    place = np.searchsorted(span.sessions, asked["session"].cast(pl.Int32).to_numpy())
    health = found.health
    verdict = health.verdict[place]
    speaks = verdict == SPEAKS
    score = found.said(place)
    sure = np.where(speaks, confidence(health.freshness[place], found.quality[place], score), 0.0)
    rows = keys_of(span.sessions[place], _symbol_frame(symbols)).hstack(
        [
            pl.Series("score", score.ravel(), nan_to_null=True),
            pl.Series("confidence", sure.ravel()),
            pl.Series("verdict", verdict.ravel()),
            pl.Series("as_of_max", health.event_at[place].ravel()),
            pl.Series("available_at", health.available_at[place].ravel()),
            pl.Series("decided_at", np.repeat(span.decided_at[place], len(symbols))),
            shelf.correlation_ids(symbols, place + shelf.height - len(span.sessions)),
        ]
    )
    return rows.select(_columns(strategy.id, strategy.horizon_sessions, strategy.params_hash))


@lru_cache(maxsize=256)
def _symbol_frame(symbols: tuple[str, ...]) -> pl.DataFrame:
    return pl.DataFrame({"symbol": symbols})


@lru_cache(maxsize=256)
def _columns(strategy_id: str, horizon_sessions: int, params_hash: str) -> list[pl.Expr]:
    """The declared columns, from the verdict and the numbers."""
    spoken = pl.col("verdict") == SPEAKS
    as_of_max, available_at = (
        pl.when(pl.col(n) != NEVER).then(n).cast(INSTANT).alias(n) for n in ("as_of_max", "available_at")
    )
    return [
        pl.col("session"),
        pl.lit(strategy_id).alias("strategy_id"),
        pl.col("symbol", "score", "confidence"),
        pl.when(spoken).then(_OK).otherwise(_NO_SIGNAL).alias("status"),
        pl.lit(_REASON_NAMES).gather("verdict").alias("reason"),
        pl.lit(horizon_sessions, pl.Int32).alias("horizon_sessions"),
        as_of_max,
        available_at,
        pl.col("decided_at").cast(INSTANT),
        pl.col("correlation_id"),
        pl.lit(params_hash).alias("params_hash"),
    ]
