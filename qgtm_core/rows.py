"""Stage results as rows of the declared tables, and back. Live assets and backtests write the very same rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl

from qgtm_core.correlation import correlation_id
from qgtm_core.engine import Opened
from qgtm_core.portfolio.target import Target
from qgtm_core.risk.approve import Approval
from qgtm_core.schemas.trading import APPROVED, FILLS, POSITIONS, TARGET
from qgtm_core.types import Execution, OrderIntent
from qgtm_core.view import Array, SessionView


def target_rows(opened: Opened, target: Target, view: SessionView, policy_hash: str) -> pl.DataFrame:
    """One row a symbol of `portfolio/target`."""
    n = len(view.symbols)
    frame = pl.DataFrame(
        {
            "session": [view.session] * n,
            "book": [opened.state.book] * n,
            "symbol": view.symbols,
            "correlation_id": [correlation_id(view.session, symbol) for symbol in view.symbols],
            "opinions": target.opinions,
            "conviction": target.conviction,
            "disagreement": target.disagreement,
            "annual_vol": view.annual_vol,
            "mid": view.mid,
            "quote_basis": view.quote_basis,
            "current_shares": opened.shares,
            "current_weight": opened.weights,
            "target_weight": target.target_weight,
            "equity_usd": [opened.equity_usd] * n,
            "policy_hash": [policy_hash] * n,
        },
        schema=TARGET.dtypes,
        strict=False,
    )
    return frame.with_columns(pl.col("conviction", "annual_vol", "mid").fill_nan(None)).sort("symbol")


def approved_rows(opened: Opened, approval: Approval, view: SessionView) -> pl.DataFrame:
    """One row a symbol of `risk/approved_orders`."""
    n = len(view.symbols)
    frame = pl.DataFrame(
        {
            "session": [view.session] * n,
            "book": [opened.state.book] * n,
            "symbol": view.symbols,
            "correlation_id": [correlation_id(view.session, symbol) for symbol in view.symbols],
            "wanted_shares": approval.wanted_shares,
            "approved_shares": approval.approved_shares,
            "approved_weight": approval.approved_weight,
            "reasons": approval.reasons,
            "tier": [opened.gate.tier.name] * n,
        },
        schema=APPROVED.dtypes,
        strict=False,
    )
    return frame.with_columns(pl.col("approved_weight").fill_nan(None)).sort("symbol")


def aligned(frame: pl.DataFrame, column: str, symbols: Sequence[str]) -> Array:
    """A column of one session's rows as an array over `symbols`; NaN where null or absent."""
    values = dict(frame.select("symbol", column).iter_rows())
    return np.array([np.nan if values.get(s) is None else values[s] for s in symbols], dtype=np.float64)


def fill_rows(executions: Sequence[Execution], intents: Sequence[OrderIntent]) -> pl.DataFrame:
    """One row a fill of `execution/fills`; session and book are those of its intent."""
    parents = {intent.client_order_id: intent for intent in intents}
    return pl.DataFrame(
        [
            {
                "session": parents[e.client_order_id].session,
                "book": parents[e.client_order_id].book,
                "execution_id": e.execution_id,
                "client_order_id": e.client_order_id,
                "correlation_id": parents[e.client_order_id].correlation_id,
                "symbol": e.symbol,
                "side": e.side.value,
                "quantity_shares": float(e.quantity_shares),
                "price": float(e.price),
                "executed_at": e.executed_at,
            }
            for e in executions
        ],
        schema=FILLS.dtypes,
    ).sort("session", "execution_id")


def position_rows(
    session: dt.date, book: str, positions: Mapping[str, Decimal], cash_usd: Decimal, marks: Mapping[str, float]
) -> pl.DataFrame:
    """One row a position of `execution/positions`, and one for cash (symbol USD, mark 1)."""
    rows: list[dict[str, Any]] = [
        {
            "session": session,
            "book": book,
            "symbol": symbol,
            "quantity_shares": float(quantity),
            "mark": marks.get(symbol),
            "value_usd": float(quantity) * marks[symbol] if symbol in marks else None,
        }
        for symbol, quantity in sorted(positions.items())
    ]
    cash: dict[str, Any] = {
        "session": session,
        "book": book,
        "symbol": "USD",
        "quantity_shares": float(cash_usd),
        "mark": 1.0,
    }
    rows.append({**cash, "value_usd": float(cash_usd)})
    return pl.DataFrame(rows, schema=POSITIONS.dtypes)
