"""Running one recorded session again: all of it, or each stage from what live recorded of the stage before. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl

from qgtm_core.backtest.fills import FillModel, MarketRow
from qgtm_core.backtest.parity.records import Stages
from qgtm_core.backtest.simbroker import AccountRules, SimBroker
from qgtm_core.engine import Opened, approve_stage, open_session, plan_stage, step_session, target_stage
from qgtm_core.policy import Policy
from qgtm_core.rows import aligned, approved_rows, target_rows
from qgtm_core.schemas.trading import APPROVED, TARGET
from qgtm_core.types import BookState, Execution, Gate, KillTier, OrderIntent
from qgtm_core.view import Array, SessionView


@dataclass(frozen=True, slots=True)
class Bench:
    """What a session is run again with: the recorded opening, house rules, and the session's market for its fills."""

    state: BookState
    clusters: Sequence[str]
    policy: Policy
    market: Mapping[str, MarketRow]
    sleeve_shares: Array | None = None
    model: FillModel = field(default_factory=FillModel)


def run_again(bench: Bench, view: SessionView, signals: pl.DataFrame) -> tuple[Stages, dict[str, str]]:
    """The whole session by `step_session`, and the model's reason for every order it does not fill in full."""
    account = _account(bench, view)
    _, step = step_session(bench.state, view, bench.clusters, bench.policy, account, bench.sleeve_shares)
    stages = Stages(
        signals,
        target_rows(step.opened, step.target, view, bench.policy.policy_hash),
        approved_rows(step.opened, step.approval, view),
        step.intents,
        step.executions,
    )
    return stages, _shortfalls(account, step.intents)


def run_staged(bench: Bench, view: SessionView, signals: pl.DataFrame, live: Stages) -> tuple[Stages, dict[str, str]]:
    """Each stage alone, from what live recorded of the one before; a stage without such a record stays empty.

    `view` holds the recorded signals. The tier is the recorded one: who raised it is a question of its own.
    """
    opened = _under(open_session(bench.state, view, bench.policy), live.approved)
    target = target_stage(opened, view, bench.clusters, bench.policy, bench.sleeve_shares)
    approved, intents = APPROVED.empty(), tuple[OrderIntent, ...]()
    if not live.target.is_empty():
        weights = aligned(live.target, "target_weight", view.symbols)
        approved = approved_rows(opened, approve_stage(opened, weights, view, bench.policy), view)
    if not live.approved.is_empty():
        intents = plan_stage(opened, aligned(live.approved, "approved_shares", view.symbols), view, bench.policy)
    account = _account(bench, view)
    for intent in live.intents:
        account.submit(intent)
    told = target_rows(opened, target, view, bench.policy.policy_hash)
    stages = Stages(signals, told, approved, intents, _filled(account, live.intents))
    return stages, _shortfalls(account, live.intents)


def with_signals(view: SessionView, signals: pl.DataFrame) -> SessionView:
    """The view with other opinions: rows of `signals/*` of its session."""
    rows = {name: i for i, name in enumerate(view.strategies)}
    columns = {symbol: j for j, symbol in enumerate(view.symbols)}
    spoken = signals.filter(
        (pl.col("status") == "OK") & pl.col("strategy_id").is_in(list(rows)) & pl.col("symbol").is_in(list(columns))
    )
    at = (
        spoken["strategy_id"].replace_strict(rows, return_dtype=pl.Int64).to_numpy(),
        spoken["symbol"].replace_strict(columns, return_dtype=pl.Int64).to_numpy(),
    )
    score, confidence = np.full_like(view.score, np.nan), np.full_like(view.confidence, np.nan)
    score[at], confidence[at] = spoken["score"].to_numpy(), spoken["confidence"].to_numpy()
    return replace(view, score=score, confidence=confidence)


def nothing(signals: pl.DataFrame) -> Stages:
    """A session of which nothing but signals was recorded."""
    return Stages(signals, TARGET.empty(), APPROVED.empty())


def _under(opened: Opened, approved: pl.DataFrame) -> Opened:
    """The opened book under the tier that live recorded with its approval."""
    if approved.is_empty():
        return opened
    tier = KillTier[approved["tier"][0]]
    return opened if tier is opened.gate.tier else replace(opened, gate=Gate(tier, "as recorded"))


def _account(bench: Bench, view: SessionView) -> SimBroker:
    """The account as the opening has it, in the session's market."""
    priced = np.isfinite(view.mid)
    # a held symbol without any price counts for nothing, as when the book is opened
    marks = {
        symbol: float(mid) if known else 0.0 for symbol, mid, known in zip(view.symbols, view.mid, priced, strict=True)
    }
    rules = AccountRules(allow_short=bench.policy.portfolio.allow_short)
    held = {symbol: shares for symbol, shares in bench.state.positions.items() if shares}
    account = SimBroker(bench.state.cash_usd, bench.model, rules, positions=held, marks=marks)
    account.open_session(view.session, bench.market, view.decided_at)
    return account


def _filled(account: SimBroker, intents: Sequence[OrderIntent]) -> tuple[Execution, ...]:
    own = {intent.client_order_id for intent in intents}
    return tuple(fill for fill in account.executions() if fill.client_order_id in own)


def _shortfalls(account: SimBroker, intents: Sequence[OrderIntent]) -> dict[str, str]:
    orders = [account.order(intent.client_order_id) for intent in intents]
    return {order.client_order_id: order.reason for order in orders if order is not None and order.reason}
