"""Declarations of result tables: backtests and data-quality verdicts."""

from __future__ import annotations

import polars as pl

from qgtm_core.schemas.spec import Column, Table

_SESSION = Column(pl.Date, nullable=False)
_TEXT = Column(pl.String, nullable=False)


def _f(unit: str, *, nullable: bool = True) -> Column:
    return Column(pl.Float64, unit, nullable)


SESSIONS_TABLE = Table(
    "backtest",
    "sessions",
    ("session", "book"),
    {
        "session": _SESSION,
        "book": Column(pl.String, "the backtest's id", nullable=False),
        "equity_usd": _f("USD at the close", nullable=False),
        "cash_usd": _f("USD", nullable=False),
        "gross_weight": _f("share of equity", nullable=False),
        "turnover_usd": _f("USD traded", nullable=False),
        "cost_usd": _f("USD against the arrival mid", nullable=False),
        "orders": Column(pl.Int32, nullable=False),
        "tier": _TEXT,
        "return_1d": _f("decimal, close to close"),
    },
    "A backtest's book, one row a session",
)
FILLS_TABLE = Table(
    "backtest",
    "fills",
    ("execution_id", "book"),
    {
        "session": _SESSION,
        "book": _TEXT,
        "execution_id": _TEXT,
        "client_order_id": _TEXT,
        "correlation_id": _TEXT,
        "symbol": _TEXT,
        "side": _TEXT,
        "quantity_shares": _f("shares", nullable=False),
        "price": _f("USD", nullable=False),
        "executed_at": Column(pl.Datetime("us", "UTC"), nullable=False),
    },
    "Simulated fills of a backtest",
)
STRATEGY_RETURNS_TABLE = Table(
    "backtest",
    "strategy_returns",
    ("session", "strategy_id", "book"),
    {
        "session": _SESSION,
        "book": _TEXT,
        "strategy_id": _TEXT,
        "return_1d": _f("decimal, net of half-spread", nullable=False),
    },
    "Each strategy on its own: net return from this session's close to the next",
)
METRICS_TABLE = Table(
    "backtest",
    "metrics",
    ("book", "name"),
    {
        "book": _TEXT,
        "session": Column(pl.Date, "last session of the sample", nullable=False),
        "name": Column(pl.String, "portfolio or a strategy id", nullable=False),
        "first": Column(pl.Date, "first session of the sample", nullable=False),
        "sessions": Column(pl.Int64, "sample", nullable=False),
        "total_return": _f("decimal"),
        "annual_return": _f("decimal, geometric"),
        "annual_vol": _f("decimal"),
        "sharpe": _f("annual, no risk-free rate"),
        "sharpe_standard_error": _f("annual"),
        "max_drawdown": _f("share of the peak"),
        "longest_drawdown_sessions": Column(pl.Int64, "sessions"),
        "hit_rate": _f("share"),
        "worst_day": _f("decimal"),
        "annual_turnover": _f("times equity"),
        "cost_bp": _f("bp of turnover, null where not traded"),
    },
    "Figures of a backtest: the portfolio and every strategy on its own",
)
DQ_TABLE = Table(
    "ops",
    "dq_results",
    ("table", "session", "key", "column", "problem"),
    {
        "session": Column(pl.Date, "session of the row; null where it has none"),
        "table": _TEXT,
        "key": _TEXT,
        "column": _TEXT,
        "value": Column(pl.String),
        "problem": _TEXT,
        "source": _TEXT,
    },
    "Rows that were quarantined, with the reason",
)
RESULT_TABLES: dict[str, Table] = {
    f"{t.group}/{t.name}": t for t in (SESSIONS_TABLE, FILLS_TABLE, STRATEGY_RETURNS_TABLE, METRICS_TABLE, DQ_TABLE)
}
