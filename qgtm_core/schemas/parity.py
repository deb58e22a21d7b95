"""Declaration of `ops/parity`: where a live session and the same session run again differ, and why."""

from __future__ import annotations

import polars as pl

from qgtm_core.schemas.spec import Column, Table

_TEXT = Column(pl.String, nullable=False)

PARITY_TABLE = Table(
    "ops",
    "parity",
    ("session", "book", "level", "strategy_id", "symbol", "client_order_id", "field"),
    {
        "session": Column(pl.Date, nullable=False),
        "book": _TEXT,
        "level": Column(pl.String, "SIGNAL, TARGET, ORDER, FILL or FEES", nullable=False),
        "strategy_id": Column(pl.String, "empty above the signals: they are netted", nullable=False),
        "symbol": Column(pl.String, "empty where the whole book is meant", nullable=False),
        "client_order_id": Column(pl.String, "empty before the orders", nullable=False),
        "field": _TEXT,
        "live": Column(pl.String, "as recorded; null = nothing recorded"),
        "backtest": Column(pl.String, "as the same code gives it again; null = nothing"),
        "difference": Column(pl.Float64, "live minus backtest, in `unit`; null where one is no number"),
        "unit": Column(pl.String, "bp, shares, USD, or as the field is declared", nullable=False),
        "cause": Column(pl.String, "see qgtm_core.backtest.parity.report.Cause", nullable=False),
        "explanation": Column(pl.String, "the record that proves it", nullable=False),
    },
    "Differences between a live session and the same code run again, each with its cause",
)
