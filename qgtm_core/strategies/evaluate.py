"""From features to signals: the conventions that bind every strategy, applied once. No rule lives here.

Order of verdicts: QUARANTINED, then MISSING, WARMUP, STALE and DEGENERATE of the inputs, then the rule's own reason,
then DEGENERATE for a score that is null. Slow strategies repeat the result of their newest computation, unchanged,
until the next one, unless an input goes missing or stale first.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from qgtm_core.correlation import correlation_ids
from qgtm_core.errors import InvariantError
from qgtm_core.schemas.signals import signal_table
from qgtm_core.schemas.spec import INSTANT
from qgtm_core.strategies.panel import INPUT_REASONS, LEG_COLUMNS, build_panel, days_of, legs_of, value_columns
from qgtm_core.strategies.spec import Cadence, Strategy
from qgtm_core.types import Reason, SignalStatus, StrategyStatus

_ROUNDING = 1e-9  # a score beyond one by no more than this is rounding, by more is a broken rule
_WORST_FIRST = pl.Enum([reason.value for reason in dict.fromkeys((*INPUT_REASONS, *Reason))])
_SLOW = (Cadence.WEEKLY, Cadence.MONTHLY)
_VERDICT = ("session", "symbol", "reason", "event_at", "available_at", "freshness")
_OPINION = (*_VERDICT, "score", "quality")


def evaluate(
    strategy: Strategy,
    features: Mapping[str, pl.DataFrame],
    sessions: pl.DataFrame,
    *,
    include_quarantined: bool = False,
) -> pl.DataFrame:
    """Return the strategy's signals: one row per session of `sessions` and traded symbol, sorted by both.

    `features` holds the strategy's feature tables by name, with all rows of the `strategy.lookback` sessions before
    the first one asked as well; `sessions` has `session` and `decided_at`. The shape is `signal_table(strategy.id)`.
    Null score means no opinion: status is NO_SIGNAL, confidence 0 and `reason` says why. A strategy declared DEAD is
    silent (QUARANTINED) unless `include_quarantined`.
    """
    asked = sessions.select("session", "decided_at")
    if asked.is_empty():
        return signal_table(strategy.id).empty()
    if strategy.status is StrategyStatus.DEAD and not include_quarantined:
        return _finish(strategy, asked, _quarantined(strategy, asked))
    days = days_of(strategy, asked)
    panel = _require_group(build_panel(strategy, features, days), strategy)
    opinions = _require_group(_by_symbol(_opinions(strategy, panel, days), strategy), strategy)
    if strategy.cadence in _SLOW:
        health = panel.select(*_VERDICT, score=pl.lit(None, pl.Float64), quality=pl.lit(None, pl.Float64))
        opinions = _hold(opinions, _by_symbol(health, strategy), days)
    return _finish(strategy, asked, opinions)


def confidence(freshness: pl.Expr, quality: pl.Expr, score: pl.Expr) -> pl.Expr:
    """Freshness times quality times a term that rises with the size of the score from 0.3 to 1."""
    return (freshness * quality * (0.3 + 0.7 * score.abs())).clip(0.0, 1.0)


def _quarantined(strategy: Strategy, asked: pl.DataFrame) -> pl.DataFrame:
    symbols = pl.DataFrame({"symbol": list(strategy.symbols)}, schema={"symbol": pl.String})
    nothing = {name: pl.lit(None, pl.Float64) for name in ("freshness", "score", "quality")}
    unseen = {name: pl.lit(None, INSTANT) for name in ("event_at", "available_at")}
    rows = asked.select("session").join(symbols, how="cross")
    return rows.with_columns(reason=pl.lit(Reason.QUARANTINED.value), **nothing, **unseen).select(_OPINION)


def _opinions(strategy: Strategy, panel: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    """Apply the rule to the sessions on which it computes; verdict, score and quality by leg."""
    if strategy.cadence in _SLOW:
        panel = panel.join(days.filter("computes").select("session"), on="session", how="semi", maintain_order="left")
    judged = strategy.rule(panel.select("session", *LEG_COLUMNS, *value_columns(panel)), strategy.params)
    if judged.height != panel.height:
        raise InvariantError(f"{strategy.id}: the rule returned {judged.height} rows for {panel.height}")
    if "reason" not in judged.columns:
        judged = judged.with_columns(reason=pl.lit(None, pl.String))
    usable = (pl.col("score").is_finite() & pl.col("quality").is_finite()).fill_null(value=False)
    rows = panel.select(_VERDICT).with_columns(judged["score"], judged["quality"], judged["reason"].alias("own"))
    rows = rows.with_columns(
        reason=pl.coalesce("reason", "own", pl.when(~usable).then(pl.lit(Reason.DEGENERATE.value)))
    )
    rows = _silence(rows).select(_OPINION)
    beyond = rows.filter((pl.col("score").abs() > 1.0 + _ROUNDING) | ~pl.col("quality").is_between(0.0, 1.0))
    if beyond.height:
        raise InvariantError(f"{strategy.id}: score or quality out of range on {beyond['session'][0]}")
    return rows.with_columns(pl.col("score").clip(-1.0, 1.0))


def _silence(rows: pl.DataFrame) -> pl.DataFrame:
    """Null score and quality in every row that has a reason."""
    spoken = pl.when(pl.col("reason").is_null())
    return rows.with_columns(spoken.then("score").alias("score"), spoken.then("quality").alias("quality"))


def _by_symbol(rows: pl.DataFrame, strategy: Strategy) -> pl.DataFrame:
    """Join the legs of a symbol: mean score and quality of those that speak, the stalest freshness among them.

    A symbol is silent only when all its legs are; it then carries the worst of their reasons.
    """
    if len(legs_of(strategy)) == len(strategy.symbols):
        return rows
    spoken = pl.col("reason").is_null()
    newest = [
        pl.coalesce(pl.col(name).filter(spoken).max(), pl.col(name).max()).alias(name)
        for name in ("event_at", "available_at")
    ]
    return (
        rows.group_by("session", "symbol", maintain_order=True)
        .agg(
            pl.when(~spoken.any()).then(pl.col("reason").cast(_WORST_FIRST).min().cast(pl.String)).alias("reason"),
            *newest,
            pl.col("freshness").filter(spoken).min(),
            pl.col("score", "quality").mean(),
        )
        .select(_OPINION)
    )


def _require_group(rows: pl.DataFrame, strategy: Strategy) -> pl.DataFrame:
    """Silence every symbol of a session in which fewer than `min_symbols` can speak, for the worst reason there."""
    if strategy.min_symbols <= 1:
        return rows
    reason = pl.col("reason")
    too_few = reason.is_null().sum().over("session") < strategy.min_symbols
    worst = reason.cast(_WORST_FIRST).min().over("session").cast(pl.String)
    rows = rows.with_columns(reason=pl.when(too_few & reason.is_null()).then(worst).otherwise(reason))
    return _silence(rows) if "score" in rows.columns else rows


def _hold(opinions: pl.DataFrame, health: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    """Repeat the newest computation on every session; an input missing or stale since then silences it."""
    lapsed = [Reason.MISSING.value, Reason.STALE.value]
    today = health.select("session", "symbol", *(pl.col(c).alias(f"{c}_now") for c in ("reason", *_SEEN)))
    held = (
        today.join(days.select("session", "computed_on"), on="session", how="left", maintain_order="left")
        .join(
            opinions.with_columns(computed_on=pl.col("session")).drop("session"),
            on=["computed_on", "symbol"],
            how="left",
            maintain_order="left",
        )
        .with_columns(lapsed=pl.col("reason_now").is_in(lapsed) | pl.col("computed_on").is_null())
    )
    now = pl.when("lapsed")
    return _silence(
        held.with_columns(
            reason=now.then(pl.col("reason_now").fill_null(Reason.MISSING.value)).otherwise("reason"),
            **{name: now.then(f"{name}_now").otherwise(name) for name in _SEEN},
        )
    ).select(_OPINION)


_SEEN = ("event_at", "available_at")


def _finish(strategy: Strategy, asked: pl.DataFrame, opinions: pl.DataFrame) -> pl.DataFrame:
    """Lay the opinions of the sessions asked for out as the declared table."""
    rows = asked.join(opinions, on="session", how="inner").sort("session", "symbol")
    if rows.height != asked.height * len(strategy.symbols):
        raise InvariantError(f"signals/{strategy.id}: {rows.height} rows for {asked.height} sessions")
    speaks = pl.col("reason").is_null()
    status = pl.when(speaks).then(pl.lit(SignalStatus.OK.value)).otherwise(pl.lit(SignalStatus.NO_SIGNAL.value))
    sure = confidence(pl.col("freshness"), pl.col("quality"), pl.col("score"))
    table = signal_table(strategy.id)
    return rows.with_columns(
        correlation_ids(rows["session"], rows["symbol"]),
        strategy_id=pl.lit(strategy.id),
        confidence=pl.when(speaks).then(sure).otherwise(0.0),
        status=status,
        horizon_sessions=pl.lit(strategy.horizon_sessions, pl.Int32),
        as_of_max=pl.col("event_at"),
        params_hash=pl.lit(strategy.params_hash),
    ).select(list(table.dtypes))
