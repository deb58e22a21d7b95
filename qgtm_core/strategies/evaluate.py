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
from qgtm_core.strategies.panel import INPUT_REASONS, VERDICT_COLUMNS, build_panel, days_of, legs_of, signal_key
from qgtm_core.strategies.spec import SLOW, Cadence, Strategy, consumed
from qgtm_core.types import Reason, SignalStatus, StrategyStatus

_ROUNDING = 1e-9  # a score beyond one by no more than this is rounding, by more is a broken rule
_WORST_FIRST = pl.Enum([reason.value for reason in dict.fromkeys((*INPUT_REASONS, *Reason))])


_SEEN = ("event_at", "available_at")
_VERDICT = [*VERDICT_COLUMNS]
_HIDDEN = {*VERDICT_COLUMNS} - {"session", "symbol"}  # from the rule
_SPEAKS = pl.col("reason").is_null()
_USABLE = (pl.col("own_score").is_finite() & pl.col("own_quality").is_finite()).fill_null(value=False)
_DEGENERATE = pl.when(~_USABLE).then(pl.lit(Reason.DEGENERATE.value))
_SPOKEN = (
    pl.when(_SPEAKS).then(pl.col("own_score").clip(-1.0, 1.0)).alias("score"),
    pl.when(_SPEAKS).then(pl.col("own_quality")).alias("quality"),
)
_OUT_OF_RANGE = (
    _SPEAKS & ((pl.col("own_score").abs() > 1.0 + _ROUNDING) | ~pl.col("own_quality").is_between(0.0, 1.0))
).alias("out_of_range")
_STATUS = (
    pl.when(_SPEAKS).then(pl.lit(SignalStatus.OK.value)).otherwise(pl.lit(SignalStatus.NO_SIGNAL.value)).alias("status")
)


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
    asked = sessions[["session", "decided_at"]]
    asked = asked if asked["session"].is_sorted() else asked.sort("session")
    if asked.is_empty():
        return signal_table(strategy.id).empty()
    if strategy.status is StrategyStatus.DEAD and not include_quarantined:
        return _finish(strategy, asked, _quarantined(strategy, asked))
    days = days_of(strategy, asked)
    panel = build_panel(strategy, features, days)
    opinions = _opinions(strategy, panel, days)
    if strategy.cadence in SLOW:
        opinions = _hold(opinions, _by_symbol(panel[_VERDICT], strategy), days)
    return _finish(strategy, asked, opinions)


def evaluate_all(
    strategies: Mapping[str, Strategy],
    features: Mapping[str, pl.DataFrame],
    sessions: pl.DataFrame,
    *,
    include_quarantined: bool = False,
) -> dict[str, pl.DataFrame]:
    """Return the signals of every daily strategy by id; those that consume signals come after those they read."""
    daily = {key: s for key, s in strategies.items() if s.cadence is not Cadence.INTRADAY}
    done: dict[str, pl.DataFrame] = {}
    for key in sorted(daily, key=lambda name: (bool(daily[name].consumes), daily[name].number)):
        known = {**features, **{signal_key(i): done[i] for i in consumed(daily[key], daily)}}
        done[key] = evaluate(daily[key], known, sessions, include_quarantined=include_quarantined)
    return {key: done[key] for key in daily}


def confidence(freshness: pl.Expr, quality: pl.Expr, score: pl.Expr) -> pl.Expr:
    """Freshness times quality times a term that rises with the size of the score from 0.3 to 1."""
    return (freshness * quality * (0.3 + 0.7 * score.abs())).clip(0.0, 1.0)


def _quarantined(strategy: Strategy, asked: pl.DataFrame) -> pl.DataFrame:
    symbols = pl.DataFrame({"symbol": sorted(strategy.symbols)}, schema={"symbol": pl.String})
    nothing = {name: pl.lit(None, pl.Float64) for name in ("freshness", "score", "quality")}
    unseen = {name: pl.lit(None, INSTANT) for name in _SEEN}
    rows = asked.select("session").join(symbols, how="cross", maintain_order="left_right")
    return rows.with_columns(reason=pl.lit(Reason.QUARANTINED.value), **nothing, **unseen)


