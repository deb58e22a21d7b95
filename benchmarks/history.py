"""Real history in memory, stage by stage, without Dagster and without a database: what every benchmark starts from."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from qgtm_assets.desk import TRADING
from qgtm_core import calendar
from qgtm_core.features.registry import FEATURES, compute_all
from qgtm_core.models import meta
from qgtm_core.models.walk_forward import TRAINERS, fit_missing, fit_missing_meta
from qgtm_core.pit import normalise
from qgtm_core.policy import Policy
from qgtm_core.schemas.pit import PIT_SOURCES, PIT_TABLES
from qgtm_core.strategies.evaluate import evaluate_all
from qgtm_core.strategies.registry import REGISTRY
from qgtm_core.strategies.spec import consumed
from qgtm_core.view import MarketPanel, build_panel
from qgtm_resources.feeds.archive import ArchiveFeed

Frames = dict[str, pl.DataFrame]

PIT_NAMES = tuple(dict.fromkeys(source for feature in FEATURES.values() for source in feature.sources))
RAW_NAMES = tuple(dict.fromkeys(name for table in PIT_NAMES for name in PIT_SOURCES[table]))
LOOKBACK = max(strategy.lookback for strategy in REGISTRY.values())
QUOTES = "decision_quotes"


@dataclass(frozen=True, slots=True)
class Span:
    """The sessions of a measurement; features begin earlier, by what the longest rule looks back.

    `fits` is a folder that keeps the fits of the learning strategies, made walk-forward when it has none; without one
    these strategies are MISSING.
    """

    first: dt.date
    last: dt.date
    fits: Path | None = None

    @property
    def sessions(self) -> pl.DataFrame:
        """`session, decided_at` of the range."""
        return calendar.schedule(self.first, self.last).select("session", "decided_at")

    @property
    def feature_sessions(self) -> pl.DataFrame:
        """The same with the look-back before it."""
        return calendar.schedule(calendar.offset_session(self.first, -LOOKBACK), self.last).select(
            "session", "decided_at"
        )


def read_raw(feed: ArchiveFeed, last: dt.date) -> Frames:
    """Raw tables that features need, with all history up to the session."""
    return {name: feed.rows(name, calendar.FIRST_SESSION, last) for name in RAW_NAMES}


def make_pit(raw: Mapping[str, pl.DataFrame]) -> Frames:
    """PIT tables that features need."""
    return {name: normalise(name, {source: raw[source] for source in PIT_SOURCES[name]})[0] for name in PIT_NAMES}


def with_fits(pit: Frames, span: Span) -> Frames:
    """The PIT tables with the fits of the span's folder; the first time they are made, which takes minutes."""
    if span.fits is None:
        return pit
    files = {name: span.fits / f"{name}.parquet" for name in ("models", "meta_models")}
    if not all(file.exists() for file in files.values()):
        span.fits.mkdir(parents=True, exist_ok=True)
        made = _fitted(pit, span)
        for name, file in files.items():
            made[name].write_parquet(file)
    return {**pit, **{name: pl.read_parquet(file) for name, file in files.items()}}


def _fitted(pit: Frames, span: Span) -> Frames:
    """Every fit due up to the last session, by the code of the job `models`."""
    first = calendar.FIRST_SESSION
    rows = [row for trainer in TRAINERS for row in fit_missing(trainer, pit, first, span.last, (), _say)]
    models = pl.concat([PIT_TABLES["models"].empty(), *rows])
    judge = REGISTRY[meta.SPEC.model_id]
    features = make_features({**pit, "models": models}, span.feature_sessions)
    said = make_signals(features, span.sessions)
    wide = meta.wide_frame({key: said[key] for key in consumed(judge, REGISTRY)}, features, judge.symbols)
    judged = list(fit_missing_meta(wide, pit["prices"], first, span.last, (), _say))
    return {"models": models, "meta_models": pl.concat([PIT_TABLES["meta_models"].empty(), *judged])}


def _say(text: str, done: int, total: int) -> None:
    sys.stderr.write(f"\r{text}: {done} of {total} fits   ")


def make_features(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> Frames:
    """Every feature table for exactly these sessions."""
    return compute_all(pit, sessions)


def make_signals(features: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> Frames:
    """Signals of every registered strategy for exactly these sessions, dead ones not silenced."""
    return evaluate_all(REGISTRY, features, sessions, include_quarantined=True)


def make_panel(
    features: Mapping[str, pl.DataFrame], signals: Mapping[str, pl.DataFrame], quotes: pl.DataFrame, span: Span
) -> MarketPanel:
    """Views of the range for the strategies that trade, as the trading assets build them."""
    lookback = Policy().portfolio.correlation_sessions - 1
    since = calendar.offset_session(span.first, -lookback - 1)
    within = pl.col("session").is_between(span.first, span.last)
    return build_panel(
        features["prices"].filter(pl.col("session").is_between(since, span.last)),
        {strategy.id: signals[strategy.id].filter(within) for strategy in TRADING},
        quotes.filter(within),
        span.sessions,
        lookback,
    )


def open_archive(folder: Path) -> ArchiveFeed:
    """A feed that has read nothing yet."""
    return ArchiveFeed(folder)
