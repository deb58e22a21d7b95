"""The intraday sleeve in the one book: its target beside what the daily sleeve holds, and one tick of it.

    open_session -> sleeve_target -> approve -> plan_orders

The same stages, limits and gate as the daily path. The sleeve's shares are the signed fills of its own orders, the
daily sleeve's are all the others, so the two always add up to the book. An order of a tick moves the sleeve's part
only: a limit may shrink it, never turn it or touch the daily part. Nothing here reads a clock or a file.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np
import polars as pl

from qgtm_core import calendar
from qgtm_core.correlation import INTRADAY_PREFIX, tick_correlation_id
from qgtm_core.engine import Opened, SessionBroker, apply_executions, open_session
from qgtm_core.errors import InvariantError
from qgtm_core.execution.intents import SHARE_NOISE, plan_orders
from qgtm_core.intraday.quotes import PREVIOUS_CLOSE
from qgtm_core.policy import IntradayPolicy, Policy
from qgtm_core.portfolio.allocate import correlation_matrix, portfolio_vol
from qgtm_core.risk.approve import approve
from qgtm_core.types import BookState, Execution, KillTier, OrderIntent
from qgtm_core.universe import INSTRUMENTS
from qgtm_core.view import Array, SessionView

IN_FLIGHT, TOO_SMALL, NO_SHORT = "IN_FLIGHT", "TOO_SMALL", "NO_SHORT"


@dataclass(frozen=True, slots=True)
class Tick:
    """Everything one tick decided, over the view's symbols."""

    opened: Opened
    sleeve_shares: Array  # before the tick
    sleeve_weight: Array  # wanted
    net_weight: Array  # wanted, both sleeves
    approved_shares: Array
    reasons: tuple[str, ...]
    intents: tuple[OrderIntent, ...]


def of_sleeve(intent: OrderIntent) -> bool:
    """True for an order of the intraday sleeve."""
    return intent.correlation_id.startswith(INTRADAY_PREFIX)


def sleeve_positions(intents: Iterable[OrderIntent], executions: Iterable[Execution]) -> dict[str, Decimal]:
    """Shares of the sleeve by symbol: the signed fills of its orders in the session, flat symbols left out."""
    own = {intent.client_order_id for intent in intents if of_sleeve(intent)}
    held: dict[str, Decimal] = {}
    for fill in executions:
        if fill.client_order_id in own:
            held[fill.symbol] = held.get(fill.symbol, Decimal(0)) + fill.side.sign * fill.quantity_shares
    return {symbol: shares for symbol, shares in held.items() if shares}


def shares_of(positions: Mapping[str, Decimal], symbols: Sequence[str]) -> Array:
    """Positions as an array over symbols."""
    return np.array([float(positions.get(symbol, 0)) for symbol in symbols])


def tick_view(
    base: SessionView,
    signals: Mapping[str, pl.DataFrame],
    quotes: pl.DataFrame,
    session: dt.date,
    decided_at: dt.datetime,
) -> SessionView:
    """The view of one tick: volatility, returns and volume of the newest finished session, opinions and prices now.

    `base` is the view of the session before; `signals` are the rows of this tick by strategy id; `quotes` has
    `symbol, mid, half_spread_bp, basis`, one row a symbol at most.
    """
    places = {symbol: i for i, symbol in enumerate(base.symbols)}
    shape = (len(signals), len(places))
    score, confidence = np.full(shape, np.nan), np.full(shape, np.nan)
    for row, frame in enumerate(signals.values()):
        for symbol, value, sure in frame.filter(status="OK").select("symbol", "score", "confidence").iter_rows():
            score[row, places[symbol]], confidence[row, places[symbol]] = value, sure
    mid, spread = np.full(len(places), np.nan), np.full(len(places), np.nan)
    basis = [""] * len(places)
    for symbol, price, half, told in quotes.select("symbol", "mid", "half_spread_bp", "basis").iter_rows():
        if symbol in places:
            i = places[symbol]
            mid[i], basis[i] = price, told
            spread[i] = INSTRUMENTS[symbol].half_spread_bp if half is None else half
    return replace(
        base,
        session=session,
        decided_at=decided_at,
        strategies=tuple(signals),
        score=score,
        confidence=confidence,
        mid=mid,
        half_spread_bp=spread,
        quote_basis=tuple(basis),
    )


def sleeve_target(
    view: SessionView, sleeve_weight: Array, sizes: Sequence[int], tier: KillTier, policy: IntradayPolicy, min_obs: int
) -> Array:
    """Weights the sleeve wants, as shares of equity.

    Each strategy owns an equal part of the gross budget, spread over the `sizes[i]` symbols it trades; a symbol gets
    confidence x score of it. A silent strategy wants nothing. The whole is scaled down to the volatility limit. A
    change smaller than the band keeps the current weight, unless the target is 0 or on the other side.
    """
    if len(sizes) != len(view.strategies):
        raise InvariantError(f"the view has {len(view.strategies)} strategies, {len(sizes)} sizes are given")
    budget = policy.max_gross_weight * (policy.throttle_share if tier is KillTier.THROTTLE else 1.0)
    each = budget / max(len(sizes), 1) / np.array(sizes, dtype=np.float64)
    votes = np.nan_to_num(view.score * view.confidence) * each[:, None]
    fresh = np.array([basis != PREVIOUS_CLOSE for basis in view.quote_basis])
    tradable = np.isfinite(view.mid) & np.isfinite(view.annual_vol) & fresh
    target = np.where(tradable, votes.sum(axis=0), 0.0)
    vol = portfolio_vol(target, view.annual_vol, correlation_matrix(view.returns, min_obs))
    if vol > policy.annual_vol_limit:
        target = target * (policy.annual_vol_limit / vol)
    same_side = (target != 0.0) & (target * sleeve_weight > 0.0)
    small = same_side & (np.abs(target - sleeve_weight) < policy.no_trade_band_weight)
    return np.where(small, sleeve_weight, target)


