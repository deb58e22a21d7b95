"""The whole library on real history, strategy by strategy: when it speaks, why it is silent, how it overlaps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.history import Frames, Span, make_features, make_pit, make_signals, open_archive, read_raw, with_fits
from benchmarks.tables import Result, Table
from qgtm_core.strategies.registry import REGISTRY
from qgtm_core.strategies.spec import Cadence, DataRef, Strategy

SESSIONS_A_YEAR = 252
MIN_SHARED = 60  # sessions both must speak for a correlation
TOO_ALIKE = 0.8
DISTINCT = {("vix_haven", "gold_vix_haven"), ("cot_precious", "hedging_pressure")}  # pairs that must stay below it


def run(folder: Path, span: Span) -> Result:
    """Signals of every strategy over the range, quarantined ones not silenced, as a table of facts and one of pairs."""
    pit = with_fits(make_pit(read_raw(open_archive(folder), span.last)), span)
    features = make_features(pit, span.feature_sessions)
    signals = make_signals(features, span.sessions)
    rows = [facts(REGISTRY[key], frame, pit, features) for key, frame in signals.items()]
    pairs = overlaps(signals)
    unexplained = [row["id"] for row in rows if row["ok"] == 0 and not row["why silent"]]
    alike = [row["one"] for row in pairs if row["bound"] and abs(row["correlation"] or 0.0) >= TOO_ALIKE]
    result = Result("library", ok=not unexplained and not alike)
    result.tables = [
        Table(f"{span.first} to {span.last}: rows of {span.sessions.height} sessions by strategy", rows),
        Table("Correlation of scores of strategies that must differ", pairs),
    ]
    intraday = [key for key, s in REGISTRY.items() if s.cadence is Cadence.INTRADAY]
    result.notes.append(f"Not here, because the archive has no bars of theirs: {', '.join(intraday)}.")
    if unexplained:
        result.notes.append(f"Silent throughout although their data are held: {', '.join(unexplained)}.")
    return result


def facts(strategy: Strategy, signals: pl.DataFrame, pit: Frames, features: Frames) -> dict[str, Any]:
    """One line: first session with an opinion, rows by reason, size and turnover of the score, why it is silent."""
    spoken = signals.filter(status="OK")
    reasons = dict(signals.filter(status="NO_SIGNAL").group_by("reason").len().sort("reason").iter_rows())
    moves = signals.sort("symbol", "session").select(pl.col("score").diff().abs().over("symbol")).to_series()
    return {
        "no": strategy.number,
        "id": strategy.id,
        "first": str(spoken["session"].min() or ""),
        "rows": signals.height,
        "ok": spoken.height,
        "silent": ", ".join(f"{reason} {count}" for reason, count in reasons.items()),
        "mean size": _mean(spoken["score"].abs()),
        "flat": _mean((spoken["score"] == 0.0).cast(pl.Float64)),
        "turnover a year": None if (a_session := _mean(moves)) is None else a_session * SESSIONS_A_YEAR,
        "why silent": "" if spoken.height else ("; ".join([*missing(strategy, pit), *short(strategy, features)])),
    }


def _mean(values: pl.Series) -> float | None:
    found = values.mean()
    return found if isinstance(found, float) else None


def short(strategy: Strategy, features: Frames) -> list[str]:
    """Inputs that never reached the observations they need."""
    found = []
    for item in strategy.inputs:
        column = f"{item.prefix}obs"
        most = features[item.table][column].max() if not item.coverage else None
        if isinstance(most, int) and most < item.warmup:
            found.append(f"{item.table} {item.name}".strip() + f": {most} of {item.warmup} observations")
    return found


def missing(strategy: Strategy, pit: Mapping[str, pl.DataFrame]) -> list[str]:
    """What the strategy cannot do without and the archive has no row of."""
    written = dict.fromkeys(text for item in strategy.inputs for text in item.data)
    refs = {text: DataRef.parse(text) for text in written}
    return [
        text
        for text, ref in refs.items()
        if ref.table not in pit
        or pit[ref.table].filter(ref.matches(strategy.symbols) & pl.col(ref.column).is_not_null()).is_empty()
    ]


def overlaps(signals: Frames) -> list[dict[str, Any]]:
    """Every declared pair with both sides here: correlation over sessions and symbols on which both speak."""
    named = {tuple(sorted((key, other))) for key in signals for other in REGISTRY[key].differs if other in signals}
    rows = []
    for a, b in sorted(named):
        both = (
            signals[a]
            .filter(status="OK")
            .join(signals[b].filter(status="OK"), on=["session", "symbol"], suffix="_b")
            .select("score", "score_b")
        )
        enough = both.height >= MIN_SHARED and both["score"].n_unique() > 1 and both["score_b"].n_unique() > 1
        found = both.select(pl.corr("score", "score_b")).item() if enough else None
        bound = bool({(a, b), (b, a)} & DISTINCT)
        rows.append({"one": a, "other": b, "shared rows": both.height, "correlation": found, "bound": bound})
    return rows
