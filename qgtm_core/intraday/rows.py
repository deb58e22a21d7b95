"""Results of the intraday sleeve as rows of their declared tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

import numpy as np
import polars as pl

from qgtm_core.correlation import tick_correlation_id
from qgtm_core.intraday.sleeve import Tick, of_sleeve
from qgtm_core.schemas.intraday import INTRADAY_ORDERS, INTRADAY_TARGET
from qgtm_core.types import Execution, OrderIntent, OrderState
from qgtm_core.view import SessionView


def tick_rows(tick: Tick, view: SessionView, policy_hash: str) -> pl.DataFrame:
    """One row a symbol of `intraday/target`."""
    n, opened = len(view.symbols), tick.opened
    frame = pl.DataFrame(
        {
            "session": [view.session] * n,
            "decided_at": [view.decided_at] * n,
            "book": [opened.state.book] * n,
            "symbol": view.symbols,
            "correlation_id": [tick_correlation_id(view.decided_at, symbol) for symbol in view.symbols],
            "opinions": np.isfinite(view.score).sum(axis=0).astype(float),
            "mid": view.mid,
            "quote_basis": view.quote_basis,
            "daily_shares": opened.shares - tick.sleeve_shares,
            "sleeve_shares": tick.sleeve_shares,
            "sleeve_weight": tick.sleeve_weight,
            "net_weight": np.nan_to_num(tick.net_weight),
            "approved_shares": tick.approved_shares,
            "reasons": tick.reasons,
            "tier": [opened.gate.tier.name] * n,
            "equity_usd": [opened.equity_usd] * n,
            "policy_hash": [policy_hash] * n,
        },
        schema=INTRADAY_TARGET.dtypes,
        strict=False,
    )
    return frame.with_columns(pl.col("mid").fill_nan(None)).sort("symbol")


def sleeve_order_rows(
    orders: Iterable[tuple[OrderIntent, OrderState]], executions: Sequence[Execution]
) -> pl.DataFrame:
    """One row an order of `intraday/orders`; orders of the daily sleeve are left out."""
    rows = []
    for intent, state in orders:
        if not of_sleeve(intent):
            continue
        fills = [f for f in executions if f.client_order_id == intent.client_order_id]
        filled = sum((f.quantity_shares for f in fills), Decimal(0))
        value = sum((f.quantity_shares * f.price for f in fills), Decimal(0))
        rows.append(
            {
                "session": intent.session,
                "decided_at": intent.decided_at,
                "book": intent.book,
                "client_order_id": intent.client_order_id,
                "correlation_id": intent.correlation_id,
                "symbol": intent.symbol,
                "side": intent.side.value,
                "quantity_shares": float(intent.quantity_shares),
                "filled_shares": float(filled),
                "average_price": float(value / filled) if filled else None,
                "decision_mid": float(intent.decision_mid),
                "state": state.value,
            }
        )
    return pl.DataFrame(rows, schema=INTRADAY_ORDERS.dtypes).sort("decided_at", "client_order_id")
