"""Declarations of the tables from target to transaction cost: one row a session and symbol, order or fill."""

from __future__ import annotations

from typing import Any

import polars as pl

from qgtm_core.schemas.spec import INSTANT, Column, Table

_SESSION = Column(pl.Date, nullable=False)
_TEXT = Column(pl.String, nullable=False)


def _f(unit: str, *, nullable: bool = True, low: float | None = None, high: float | None = None) -> Column:
    return Column(pl.Float64, unit, nullable, low=low, high=high)


def _table(group: str, name: str, key: tuple[str, ...], columns: dict[str, Any], description: str) -> Table:
    return Table(group, name, key, {"session": _SESSION, "book": _TEXT, **columns}, description)


TARGET = _table(
    "portfolio",
    "target",
    ("session", "book", "symbol"),
    {
        "symbol": _TEXT,
        "correlation_id": _TEXT,
        "opinions": _f("strategies with a signal", nullable=False),
        "conviction": _f("share, null = no opinion", low=-1, high=1),
        "disagreement": _f("0 unanimous, 1 cancelling", nullable=False, low=0, high=1),
        "annual_vol": _f("annual"),
        "mid": _f("USD, best price known at the decision"),
        "quote_basis": _TEXT,
        "current_shares": _f("shares", nullable=False),
        "current_weight": _f("share of equity", nullable=False),
        "target_weight": _f("share of equity", nullable=False),
        "equity_usd": _f("USD at the decision", nullable=False),
        "policy_hash": _TEXT,
    },
    "Target weights against current ones",
)
APPROVED = _table(
    "risk",
    "approved_orders",
    ("session", "book", "symbol"),
    {
        "symbol": _TEXT,
        "correlation_id": _TEXT,
        "wanted_shares": _f("shares", nullable=False),
        "approved_shares": _f("shares, fractional; rounded when planned", nullable=False),
        "approved_weight": _f("share of equity after the order, null = held without a price"),
        "reasons": Column(pl.String, "what risk changed; empty = nothing", nullable=False),
        "tier": _TEXT,
    },
    "What of the target may be traded, and why the rest may not",
)
FILLS = _table(
    "execution",
    "fills",
    ("execution_id",),
    {
        "execution_id": _TEXT,
        "client_order_id": _TEXT,
        "correlation_id": _TEXT,
        "symbol": _TEXT,
        "side": _TEXT,
        "quantity_shares": _f("shares", nullable=False, low=0),
        "price": _f("USD", nullable=False, low=0),
        "executed_at": Column(INSTANT, nullable=False),
    },
    "Fills as booked in the ledger (the ledger is the record; this is its copy)",
)
POSITIONS = _table(
    "execution",
    "positions",
    ("session", "book", "symbol"),
    {
        "symbol": _TEXT,
        "quantity_shares": _f("shares, negative = short", nullable=False),
        "mark": _f("USD; the session's price after the decision, null = none"),
        "value_usd": _f("USD"),
    },
    "Positions and cash after the session; symbol USD is cash",
)
TCA = _table(
    "tca",
    "orders",
    ("client_order_id",),
    {
        "client_order_id": _TEXT,
        "correlation_id": _TEXT,
        "symbol": _TEXT,
        "side": _TEXT,
        "algo": _TEXT,
        "quantity_shares": _f("shares", nullable=False),
        "filled_shares": _f("shares", nullable=False),
        "fill_rate": _f("share", nullable=False, low=0, high=1),
        "average_price": _f("USD, null = nothing filled"),
        "arrival_mid": _f("USD when the broker had the order"),
        "decision_basis": Column(pl.String, "where the decision price came from", nullable=False),
        "slippage_arrival_bp": _f("bp, + = cost"),
        "slippage_vwap_bp": _f("bp, null without intraday bars"),
        "slippage_close_bp": _f("bp"),
        "delay_bp": _f("bp from decision to arrival, null when the decision price is from an earlier session"),
        "shortfall_usd": _f("USD, + = cost"),
        "shortfall_bp": _f("bp"),
        "notional_usd": _f("USD traded", nullable=False),
    },
    "Transaction cost an order",
)
TRADING_TABLES: dict[str, Table] = {f"{t.group}/{t.name}": t for t in (TARGET, APPROVED, FILLS, POSITIONS, TCA)}
