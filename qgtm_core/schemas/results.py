"""Declarations of result tables: backtests and data-quality verdicts."""

from __future__ import annotations

import polars as pl

from qgtm_core.backtest.metrics import METRICS
from qgtm_core.schemas.parity import PARITY_TABLE
from qgtm_core.schemas.spec import Column, Table

PORTFOLIO = "portfolio"  # stands where else a strategy id does

_SESSION = Column(pl.Date, nullable=False)
_TEXT = Column(pl.String, nullable=False)


def _f(unit: str, *, nullable: bool = True) -> Column:
    return Column(pl.Float64, unit, nullable)


PORTFOLIO_TABLE = Table(
    "backtest",
    "portfolio",
    ("session", "book"),
    {
        "session": _SESSION,
        "book": Column(pl.String, "the backtest's id", nullable=False),
        "equity_usd": _f("USD at the close", nullable=False),
        "cash_usd": _f("USD", nullable=False),
        "gross_weight": _f("share of equity", nullable=False),
        "net_weight": _f("share of equity, short positions negative", nullable=False),
        "turnover_usd": _f("USD traded", nullable=False),
        "cost_usd": _f("USD against the arrival mid", nullable=False),
        "orders": Column(pl.Int32, nullable=False),
        "tier": _TEXT,
        "return_1d": _f("decimal, close to close"),
        "wanted_1d": _f("decimal to the next close, the target weights held without cost or limit"),
        "approved_1d": _f("decimal to the next close, what risk approved held without cost"),
        "held_1d": _f("decimal to the next close, what was held after fills, without cost"),
    },
    "A backtest's book, one row a session, beside what its target would have earned on paper",
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
        "gross_1d": _f("decimal before costs", nullable=False),
        "spread_1d": _f("decimal, paid in half-spreads", nullable=False),
        "impact_1d": _f("decimal, paid in market impact", nullable=False),
        "commission_1d": _f("decimal, paid to broker and exchange", nullable=False),
        "borrow_1d": _f("decimal, paid to lenders of shares sold short", nullable=False),
        "return_1d": _f("decimal, after costs", nullable=False),
        "gross_weight": _f("share of capital", nullable=False),
        "net_weight": _f("share of capital", nullable=False),
        "turnover": _f("share of capital traded", nullable=False),
        "spoke": Column(pl.Boolean, "it had a signal", nullable=False),
    },
    "Each strategy on its own, from this session's close to the next: return, costs by kind, exposure",
)
OUT_OF_SAMPLE_TABLE = Table(
    "backtest",
    "out_of_sample",
    ("session", "strategy_id", "book"),
    {
        "session": _SESSION,
        "book": _TEXT,
        "strategy_id": _TEXT,
        "return_1d": _f("decimal, after costs", nullable=False),
        "trial": Column(pl.String, "the parameters chosen before the session, as they differ", nullable=False),
    },
    "Walk-forward: return of the parameters that were best in all that came before, one embargo earlier",
)
_METRIC_DTYPES = {"sessions": pl.Int64, "longest_drawdown_sessions": pl.Int64}
METRICS_TABLE = Table(
    "backtest",
    "metrics",
    ("book", "name"),
    {
        "book": _TEXT,
        "session": Column(pl.Date, "last session of the sample", nullable=False),
        "name": Column(pl.String, "portfolio or a strategy id", nullable=False),
        "first": Column(pl.Date, "first session of the sample", nullable=False),
        **{
            metric.id: Column(_METRIC_DTYPES.get(metric.id, pl.Float64), metric.unit, metric.id != "sessions")
            for metric in METRICS.values()
        },
        "annual_turnover": _f("times equity"),
        "cost_bp": _f("bp of turnover, null where not traded"),
    },
    "Figures of a backtest: the portfolio and every strategy on its own",
)
VALIDATION_TABLE = Table(
    "backtest",
    "validation",
    ("book", "strategy_id", "method", "label"),
    {
        "book": _TEXT,
        "session": Column(pl.Date, "last session of the backtest", nullable=False),
        "strategy_id": Column(pl.String, "or portfolio", nullable=False),
        "method": Column(pl.String, "see qgtm_core.backtest.evidence.judgement.Method", nullable=False),
        "label": Column(pl.String, "fold, path, regime, year or capital", nullable=False),
        "first": Column(pl.Date, "of the sample"),
        "last": Column(pl.Date, "of the sample"),
        "sessions": Column(pl.Int64, "sample", nullable=False),
        "sharpe": _f("annual, after costs"),
        "in_sample_sharpe": _f("annual, of the choice in its training sample"),
        "annual_return": _f("decimal, geometric"),
        "max_drawdown": _f("share of the peak"),
        "trial": Column(pl.String, "the parameters chosen, as they differ"),
    },
    "What stands behind the evidence: every fold, path, regime, year and capital",
)
EVIDENCE_TABLE = Table(
    "backtest",
    "evidence",
    ("book", "strategy_id"),
    {
        "book": _TEXT,
        "session": Column(pl.Date, "last session of the backtest", nullable=False),
        "strategy_id": Column(pl.String, "or portfolio", nullable=False),
        "status": Column(pl.String, "PAPER, RESEARCH or DEAD", nullable=False),
        "verdict": Column(pl.String, "PASS, FAIL or NO_DATA", nullable=False),
        "failed": Column(pl.String, "gates not passed, or what is missing", nullable=False),
        "first": Column(pl.Date, "first session with a signal"),
        "last": Column(pl.Date, "of the sample"),
        "sessions": Column(pl.Int64, "sample", nullable=False),
        "sharpe": _f("annual, after costs, registered parameters, whole sample"),
        "sharpe_low": _f("2.5 % quantile, stationary bootstrap"),
        "sharpe_high": _f("97.5 % quantile"),
        "gross_sharpe": _f("annual, before costs"),
        "annual_return": _f("decimal, geometric"),
        "annual_vol": _f("decimal"),
        "max_drawdown": _f("share of the peak"),
        "annual_turnover": _f("times capital"),
        "annual_cost": _f("decimal, all kinds"),
        "in_sample_sharpe": _f("annual, mean over walk-forward trainings of the choice"),
        "oos_sharpe": _f("annual, walk-forward, expanding"),
        "oos_low": _f("2.5 % quantile, stationary bootstrap"),
        "oos_high": _f("97.5 % quantile"),
        "oos_sessions": Column(pl.Int64, "sample", nullable=False),
        "rolling_oos_sharpe": _f("annual, walk-forward, rolling"),
        "kfold_sharpe": _f("annual, purged k-fold"),
        "cpcv_low": _f("5 % quantile over paths, annual Sharpe"),
        "cpcv_median": _f("median over paths"),
        "cpcv_high": _f("95 % quantile"),
        "cpcv_paths": Column(pl.Int64, "paths", nullable=False),
        "pbo": _f("probability of backtest overfitting among its parameter sets"),
        "psr": _f("probability that the Sharpe ratio is above 0"),
        "dsr": _f("deflated by all parameter sets ever tried of this strategy"),
        "dsr_library": _f("deflated by all parameter sets ever tried of all strategies"),
        "trials": Column(pl.Int64, "parameter sets ever tried", nullable=False),
        "trials_library": Column(pl.Int64, "of all strategies", nullable=False),
        "capacity_usd": _f("USD at which impact takes half of the Sharpe ratio before impact"),
        "params_hash": _TEXT,
        "costs_hash": _TEXT,
        "code_version": _TEXT,
        "data_hash": Column(pl.String, "of all rows it reads", nullable=False),
        "trials_hash": Column(pl.String, "of the trial ledger", nullable=False),
        "evidence_hash": Column(pl.String, "of this record", nullable=False),
    },
    "One record a strategy: what it did in and out of sample, how sure that is, and which gates it passes",
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
    f"{t.group}/{t.name}": t
    for t in (
        PORTFOLIO_TABLE,
        FILLS_TABLE,
        STRATEGY_RETURNS_TABLE,
        OUT_OF_SAMPLE_TABLE,
        METRICS_TABLE,
        VALIDATION_TABLE,
        EVIDENCE_TABLE,
        DQ_TABLE,
        PARITY_TABLE,
    )
}