def intraday_step(
    state: BookState,
    view: SessionView,
    sleeve: Mapping[str, Decimal],
    sizes: Sequence[int],
    policy: Policy,
    *,
    busy: Collection[str] = (),
) -> Tick:
    """Decide one tick: mark and gate the book, net the sleeve's target with the daily positions, approve, plan.

    `sleeve` are the shares of the sleeve in `state.positions`; `busy` symbols have an order that is not settled and are
    left alone. No order is planned while the gate is closed. The same arguments give the same orders and ids.
    """
    opened = open_session(state, view, policy)
    own = shares_of(sleeve, view.symbols)
    equity = max(opened.equity_usd, 0.0)
    per_share = np.divide(view.mid, equity, out=np.zeros_like(view.mid), where=np.isfinite(view.mid) & (equity > 0.0))
    daily = opened.weights - own * per_share
    wanted = sleeve_target(
        view, own * per_share, sizes, opened.gate.tier, policy.intraday, policy.portfolio.correlation_min_obs
    )
    reasons: list[list[str]] = [[] for _ in view.symbols]
    if not policy.portfolio.allow_short:
        floor = np.minimum(daily, 0.0) - daily
        _note(reasons, wanted < floor - 1e-12, NO_SHORT)
        wanted = np.maximum(wanted, floor)
    ours = (wanted != 0.0) | (own != 0.0)
    net = np.where(ours, daily + wanted, opened.weights)
    limits = replace(policy.limits, min_order_notional_usd=0.0)  # small orders are judged below: an exit always goes
    approval = approve(view, net, opened.shares, opened.equity_usd, opened.gate, limits)
    change = np.clip(approval.approved_shares, *_between(np.where(ours, approval.wanted_shares, 0.0)))
    small = (np.abs(change) * view.mid < policy.limits.min_order_notional_usd) & (change != 0.0) & (wanted != 0.0)
    blocked = np.isin(view.symbols, list(busy)) & (change != 0.0)
    _note(reasons, small, TOO_SMALL)
    _note(reasons, blocked, IN_FLIGHT)
    change = _settled(np.where(small | blocked, 0.0, change))
    told = tuple(
        ",".join([*filter(None, [risk if mine else ""]), *more])
        for risk, more, mine in zip(approval.reasons, reasons, ours.tolist(), strict=True)
    )
    return Tick(opened, own, wanted, net, change, told, _orders(opened, change, view, policy))


def _between(wanted: Array) -> tuple[Array, Array]:
    """Bounds of an approved change: nothing, and what the sleeve wanted."""
    return np.minimum(wanted, 0.0), np.maximum(wanted, 0.0)


def _settled(change: Array) -> Array:
    """Whole numbers where only the noise of floats is missing: -99.9999999 shares of the sleeve close 100."""
    nearest = np.round(change)
    return np.where(np.abs(change - nearest) < SHARE_NOISE, nearest, change)


def _note(reasons: list[list[str]], where: np.ndarray, name: str) -> None:
    for i in np.flatnonzero(where):
        reasons[i].append(name)


def _orders(opened: Opened, change: Array, view: SessionView, policy: Policy) -> tuple[OrderIntent, ...]:
    """Orders of the tick, under ids of their own; none while the gate is closed."""
    if not opened.gate.open:
        return ()
    local = view.decided_at.astimezone(calendar.NEW_YORK)
    planned = plan_orders(view, change, opened.shares, opened.state.book, policy.routing, attempt=f"i{local:%H%M%S}")
    return tuple(replace(i, correlation_id=tick_correlation_id(view.decided_at, i.symbol)) for i in planned)


def run_ticks(
    state: BookState, views: Iterable[SessionView], sizes: Sequence[int], policy: Policy, broker: SessionBroker
) -> tuple[BookState, dict[str, Decimal], list[Tick]]:
    """Run the ticks of a session against a broker that fills at once; the state, the sleeve's shares and the ticks.

    The state keeps the marks of the last daily decision: the daily loss is measured from there all day. Only a tier
    that was latched on the way is kept.
    """
    sleeve: dict[str, Decimal] = {}
    done: list[Tick] = []
    for view in views:
        tick = intraday_step(state, view, sleeve, sizes, policy)
        for intent in tick.intents:
            broker.submit(intent)
        own = {intent.client_order_id for intent in tick.intents}
        fills = [fill for fill in broker.executions(after=view.decided_at) if fill.client_order_id in own]
        opened = tick.opened.state
        state = apply_executions(
            replace(
                state,
                latched=opened.latched,
                latched_reason=opened.latched_reason,
                latched_session=opened.latched_session,
            ),
            fills,
        )
        for symbol, shares in sleeve_positions(tick.intents, fills).items():
            sleeve[symbol] = sleeve.get(symbol, Decimal(0)) + shares
        done.append(tick)
    return state, {symbol: shares for symbol, shares in sleeve.items() if shares}, done