def _opinions(strategy: Strategy, panel: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    """Apply the rule to the sessions on which it computes; verdict, score and quality by symbol."""
    if strategy.cadence in SLOW:
        computing = days.filter(pl.col("session") == pl.col("computed_on")).select("session")
        panel = panel.join(computing, on="session", how="semi", maintain_order="left")
    panel = _require_group(panel, strategy)
    judged = strategy.rule(panel[[c for c in panel.columns if c not in _HIDDEN]], strategy.params)
    if judged.height != panel.height:
        raise InvariantError(f"{strategy.id}: the rule returned {judged.height} rows for {panel.height}")
    rows = panel[_VERDICT].hstack(
        [judged[name].alias(f"own_{name}") for name in ("score", "quality", "reason") if name in judged.columns]
    )
    own_reason = ["own_reason"] if "own_reason" in rows.columns else []
    rows = rows.with_columns(reason=pl.coalesce("reason", *own_reason, _DEGENERATE))
    rows = rows.select(*VERDICT_COLUMNS, *_SPOKEN, _OUT_OF_RANGE)
    if rows["out_of_range"].any():
        raise InvariantError(
            f"{strategy.id}: score or quality out of range on {rows.filter('out_of_range')['session'][0]}"
        )
    return _require_group(_by_symbol(rows[[*_VERDICT, "score", "quality"]], strategy), strategy)


def _by_symbol(rows: pl.DataFrame, strategy: Strategy) -> pl.DataFrame:
    """Join the legs of a symbol: mean score and quality of those that speak, the stalest freshness among them.

    A symbol is silent only when all its legs are; it then carries the worst of their reasons.
    """
    if len(legs_of(strategy)) == len(strategy.symbols):
        return rows
    newest = [pl.coalesce(pl.col(name).filter(_SPEAKS).max(), pl.col(name).max()).alias(name) for name in _SEEN]
    worst = pl.col("reason").cast(_WORST_FIRST).min().cast(pl.String)
    return rows.group_by("session", "symbol", maintain_order=True).agg(
        pl.when(~_SPEAKS.any()).then(worst).alias("reason"),
        *newest,
        pl.col("freshness").filter(_SPEAKS).min(),
        *(pl.col(name).mean() for name in ("score", "quality") if name in rows.columns),
    )


def _require_group(rows: pl.DataFrame, strategy: Strategy) -> pl.DataFrame:
    """Silence every symbol of a session in which fewer than `min_symbols` can speak, for the worst reason there."""
    if strategy.min_symbols <= 1:
        return rows
    too_few = _SPEAKS.sum().over("session") < strategy.min_symbols
    worst = pl.col("reason").cast(_WORST_FIRST).min().over("session").cast(pl.String)
    return rows.with_columns(reason=pl.when(_SPEAKS & too_few).then(worst).otherwise("reason"))


def _hold(opinions: pl.DataFrame, health: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    """Repeat the newest computation on every session; an input missing or stale since then silences it."""
    today = health.select("session", "symbol", *(pl.col(c).alias(f"{c}_now") for c in ("reason", *_SEEN)))
    held = today.join(days[["session", "computed_on"]], on="session", how="left", maintain_order="left").join(
        opinions.with_columns(known=pl.lit(value=True)),
        left_on=["computed_on", "symbol"],
        right_on=["session", "symbol"],
        how="left",
        maintain_order="left",
    )
    lapsed = pl.col("reason_now").is_in([Reason.MISSING.value, Reason.STALE.value]).fill_null(value=False)
    now = pl.when(lapsed | pl.col("known").is_null())
    return held.with_columns(
        reason=now.then(pl.col("reason_now").fill_null(Reason.MISSING.value)).otherwise("reason"),
        **{name: now.then(f"{name}_now").otherwise(name) for name in _SEEN},
    )


def _finish(strategy: Strategy, asked: pl.DataFrame, opinions: pl.DataFrame) -> pl.DataFrame:
    """Lay the opinions of the sessions asked for out as the declared table."""
    rows = asked.join(opinions, on="session", how="inner", maintain_order="left_right")
    sure = confidence(pl.col("freshness"), pl.col("quality"), pl.col("score"))
    return rows.select(
        "session",
        pl.lit(strategy.id).alias("strategy_id"),
        "symbol",
        pl.when(_SPEAKS).then("score").alias("score"),
        pl.when(_SPEAKS).then(sure).otherwise(0.0).alias("confidence"),
        _STATUS,
        "reason",
        pl.lit(strategy.horizon_sessions, pl.Int32).alias("horizon_sessions"),
        pl.col("event_at").alias("as_of_max"),
        "available_at",
        "decided_at",
        correlation_ids(rows["session"], rows["symbol"]),
        pl.lit(strategy.params_hash).alias("params_hash"),
    )
