"""Rows of the result tables for tests of what shows them: two strategies with a record, one without, and the book."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import polars as pl

from qgtm_core import calendar
from qgtm_core.backtest.metrics import performance
from qgtm_core.schemas.results import (
    EVIDENCE_TABLE,
    METRICS_TABLE,
    OUT_OF_SAMPLE_TABLE,
    PORTFOLIO,
    PORTFOLIO_TABLE,
    STRATEGY_RETURNS_TABLE,
    VALIDATION_TABLE,
)
from qgtm_core.schemas.spec import Table
from qgtm_resources.tearsheets.results import Results

BOOK = "backtest-test"
GOOD, BAD, SILENT = "xsmom", "tsmom", "sge_withdrawals"
FIRST = dt.date(2019, 1, 2)
HASHES = ("params_hash", "costs_hash", "code_version", "data_hash", "trials_hash", "evidence_hash")


def sessions(count: int) -> pl.Series:
    return calendar.schedule(FIRST, calendar.offset_session(FIRST, count - 1))["session"]


def frame(table: Table, rows: list[dict[str, Any]]) -> pl.DataFrame:
    whole = [{name: row.get(name) for name in table.dtypes} for row in rows]
    return table.conform(pl.DataFrame(whole, schema=table.dtypes))


def results(count: int = 900) -> Results:
    """All tables; the figures of the evidence are made up, each different, so that a mix-up shows."""
    days = sessions(count)
    return Results(
        evidence=evidence(days),
        strategy_returns=pl.concat([returns(key, days, seed) for seed, key in enumerate((GOOD, BAD))]),
        out_of_sample=pl.concat([out_of_sample(key, days) for key in (GOOD, BAD)]),
        validation=frame(VALIDATION_TABLE, [row for key in (GOOD, BAD) for row in validation(key, days)]),
        metrics=metrics(days),
        portfolio=portfolio(days),
    )


def evidence(days: pl.Series) -> pl.DataFrame:
    stamps = {name: f"{name}-1" for name in HASHES}
    base = {"book": BOOK, "session": days[-1], "trials_library": 777, **stamps}
    figures = [name for name, column in EVIDENCE_TABLE.columns.items() if column.dtype == pl.Float64]
    numbers = {name: 0.01 + 0.013 * place for place, name in enumerate(figures)}
    record = {**base, "status": "PAPER", "first": days[0], "last": days[-1], "sessions": len(days), **numbers}
    record |= {"oos_sessions": len(days) - 756, "cpcv_paths": 9, "trials": 12, "capacity_usd": 12_300_000.0}
    good = {"strategy_id": GOOD, "verdict": "PASS", "failed": "", "oos_sharpe": 1.25, "oos_low": 0.31,
            "dsr": 0.971, "dsr_library": 0.962, "pbo": 0.123}  # fmt: skip
    bad = {"strategy_id": BAD, "verdict": "FAIL", "failed": "deflated Sharpe 0.21, needs ≥ 0.95", "oos_sharpe": -0.4,
           "oos_low": -1.1, "dsr": 0.212, "dsr_library": 0.013, "pbo": 0.7, "trials": 30}  # fmt: skip
    silent = {**base, "strategy_id": SILENT, "status": "PAPER", "verdict": "NO_DATA", "sessions": 0,
              "failed": "no rows of <withdrawals>.tonnes", "oos_sessions": 0, "cpcv_paths": 0, "trials": 0}  # fmt: skip
    return frame(EVIDENCE_TABLE, [silent, {**record, **bad}, {**record, **good}])


def returns(key: str, days: pl.Series, seed: int) -> pl.DataFrame:
    draw = np.random.default_rng(seed)
    gross, weight = draw.normal(0.0003, 0.006, len(days)), draw.uniform(-0.5, 0.5, len(days))
    costs = {"spread_1d": 2e-5, "impact_1d": 1e-5, "commission_1d": 4e-6, "borrow_1d": 2e-6}
    return STRATEGY_RETURNS_TABLE.conform(
        pl.DataFrame({"session": days}).with_columns(
            pl.lit(BOOK).alias("book"), pl.lit(key).alias("strategy_id"), gross_1d=pl.Series(gross),
            return_1d=pl.Series(gross - sum(costs.values())), gross_weight=pl.Series(np.abs(weight)),
            net_weight=pl.Series(weight), turnover=pl.lit(0.1), spoke=pl.lit(value=True),
            **{name: pl.lit(value) for name, value in costs.items()},
        )
    )  # fmt: skip


def out_of_sample(key: str, days: pl.Series) -> pl.DataFrame:
    tested = days[756:]
    rows = {"session": tested, "book": BOOK, "strategy_id": key, "return_1d": [0.001] * len(tested), "trial": ""}
    return OUT_OF_SAMPLE_TABLE.conform(pl.DataFrame(rows))


def validation(key: str, days: pl.Series) -> list[dict[str, Any]]:
    base = {"book": BOOK, "session": days[-1], "strategy_id": key, "first": days[0], "last": days[-1], "sessions": 126}
    labels = {
        "EXPANDING": ("01", "02"), "ROLLING": ("01",), "KFOLD": ("1", "2"), "CPCV": ("path 01", "path 02"),
        "REGIME": ("gold calm", "gold wild"), "YEAR": ("2019", "2020"), "CAPACITY": ("100000", "1000000", "300000"),
    }  # fmt: skip
    return [
        {**base, "method": method, "label": label, "sharpe": 0.4 - 0.3 * place, "in_sample_sharpe": 0.9,
         "annual_return": 0.02, "max_drawdown": 0.11, "trial": "z0 2 → 2.5"}
        for method, names in labels.items()
        for place, label in enumerate(names)
    ]  # fmt: skip


def metrics(days: pl.Series) -> pl.DataFrame:
    figures = performance(np.random.default_rng(3).normal(0.0, 0.01, len(days))).as_dict()
    base = {"book": BOOK, "session": days[-1], "first": days[0], "annual_turnover": 3.4, "cost_bp": 2.5, **figures}
    return frame(METRICS_TABLE, [{**base, "name": name} for name in (GOOD, BAD, PORTFOLIO)])


def portfolio(days: pl.Series) -> pl.DataFrame:
    moves = np.random.default_rng(4).normal(0.0002, 0.007, len(days))
    equity = 1_000_000.0 * np.cumprod(1.0 + moves)
    return PORTFOLIO_TABLE.conform(
        pl.DataFrame({"session": days, "return_1d": [None, *moves[1:]]}).with_columns(
            pl.lit(BOOK).alias("book"), equity_usd=pl.Series(equity), cash_usd=pl.Series(equity) * 0.4,
            gross_weight=pl.lit(0.6), net_weight=pl.lit(0.2), turnover_usd=pl.lit(1e4), cost_usd=pl.lit(12.5),
            orders=pl.lit(3, pl.Int32), tier=pl.lit("NORMAL"), wanted_1d=pl.Series([*moves[1:], None]),
            approved_1d=pl.Series([*moves[1:], None]), held_1d=pl.Series([*moves[1:], None]),
        )
    )  # fmt: skip
