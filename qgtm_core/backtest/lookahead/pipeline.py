"""The path from raw rows to returns as values: its stages as arguments, and every table by the tables it is made of.

The stages are arguments so that the look-ahead detector can be held against leaks planted in each.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from qgtm_core import calendar
from qgtm_core.backtest.fills import FillModel, FillResult, MarketRow, work
from qgtm_core.backtest.lookahead.histories import Frames
from qgtm_core.backtest.research.costs import CostModel
from qgtm_core.backtest.research.returns import ResearchMarket, account, research_market, weights
from qgtm_core.errors import InvariantError
from qgtm_core.features.registry import FEATURES, compute_all
from qgtm_core.maths.labels import purged_folds
from qgtm_core.models.walk_forward import TRAINERS, Trainer, fit_missing
from qgtm_core.pit import normalise
from qgtm_core.schemas.features import FEATURE_TABLES
from qgtm_core.schemas.pit import PIT_SOURCES, PIT_TABLES
from qgtm_core.schemas.raw import RAW_TABLES
from qgtm_core.strategies.evaluate import evaluate_all
from qgtm_core.strategies.registry import REGISTRY
from qgtm_core.strategies.spec import Cadence, Strategy, consumed
from qgtm_core.types import OrderIntent
from qgtm_core.view import Array

Pit = Mapping[str, pl.DataFrame]
ACCOUNTS = ("prices",)  # feature tables that the accounts need beside those of the strategies
TERMS = ("fund_terms",)  # and PIT tables


def _pit_rows(table: str, raw: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    return normalise(table, raw)[0]


def _signals(strategies: Mapping[str, Strategy], features: Pit, sessions: pl.DataFrame) -> Frames:
    return evaluate_all(strategies, features, sessions, include_quarantined=True)


def _returns(score: Array, market: ResearchMarket) -> Array:
    return account(weights(score, market), market, CostModel()).net


def _fill(intent: OrderIntent, market: Mapping[dt.date, MarketRow]) -> FillResult:
    return work(intent, market.get(intent.session), FillModel())


def _no_target(_features: Pit, _signals: Pit, _quotes: pl.DataFrame, _session: dt.date) -> pl.DataFrame | None:
    return None


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The stages from raw rows to returns; by default the real ones.

    `fits` makes the fits of a trainer that are due in a range of sessions; `returns` are net, (…, T) from scores
    (…, T, N); `fill` works an order in the markets by session. `target` gives the target weights of a session as a
    frame by `session, symbol`, or null where no book is asked about.
    """

    normalise: Callable[[str, Mapping[str, pl.DataFrame]], pl.DataFrame] = _pit_rows
    features: Callable[[Pit, pl.DataFrame, Iterable[str]], Frames] = compute_all
    signals: Callable[[Mapping[str, Strategy], Pit, pl.DataFrame], Frames] = _signals
    market: Callable[..., ResearchMarket] = research_market
    returns: Callable[[Array, ResearchMarket], Array] = _returns
    fill: Callable[[OrderIntent, Mapping[dt.date, MarketRow]], FillResult] = _fill
    fits: Callable[..., Iterator[pl.DataFrame]] = fit_missing
    trainers: tuple[Trainer, ...] = TRAINERS
    folds: Callable[..., Iterator[tuple[np.ndarray, np.ndarray]]] = purged_folds
    target: Callable[[Pit, Pit, pl.DataFrame, dt.date], pl.DataFrame | None] = _no_target


@dataclass(frozen=True, slots=True)
class Case:
    """What is searched: the strategies with those they consume, the sessions, and the rows they start from.

    `raw` are raw tables; `fits` are the PIT tables of fitted models, which are made of no raw rows. An absent table
    counts as empty.
    """

    strategies: Mapping[str, Strategy]
    first: dt.date
    last: dt.date
    raw: Pit
    fits: Pit = field(default_factory=dict)
    quotes: pl.DataFrame = field(default_factory=RAW_TABLES["decision_quotes"].empty)

    @property
    def tables(self) -> tuple[str, ...]:
        """Feature tables that the strategies and their accounts read."""
        return tables_of(self.strategies)

    @property
    def sources(self) -> tuple[str, ...]:
        """PIT tables these are made of."""
        return sources_of(self.strategies)

    def days(self, last: dt.date, *, lookback: bool) -> pl.DataFrame:
        """`session, decided_at` up to a session, with the look-back of the strategies or without."""
        longest = max((s.lookback for s in self.strategies.values()), default=0) if lookback else 0
        first = calendar.offset_session(self.first, -longest)
        return calendar.schedule(first, min(last, self.last)).select("session", "decided_at")


