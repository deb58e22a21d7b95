"""From features to subjects of evidence: every strategy's parameter sets accounted with all costs. Nothing is judged.

One strategy at a time is held in memory; what stays of it are returns by parameter set, not scores.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import polars as pl

from qgtm_core.backtest.evidence.record import Subject, sample_of
from qgtm_core.backtest.evidence.trial_record import Evaluation, TrialRow, rows_of
from qgtm_core.backtest.evidence.trials import Family, Grids, families
from qgtm_core.backtest.research.capacity import CAPITALS_USD, capacity_curve, capacity_usd
from qgtm_core.backtest.research.costs import CostModel
from qgtm_core.backtest.research.returns import ResearchMarket, account, spoke, weights
from qgtm_core.maths.validation import moments
from qgtm_core.schemas.features import FEATURE_TABLES
from qgtm_core.strategies.registry import REGISTRY
from qgtm_core.strategies.spec import Cadence, Strategy, consumed
from qgtm_core.view import MarketPanel

NOT_DAILY = "it trades within the session; the daily backtest has no bars for it"
HASH_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Investigated:
    """One strategy ready to be judged, and the records of its trials."""

    subject: Subject
    trials: tuple[TrialRow, ...]


def investigable(registry: Mapping[str, Strategy] = REGISTRY) -> tuple[str, ...]:
    """Ids of the strategies that a daily backtest can look at: all but the intraday ones."""
    return tuple(key for key, s in registry.items() if s.cadence is not Cadence.INTRADAY)


def investigate(
    chosen: Sequence[str],
    features: Mapping[str, pl.DataFrame],
    sessions: pl.DataFrame,
    market: ResearchMarket,
    costs: CostModel,
    stamp: Callable[[str], Evaluation],
    *,
    missing: Mapping[str, str],
    grids: Grids | None = None,
) -> Iterator[Investigated]:
    """Evaluate and account the parameter sets of each strategy: its neighbourhood, or its grid where one is given.

    `stamp` says of a strategy id what its evaluations have in common; `missing` what data is not there, which explains
    a strategy that never spoke.
    """
    for family in families(chosen, REGISTRY, features, sessions, symbols=market.symbols, grids=grids):
        key = family.strategy_id
        yield _investigated(REGISTRY[key], family, market, costs, stamp(key), missing.get(key, ""))


def unheard(strategy: Strategy, sessions: int, missing: str) -> Subject:
    """A strategy that was not evaluated at all, as a subject."""
    nothing = np.zeros(sessions)
    return Subject(
        strategy_id=strategy.id,
        status=strategy.status.value,
        horizon=max(strategy.horizon_sessions, 1),
        params_hash=strategy.params_hash,
        changes=("",),
        returns=nothing[None],
        gross=nothing,
        turnover=nothing,
        spoke=nothing.astype(bool),
        missing=missing,
    )


def _investigated(
    strategy: Strategy, family: Family, market: ResearchMarket, costs: CostModel, stamp: Evaluation, missing: str
) -> Investigated:
    distinct = family.distinct
    found = account(weights(family.scores[distinct], market), market, costs)
    net = found.net[np.searchsorted(distinct, family.first_alike)]  # a change without effect earned the same
    heard = spoke(family.scores[0])
    part = sample_of(heard)
    base = found.at((0, part))
    curve = capacity_curve(base, costs.capital_usd) if heard.any() else np.zeros(0)
    subject = Subject(
        strategy_id=strategy.id,
        status=strategy.status.value,
        horizon=max(strategy.horizon_sessions, 1),
        params_hash=strategy.params_hash,
        changes=tuple(trial.changed for trial in family.trials),
        returns=net,
        gross=found.gross[0],
        turnover=found.turnover[0],
        spoke=heard,
        capacity=tuple((c, s if np.isfinite(s) else None) for c, s in zip(CAPITALS_USD, curve.tolist(), strict=False)),
        capacity_usd=capacity_usd(base, costs.capital_usd),
        missing=missing,
    )
    sharpes = [moments(returns[part]).sharpe for returns in net]
    periods = part.stop - part.start
    return Investigated(subject, tuple(rows_of(family, sharpes, replace(stamp, periods=periods))))


def table_hashes(features: Mapping[str, pl.DataFrame]) -> dict[str, str]:
    """A hash of the rows of each feature table, whatever order they came in."""
    return {name: _frame_hash(frame.sort(FEATURE_TABLES[name].key)) for name, frame in features.items()}


def arrays_hash(market: ResearchMarket | MarketPanel) -> str:
    """A hash of every figure of a market, what positions earned included, or of a replay's panel."""
    state = hashlib.sha256()
    for field in fields(market):
        values = getattr(market, field.name)
        whole = isinstance(values, np.ndarray)
        state.update(np.ascontiguousarray(values).tobytes() if whole else repr(values).encode())
    return state.hexdigest()[:HASH_DIGITS]


def data_hash(strategy: Strategy, tables: Mapping[str, str], market: str) -> str:
    """A hash of all data a strategy's record rests on: its tables, those of the strategies it reads, the market."""
    readers = (strategy, *(REGISTRY[child] for child in consumed(strategy, REGISTRY)))
    names = sorted({name for reader in readers for name in reader.tables})
    text = "|".join([*(f"{name}={tables.get(name, 'none')}" for name in names), market])
    return hashlib.sha256(text.encode()).hexdigest()[:HASH_DIGITS]


def _frame_hash(frame: pl.DataFrame) -> str:
    import io

    buffer = io.BytesIO()
    frame.rechunk().write_ipc(buffer)
    return hashlib.sha256(buffer.getbuffer()).hexdigest()[:HASH_DIGITS]
