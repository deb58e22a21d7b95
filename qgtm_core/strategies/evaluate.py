"""From features to signals: the conventions that bind every strategy, applied once. No rule lives here.

Order of verdicts: QUARANTINED, then MISSING, WARMUP, STALE and DEGENERATE of the inputs, then the rule's own reason,
then DEGENERATE for a score that is null. Slow strategies repeat the result of their newest computation, unchanged,
until the next one, unless an input goes missing or stale first. Arrays are (sessions, symbols).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import polars as pl

from qgtm_core.errors import InvariantError
from qgtm_core.schemas.signals import signal_table
from qgtm_core.schemas.spec import INSTANT
from qgtm_core.strategies.grid import NEVER, Flags, Floats, Ints, Shelf
from qgtm_core.strategies.panel import (
    REASONS,
    SPEAKS,
    Health,
    Panel,
    Span,
    build_panel,
    code_of,
    keys_of,
    legs_of,
    signal_key,
    span_of,
)
from qgtm_core.strategies.spec import SLOW, Cadence, Strategy, consumed
from qgtm_core.types import Reason, SignalStatus, StrategyStatus

_ROUNDING = 1e-9  # a score beyond one by no more than this is rounding, by more is a broken rule
_SILENT_LAST = len(REASONS) + 1  # above every verdict that is a reason
_LAPSED = (code_of(Reason.MISSING), code_of(Reason.STALE))
_REASON_NAMES = pl.Series([None, *REASONS], dtype=pl.String)
_CODES = pl.Enum(REASONS)
_OK, _NO_SIGNAL = pl.lit(SignalStatus.OK.value), pl.lit(SignalStatus.NO_SIGNAL.value)


@dataclass(frozen=True, slots=True)
class _Opinions:
    """Health with the score and its quality; NaN where the verdict is not to speak."""

    health: Health
    score: Floats
    quality: Floats


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
    asked = _in_order(sessions)
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
    asked = _in_order(sessions)
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


def _in_order(sessions: pl.DataFrame) -> pl.DataFrame:
    asked = sessions[["session", "decided_at"]]
    return asked if asked["session"].is_sorted() else asked.sort("session")


def _evaluate(strategy: Strategy, shelf: Shelf, asked: pl.DataFrame, *, include_quarantined: bool) -> pl.DataFrame:
    symbols = tuple(sorted(strategy.symbols))
    span = span_of(strategy, asked)
    if strategy.status is StrategyStatus.DEAD and not include_quarantined:
        return _finish(strategy, shelf, asked, span, _quarantined((len(span.sessions), len(symbols))))
    panel = build_panel(strategy, shelf, span)
    found = _judged(strategy, panel)
    if strategy.cadence in SLOW:
        found = _held(found, _by_symbol(_mute(panel.health), strategy).health, span)
    return _finish(strategy, shelf, asked, span, found)


def _quarantined(shape: tuple[int, int]) -> _Opinions:
    nothing, never = np.full(shape, np.nan), np.full(shape, NEVER)
    return _Opinions(Health(np.full(shape, code_of(Reason.QUARANTINED)), nothing, never, never), nothing, nothing)


def _mute(health: Health) -> _Opinions:
    nothing = np.full(health.verdict.shape, np.nan)
    return _Opinions(health, nothing, nothing)


def _judged(strategy: Strategy, panel: Panel) -> _Opinions:
    """Apply the rule to the sessions on which it computes."""
    seen = panel.health
    if not panel.computing.all():
        rows = panel.computing
        seen = Health(seen.verdict[rows], seen.freshness[rows], seen.event_at[rows], seen.available_at[rows])
    seen = _require_group(seen, strategy)
    told = strategy.rule(panel.frame, strategy.params)
    if told.height != panel.frame.height:
        raise InvariantError(f"{strategy.id}: the rule returned {told.height} rows for {panel.frame.height}")
    shape = seen.verdict.shape
    score, quality = (told[name].cast(pl.Float64).to_numpy().reshape(shape) for name in ("score", "quality"))
    own = _own_reasons(told).reshape(shape)
    usable = np.isfinite(score) & np.isfinite(quality)
    verdict = np.where(seen.verdict != SPEAKS, seen.verdict, own)
    verdict = np.where((verdict == SPEAKS) & ~usable, code_of(Reason.DEGENERATE), verdict)
    spoken = verdict == SPEAKS
    wild = spoken & ~((np.abs(score) <= 1.0 + _ROUNDING) & (quality >= 0.0) & (quality <= 1.0))
    if wild.any():
        session = panel.frame["session"][int(wild.any(axis=1).argmax()) * shape[1]]
        raise InvariantError(f"{strategy.id}: score or quality out of range on {session}")
    score = np.where(spoken, np.clip(score, -1.0, 1.0), np.nan)
    found = _Opinions(replace(seen, verdict=verdict), score, np.where(spoken, quality, np.nan))
    joined = _by_symbol(found, strategy)
    return replace(joined, health=_require_group(joined.health, strategy))


def _own_reasons(told: pl.DataFrame) -> Ints:
    """Verdicts of the rule itself; it has none where it gives no reason."""
    if "reason" not in told.columns or told["reason"].null_count() == told.height:
        return np.full(told.height, SPEAKS)
    place = told["reason"].cast(_CODES).to_physical().cast(pl.Float64).to_numpy()
    return np.where(np.isnan(place), SPEAKS, np.nan_to_num(place) + 1.0).astype(np.int64)


def _by_symbol(found: _Opinions, strategy: Strategy) -> _Opinions:
    """Join the legs of a symbol: mean score and quality of those that speak, the stalest freshness among them.

    A symbol is silent only when all its legs are; it then carries the worst of their reasons.
    """
    groups = _leg_groups(tuple(leg.symbol for leg in legs_of(strategy)))
    if len(groups) == found.score.shape[1]:
        return found
    parts = [_joined(found, list(group)) for group in groups]
    health = Health(
        np.stack([part.health.verdict for part in parts], axis=1),
        np.stack([part.health.freshness for part in parts], axis=1),
        np.stack([part.health.event_at for part in parts], axis=1),
        np.stack([part.health.available_at for part in parts], axis=1),
    )
    return _Opinions(health, *(np.stack([getattr(p, n) for p in parts], axis=1) for n in ("score", "quality")))


@lru_cache(maxsize=256)
def _leg_groups(symbols: tuple[str, ...]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(n for n, s in enumerate(symbols) if s == symbol) for symbol in dict.fromkeys(symbols))


def _joined(found: _Opinions, legs: list[int]) -> _Opinions:
    health = found.health
    verdict = health.verdict[:, legs]
    speaks = verdict == SPEAKS
    some = speaks.any(axis=1)
    worst = np.where(speaks, _SILENT_LAST, verdict).min(axis=1)
    freshness = np.where(speaks | ~some[:, None], health.freshness[:, legs], np.inf).min(axis=1)
    newest = []
    for instants in (health.event_at[:, legs], health.available_at[:, legs]):
        spoken = np.where(speaks, instants, NEVER).max(axis=1)
        newest.append(np.where(some & (spoken != NEVER), spoken, instants.max(axis=1)))
    joined = Health(np.where(some, SPEAKS, worst), freshness, newest[0], newest[1])
    return _Opinions(joined, _mean(found.score[:, legs], speaks), _mean(found.quality[:, legs], speaks))


def _mean(values: Floats, counted: Flags) -> Floats:
    """Mean over the legs that count, added leg by leg so that one session gives the same bits as many."""
    total, count = np.zeros(len(values)), counted.sum(axis=1)
    for n in range(values.shape[1]):
        total = total + np.where(counted[:, n], values[:, n], 0.0)
    mean: Floats = np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0)
    return mean


def _require_group(health: Health, strategy: Strategy) -> Health:
    """Silence every symbol of a session in which fewer than `min_symbols` can speak, for the worst reason there."""
    if strategy.min_symbols <= 1:
        return health
    speaks = health.verdict == SPEAKS
    few = (speaks.sum(axis=1) < strategy.min_symbols)[:, None] & speaks
    worst = np.where(speaks, _SILENT_LAST, health.verdict).min(axis=1, keepdims=True)
    return replace(health, verdict=np.where(few, worst, health.verdict))


def _held(computed: _Opinions, today: Health, span: Span) -> _Opinions:
    """Repeat the newest computation on every session; an input missing or stale since then silences it."""
    newest = np.cumsum(span.computing) - 1  # which computation each session repeats, -1 = none in reach
    known = (newest >= 0)[:, None]
    if not computed.score.shape[0]:
        computed = _mute(today)
    then, row = computed.health, np.maximum(newest, 0)
    now = np.isin(today.verdict, _LAPSED) | ~known
    lapsed = np.where(today.verdict == SPEAKS, code_of(Reason.MISSING), today.verdict)
    health = Health(
        np.where(now, lapsed, then.verdict[row]),
        then.freshness[row],
        np.where(now, today.event_at, then.event_at[row]),
        np.where(now, today.available_at, then.available_at[row]),
    )
    return _Opinions(health, computed.score[row], computed.quality[row])


def _finish(strategy: Strategy, shelf: Shelf, asked: pl.DataFrame, span: Span, found: _Opinions) -> pl.DataFrame:
    """Lay the opinions of the sessions asked for out as the declared table."""
    symbols = tuple(sorted(strategy.symbols))
    place = np.searchsorted(span.sessions, asked["session"].cast(pl.Int32).to_numpy())
    health = found.health
    verdict = health.verdict[place]
    speaks = verdict == SPEAKS
    score = np.where(speaks, found.score[place], np.nan)
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