def wanted(strategy_ids: Sequence[str] = ()) -> dict[str, Strategy]:
    """These strategies (none named: every one that computes daily) and those whose signals they read."""
    daily = {key: s for key, s in REGISTRY.items() if s.cadence is not Cadence.INTRADAY}
    named = [daily[key] for key in strategy_ids or daily]
    return {s.id: s for one in named for s in (one, *(daily[key] for key in consumed(one, daily)))}


def tables_of(strategies: Mapping[str, Strategy]) -> tuple[str, ...]:
    """Feature tables that strategies and their accounts read."""
    return tuple(dict.fromkeys((*(table for s in strategies.values() for table in s.tables), *ACCOUNTS)))


def sources_of(strategies: Mapping[str, Strategy]) -> tuple[str, ...]:
    """PIT tables that these go back to."""
    sources = (source for table in tables_of(strategies) for source in FEATURES[table].sources)
    return tuple(dict.fromkeys((*sources, *TERMS)))


def raw_of(strategies: Mapping[str, Strategy]) -> tuple[str, ...]:
    """Raw tables that these go back to."""
    return tuple(dict.fromkeys(name for source in sources_of(strategies) for name in PIT_SOURCES[source]))


@dataclass(frozen=True, slots=True)
class World:
    """What was computed from one history, by node: `pit/…`, `features/…`, `signals/…`, `portfolio/target`."""

    frames: Frames
    refused: str = ""  # what the evaluation said when it would not take a row

    def of(self, group: str) -> Frames:
        """The frames of a group by table."""
        return {name.split("/")[1]: frame for name, frame in self.frames.items() if name.startswith(f"{group}/")}


def pit_of(pipeline: Pipeline, case: Case, raw: Pit) -> Frames:
    """PIT tables of the case from raw rows."""
    made = {}
    for name in case.sources:
        if PIT_SOURCES[name]:
            given = {source: raw[source] for source in PIT_SOURCES[name] if source in raw}
            made[name] = pipeline.normalise(name, given)
    return made


def world_of(pipeline: Pipeline, case: Case, pit: Pit, last: dt.date) -> World:
    """Features and signals up to a session from PIT tables."""
    features = pipeline.features(pit, case.days(last, lookback=True), case.tables)
    frames = {f"pit/{name}": frame for name, frame in pit.items()}
    frames |= {f"features/{name}": frame for name, frame in features.items()}
    try:
        signals = pipeline.signals(case.strategies, features, case.days(last, lookback=False))
    except InvariantError as error:  # a row that was not known at its decision
        return World(frames, str(error))
    return World({**frames, **{f"signals/{name}": frame for name, frame in signals.items()}})


def parents(node: str, strategies: Mapping[str, Strategy]) -> tuple[str, ...]:
    """What a table is made of, directly."""
    group, name = node.split("/")
    if group == "pit":
        return tuple(f"raw/{source}" for source in PIT_SOURCES[name])
    if group == "features":
        return tuple(f"pit/{source}" for source in FEATURES[name].sources)
    if group == "signals":
        told = consumed(strategies[name], strategies)
        return (*(f"features/{table}" for table in strategies[name].tables), *(f"signals/{key}" for key in told))
    if group == "portfolio":
        return ("features/prices", *(f"signals/{key}" for key in strategies))
    return ()


def keys_of(node: str) -> tuple[str, ...]:
    """Columns that identify a row of a table."""
    group, name = node.split("/")
    if group == "features":
        return FEATURE_TABLES[name].key
    return PIT_TABLES[name].unique if group == "pit" else ("session", "symbol")
