"""Between ledger rows and the frozen values of the core; nothing is computed here."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import Row

from qgtm_core.audit import AuditLeaf
from qgtm_core.types import Algo, BookState, Execution, KillTier, OrderIntent, OrderType, Side


def intent_row(intent: OrderIntent) -> dict[str, Any]:
    """An intent as column values."""
    return {
        "client_order_id": intent.client_order_id,
        "session": intent.session,
        "book": intent.book,
        "symbol": intent.symbol,
        "side": intent.side.value,
        "quantity_shares": intent.quantity_shares,
        "order_type": intent.order_type.value,
        "limit_price": intent.limit_price,
        "decision_mid": intent.decision_mid,
        "algo": intent.algo.value,
        "correlation_id": intent.correlation_id,
        "decided_at": intent.decided_at,
    }


def intent_of(row: Row[Any]) -> OrderIntent:
    """A row of `intents` as an intent."""
    return OrderIntent(
        client_order_id=row.client_order_id,
        session=row.session,
        book=row.book,
        symbol=row.symbol,
        side=Side(row.side),
        quantity_shares=row.quantity_shares,
        order_type=OrderType(row.order_type),
        limit_price=row.limit_price,
        decision_mid=row.decision_mid,
        algo=Algo(row.algo),
        correlation_id=row.correlation_id,
        decided_at=row.decided_at,
    )


def execution_row(fill: Execution) -> dict[str, Any]:
    """A fill as column values, without book, session and origin."""
    return {
        "execution_id": fill.execution_id,
        "client_order_id": fill.client_order_id,
        "symbol": fill.symbol,
        "side": fill.side.value,
        "quantity_shares": fill.quantity_shares,
        "price": fill.price,
        "executed_at": fill.executed_at,
    }


def execution_of(row: Row[Any]) -> Execution:
    """A row of `executions` as a fill."""
    return Execution(
        execution_id=row.execution_id,
        client_order_id=row.client_order_id,
        symbol=row.symbol,
        side=Side(row.side),
        quantity_shares=row.quantity_shares,
        price=row.price,
        executed_at=row.executed_at,
    )


def state_of(row: Row[Any]) -> BookState:
    """A row of `sessions_opened` as the state that was recorded."""
    return BookState(
        book=row.book,
        cash_usd=row.cash_usd,
        positions={symbol: Decimal(quantity) for symbol, quantity in row.positions.items()},
        session=row.state_session,
        equity_usd=row.equity_usd,
        peak_equity_usd=row.peak_equity_usd,
        latched=KillTier(row.latched),
        latched_reason=row.latched_reason,
        latched_session=row.latched_session,
        previous_equity_usd=row.previous_equity_usd,
    )


def leaf_of(row: Row[Any]) -> AuditLeaf:
    """A row of `audit_leaves` as a leaf; its column `index` must be selected as `position` (rows are tuples)."""
    return AuditLeaf(row.position, row.kind, row.correlation_id, row.at, row.leaf)
