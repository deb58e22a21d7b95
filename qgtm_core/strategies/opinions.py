"""What a rule says of a panel: its scores joined by symbol, the verdict on each, and how long slow ones are repeated.

Arrays are (sessions, symbols).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import polars as pl

from qgtm_core.errors import InvariantError
from qgtm_core.strategies.grid import NEVER, Flags, Floats, Ints
from qgtm_core.strategies.panel import REASONS, SPEAKS, Health, Panel, Span, code_of, legs_of
from qgtm_core.strategies.spec import SLOW, Strategy
from qgtm_core.types import Reason

_ROUNDING = 1e-9  # a score beyond one by no more than this is rounding, by more is a broken rule
_SILENT_LAST = len(REASONS) + 1  # above every verdict that is a reason
_LAPSED = (code_of(Reason.MISSING), code_of(Reason.STALE))
_CODES = pl.Enum(REASONS)


@dataclass(frozen=True, slots=True)
class Opinions:
    """Health with the score and its quality; NaN where the verdict is not to speak."""

    health: Health
    score: Floats
    quality: Floats

    def said(self, place: Ints) -> Floats:
        """Scores of these sessions by number, NaN where silent."""
        return np.where(self.health.verdict[place] == SPEAKS, self.score[place], np.nan)


def opinions(strategy: Strategy, panel: Panel, span: Span) -> Opinions:
    """Apply the strategy's rule to its panel over the span; slow strategies repeat what they last computed.

    Raises InvariantError when the rule returns another number of rows, or a score or quality out of range.
    """
    found = _judged(strategy, panel)
    if strategy.cadence not in SLOW:
        return found
    return _held(found, _by_symbol(_mute(panel.health), strategy).health, span)


def _mute(health: Health) -> Opinions:
    nothing = np.full(health.verdict.shape, np.nan)
    return Opinions(health, nothing, nothing)


def _judged(strategy: Strategy, panel: Panel) -> Opinions:
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
    found = Opinions(replace(seen, verdict=verdict), score, np.where(spoken, quality, np.nan))
    joined = _by_symbol(found, strategy)
    return replace(joined, health=_require_group(joined.health, strategy))


def _own_reasons(told: pl.DataFrame) -> Ints:
    """Verdicts of the rule itself; it has none where it gives no reason."""
    if "reason" not in told.columns or told["reason"].null_count() == told.height:
        return np.full(told.height, SPEAKS)
    place = told["reason"].cast(_CODES).to_physical().cast(pl.Float64).to_numpy()
    return np.where(np.isnan(place), SPEAKS, np.nan_to_num(place) + 1.0).astype(np.int64)


def _by_symbol(found: Opinions, strategy: Strategy) -> Opinions:
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
    return Opinions(health, *(np.stack([getattr(p, n) for p in parts], axis=1) for n in ("score", "quality")))


@lru_cache(maxsize=256)
def _leg_groups(symbols: tuple[str, ...]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(n for n, s in enumerate(symbols) if s == symbol) for symbol in dict.fromkeys(symbols))


def _joined(found: Opinions, legs: list[int]) -> Opinions:
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
    return Opinions(joined, _mean(found.score[:, legs], speaks), _mean(found.quality[:, legs], speaks))


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


def _held(computed: Opinions, today: Health, span: Span) -> Opinions:
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
    return Opinions(health, computed.score[row], computed.quality[row])
