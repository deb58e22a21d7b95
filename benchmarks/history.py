"""Real history in memory, stage by stage, without Dagster and without a database: what every benchmark starts from."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from qgtm_assets.desk import TRADING
from qgtm_core import calendar
from qgtm_core.features.registry import FEATURES, compute_all
from qgtm_core.pit import normalise
from qgtm_core.policy import Policy
from qgtm_core.schemas.pit import PIT_SOURCES
from qgtm_core.strategies.evaluate import evaluate_all
from qgtm_core.strategies.registry import REGISTRY
from qgtm_core.view import MarketPanel, build_panel
from qgtm_resources.feeds.archive import ArchiveFeed

Frames = dict[str, pl.DataFrame]

PIT_NAMES = tuple(dict.fromkeys(source for feature in FEATURES.values() for source in feature.sources))
RAW_NAMES = tuple(dict.fromkeys(name for table in PIT_NAMES for name in PIT_SOURCES[table]))
LOOKBACK = max(strategy.lookback for strategy in REGISTRY.values())
QUOTES = "decision_quotes"


@dataclass(frozen=True, slots=True)
class Span:
    """The sessions of a measurement; features begin earlier, by what the longest rule looks back."""

    first: dt.date
    last: dt.date

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
