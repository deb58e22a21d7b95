"""One session from opinions to costs: the path that live runs once and a backtest loops.

    open_session -> build_target -> approve -> plan_orders -> Broker.submit -> measure

Live assets call the stages one at a time, so that each output is an asset; `step_session` composes the same
functions. Nothing here reads a clock, a file or a row the view does not hold.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Protocol

import numpy as np
import polars as pl

from qgtm_core import calendar
from qgtm_core.backtest.fills import MarketRow
from qgtm_core.errors import InvariantError
from qgtm_core.execution.intents import plan_orders
from qgtm_core.execution.tca import measure
from qgtm_core.policy import Policy
from qgtm_core.portfolio.target import Target, build_target
from qgtm_core.risk.approve import Approval, approve
from qgtm_core.risk.killswitch import evaluate
from qgtm_core.types import BookState, BrokerOrder, Execution, Gate, KillTier, OrderIntent
from qgtm_core.view import Array, SessionView


class SessionBroker(Protocol):
    """What the engine needs of a broker inside one session."""

    def submit(self, intent: OrderIntent) -> BrokerOrder:
        """Send one intent."""
        ...

    def executions(self, after: dt.datetime | None = None) -> list[Execution]:
        """Fills since `after` (inclusive), oldest first."""
        ...


@dataclass(frozen=True, slots=True)
class Opened:
    """A book at its decision: marked, gated, as arrays over the view's symbols."""

    state: BookState
    gate: Gate
    equity_usd: float
    shares: Array
    weights: Array


@dataclass(frozen=True, slots=True)
class Step:
    """Everything one session produced."""

    opened: Opened
    target: Target
    approval: Approval
    intents: tuple[OrderIntent, ...]
    executions: tuple[Execution, ...]
    reset: bool  # a latched tier was assumed to be reset before the session (backtests only)


def open_session(state: BookState, view: SessionView, policy: Policy) -> Opened:
    """Mark the book at the decision's prices and ask the kill switch.

    A state that this very session already opened gives the same answer again: a second run plans the same orders.
    A held symbol without a price makes the marks incomplete, which closes the gate (NO_NEW); it is valued at nothing
    rather than at a guess, and equity is then not used to judge losses.
    """
    stray = set(state.positions) - set(view.symbols)
    if any(state.positions[s] for s in stray):
        raise InvariantError(f"book {state.book} holds {sorted(stray)}, which the universe does not trade")
    shares = np.array([float(state.positions.get(s, 0)) for s in view.symbols])
    held = shares != 0.0
    complete = bool(np.isfinite(view.mid[held]).all())
    value = np.where(held & np.isfinite(view.mid), shares * view.mid, 0.0)
    equity = float(state.cash_usd) + float(value.sum())
    peak = max(equity, state.peak_equity_usd or equity) if complete else state.peak_equity_usd
    before = state.previous_equity_usd if state.session == view.session else state.equity_usd
    gate = evaluate(
        equity if complete else None,
        before,
        peak,
        policy.kill,
        state.latched,
        state.latched_reason,
        marks_complete=complete,
    )
    latched = gate.tier > state.latched
    opened = replace(
        state,
        session=view.session,
        equity_usd=equity if complete else before,
        previous_equity_usd=before,
        peak_equity_usd=peak,
        latched=gate.tier if latched else state.latched,
        latched_reason=gate.reason if latched else state.latched_reason,
        latched_session=view.session if latched else state.latched_session,
    )
    return Opened(opened, gate, equity, shares, value / equity if equity > 0 else np.zeros_like(value))


def target_stage(
    opened: Opened,
    view: SessionView,
    clusters: Sequence[str],
    policy: Policy,
    sleeve_shares: Array | None = None,
) -> Target:
    """Target weights of an opened book.

    `sleeve_shares` are those of the positions that belong to the intraday sleeve. It must be flat when the daily sleeve
    has traded, so the target is the daily sleeve's alone: one order a symbol closes the one and moves the other. The
    no-trade band is asked for the daily part, or it would keep what is not its own.
    """
    weights = opened.weights
    if sleeve_shares is not None and opened.equity_usd > 0.0:
        marked = (sleeve_shares != 0.0) & np.isfinite(view.mid)
        weights = weights - np.where(marked, sleeve_shares * view.mid, 0.0) / opened.equity_usd
    return build_target(view, weights, clusters, policy.portfolio)


def approve_stage(opened: Opened, target_weight: Array, view: SessionView, policy: Policy) -> Approval:
    """What of the target may be traded."""
    return approve(view, target_weight, opened.shares, opened.equity_usd, opened.gate, policy.limits)


def plan_stage(opened: Opened, approved_shares: Array, view: SessionView, policy: Policy) -> tuple[OrderIntent, ...]:
    """The orders to send; none while the gate is closed (flattening is an act of its own)."""
    if not opened.gate.open:
        return ()
    return plan_orders(view, approved_shares, opened.shares, opened.state.book, policy.routing)


def flatten_stage(opened: Opened, view: SessionView, policy: Policy) -> tuple[OrderIntent, ...]:
    """The closing orders of a FLATTEN tier, and of no other."""
    if opened.gate.tier is not KillTier.FLATTEN:
        return ()
    return plan_orders(view, -opened.shares, opened.shares, opened.state.book, policy.routing, attempt="flatten")


def step_session(
    state: BookState,
    view: SessionView,
    clusters: Sequence[str],
    policy: Policy,
    broker: SessionBroker,
    sleeve_shares: Array | None = None,
) -> tuple[BookState, Step]:
    """Run one session; return the next state and what each stage produced."""
    started = _reset_by_policy(state, view, policy)
    opened = open_session(started, view, policy)
    target = target_stage(opened, view, clusters, policy, sleeve_shares)
    approval = approve_stage(opened, target.target_weight, view, policy)
    intents = plan_stage(opened, approval.approved_shares, view, policy) or flatten_stage(opened, view, policy)
    for intent in intents:
        broker.submit(intent)
    executions = tuple(broker.executions(after=view.decided_at))
    step = Step(opened, target, approval, intents, executions, reset=started is not state)
    return apply_executions(opened.state, executions), step


def apply_executions(state: BookState, executions: Sequence[Execution]) -> BookState:
    """Book fills into cash and positions, exactly (Decimal)."""
    if not executions:
        return state
    positions, cash = dict(state.positions), state.cash_usd
    for fill in executions:
        signed = fill.side.sign * fill.quantity_shares
        positions[fill.symbol] = positions.get(fill.symbol, Decimal(0)) + signed
        cash -= signed * fill.price
    return replace(state, cash_usd=cash, positions={s: q for s, q in positions.items() if q})


def _reset_by_policy(state: BookState, view: SessionView, policy: Policy) -> BookState:
    """In a backtest, assume two persons reset a latched tier some sessions later; live state passes unchanged."""
    after = policy.simulated_reset_sessions
    if after is None or state.latched is KillTier.NORMAL or state.latched_session is None:
        return state
    if calendar.sessions_since(state.latched_session, view.session) < after:
        return state
    fresh_peak = state.equity_usd if state.latched is KillTier.FLATTEN else state.peak_equity_usd
    return replace(state, latched=KillTier.NORMAL, latched_reason="", latched_session=None, peak_equity_usd=fresh_peak)


def costs(step: Step, market: Mapping[str, MarketRow], view: SessionView) -> pl.DataFrame:
    """Transaction cost rows of a step."""
    basis = dict(zip(view.symbols, view.quote_basis, strict=True))
    return measure(step.intents, step.executions, market, basis)
