"""What each ledger event says in the audit log, so that every ledger writes the very same leaves. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from typing import Any

from qgtm_core.errors import InvariantError
from qgtm_core.types import BookState, Execution, Gate, OrderIntent, OrderState

_EXACT = Context(prec=80)  # quantities and prices are exact decimals: no product of them may round


@dataclass(frozen=True, slots=True)
class Leaf:
    """One event before it has an index. `at` is null where the port gives no instant (opening a book)."""

    kind: str
    correlation_id: str
    at: dt.datetime | None
    body: dict[str, Any]


def exact_sum(terms: list[Decimal]) -> Decimal:
    """Sum without rounding."""
    with localcontext(_EXACT):
        return sum(terms, Decimal(0))


def cash_effect(execution: Execution) -> Decimal:
    """Change of cash by a fill, USD, exact: negative for a buy."""
    with localcontext(_EXACT):
        return -execution.side.sign * execution.quantity_shares * execution.price


def book_opened(book: str, cash_usd: Decimal, feed: str) -> Leaf:
    """A book was created."""
    return Leaf("BOOK_OPENED", "", None, {"book": book, "cash_usd": cash_usd, "feed": feed})


def session_opened(session: dt.date, state: BookState, at: dt.datetime) -> Leaf:
    """A session was opened from this state."""
    body = {
        "book": state.book,
        "session": session,
        "state_session": state.session,
        "cash_usd": state.cash_usd,
        "positions": state.positions,
        "equity_usd": state.equity_usd,
        "peak_equity_usd": state.peak_equity_usd,
        "previous_equity_usd": state.previous_equity_usd,
        "latched": state.latched,
    }
    return Leaf("SESSION_OPENED", "", at, body)


def intent_saved(intent: OrderIntent) -> Leaf:
    """An order was decided."""
    body = {
        "client_order_id": intent.client_order_id,
        "session": intent.session,
        "book": intent.book,
        "symbol": intent.symbol,
        "side": intent.side,
        "quantity_shares": intent.quantity_shares,
        "order_type": intent.order_type,
        "limit_price": intent.limit_price,
        "decision_mid": intent.decision_mid,
        "algo": intent.algo,
    }
    return Leaf("INTENT", intent.correlation_id, intent.decided_at, body)


def order_moved(
    intent: OrderIntent,
    previous: OrderState,
    state: OrderState,
    at: dt.datetime,
    reason: str = "",
    broker_order_id: str = "",
) -> Leaf:
    """An order changed state."""
    body = {
        "client_order_id": intent.client_order_id,
        "book": intent.book,
        "from": previous,
        "to": state,
        "reason": reason,
        "broker_order_id": broker_order_id,
    }
    return Leaf("ORDER_STATE", intent.correlation_id, at, body)


def fill_booked(execution: Execution, book: str, correlation_id: str, origin: str, *, unusual: str = "") -> Leaf:
    """A fill entered the books; `origin` is OWN or EXTERNAL, `unusual` says LATE or OVERFILL."""
    body = {
        "execution_id": execution.execution_id,
        "client_order_id": execution.client_order_id,
        "book": book,
        "symbol": execution.symbol,
        "side": execution.side,
        "quantity_shares": execution.quantity_shares,
        "price": execution.price,
        "origin": origin,
        "unusual": unusual,
    }
    return Leaf("EXECUTION", correlation_id, execution.executed_at, body)


def tier_raised(book: str, gate: Gate, session: dt.date, at: dt.datetime, actor: str) -> Leaf:
    """The kill switch rose."""
    body = {"book": book, "tier": gate.tier, "reason": gate.reason, "session": session, "actor": actor}
    return Leaf("KILL_TIER", "", at, body)


def check_opening(session: dt.date, state: BookState, last: dt.date | None) -> None:
    """Refuse to open a session older than the newest one: its state would come from the future."""
    if last is not None and session < last:
        raise InvariantError(f"book {state.book}: session {session} is older than {last}, the newest opened")


def check_fill(execution: Execution, intent: OrderIntent) -> None:
    """Refuse a fill that cannot be this order's."""
    if (execution.symbol, execution.side) != (intent.symbol, intent.side):
        raise InvariantError(
            f"fill {execution.execution_id} is {execution.side} {execution.symbol}, "
            f"its order {intent.client_order_id} is {intent.side} {intent.symbol}"
        )


def new_fills(fills: list[Execution], stored: Callable[[str], Execution | None]) -> list[Execution]:
    """The fills not booked yet, once each, oldest first.

    A fill seen before with other figures raises InvariantError: corrections are booked as trades of their own.
    """
    fresh: dict[str, Execution] = {}
    for fill in sorted(fills, key=lambda each: each.executed_at):
        if fill.quantity_shares <= 0 or fill.price < 0:
            raise InvariantError(f"fill {fill.execution_id} has quantity {fill.quantity_shares} at {fill.price}")
        known = fresh.get(fill.execution_id) or stored(fill.execution_id)
        if known is None:
            fresh[fill.execution_id] = fill
        elif known != fill:
            raise InvariantError(f"fill {fill.execution_id} was booked with other figures")
    return list(fresh.values())


def unusual_fill(current: OrderState, filled_shares: Decimal, ordered_shares: Decimal) -> str:
    """OVERFILL when more than ordered was filled, LATE when the order was final already, else empty."""
    if filled_shares > ordered_shares:
        return "OVERFILL"
    return "LATE" if current.final and current is not OrderState.FILLED else ""
