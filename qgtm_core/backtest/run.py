"""A whole backtest: the book replayed, every strategy on its own, and their figures as rows. No reading, no writing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import polars as pl

from qgtm_core.backtest.fills import MarketRow, market_rows
from qgtm_core.backtest.metrics import performance
from qgtm_core.backtest.replay import Progress, Replay, replay
from qgtm_core.backtest.research import StrategyRecord, strategy_records
from qgtm_core.policy import Policy
from qgtm_core.schemas.results import METRICS_TABLE, STRATEGY_RETURNS_TABLE
from qgtm_core.view import Array, MarketPanel

PORTFOLIO = "portfolio"


@dataclass(frozen=True, slots=True)
class BacktestRows:
    """Rows of the `backtest` tables, and how often a latched tier was assumed to be reset."""

    sessions: pl.DataFrame
    fills: pl.DataFrame
    strategy_returns: pl.DataFrame
    metrics: pl.DataFrame
    resets: int


def run_backtest(
    panel: MarketPanel,
    market: pl.DataFrame,
    prices: pl.DataFrame,
    clusters: Sequence[str],
    policy: Policy,
    *,
    book: str,
    cash_usd: Decimal,
    progress: Progress | None = None,
) -> BacktestRows:
    """Replay the panel against `market` (rows of `Feed.market_range`).

    `prices` are `symbol, event_date, revision, adj_close` of the traded symbols; they say what a position earned
    *after* the session, so they may reach past its decision: nothing decides on them.
    """
    by_session: dict[dt.date, Mapping[str, MarketRow]] = {
        day: market_rows(rows)
        for (day,), rows in market.partition_by("session", as_dict=True, include_key=False).items()
        if isinstance(day, dt.date)
    }
    result = replay(panel, by_session, clusters, policy, book=book, cash_usd=cash_usd, progress=progress)
    records = strategy_records(panel, next_returns(panel, prices), panel.half_spread_bp)
    return BacktestRows(
        sessions=result.sessions,
        fills=result.fills,
        strategy_returns=_returns_rows(panel, records, book),
        metrics=_metrics_rows(panel, result, records, book),
        resets=result.resets,
    )


def next_returns(panel: MarketPanel, prices: pl.DataFrame) -> Array:
    """Total return from each session's close to the next bar of the symbol; NaN without both bars."""
    latest = prices.sort("symbol", "event_date", "revision").unique(["symbol", "event_date"], keep="last")
    ahead = latest.sort("symbol", "event_date").select(
        "symbol",
        session="event_date",
        ahead=pl.col("adj_close").shift(-1).over("symbol") / pl.col("adj_close") - 1.0,
    )
    days = {day: i for i, day in enumerate(panel.sessions)}
    columns = {symbol: j for j, symbol in enumerate(panel.symbols)}
    cut = ahead.filter(pl.col("session").is_in(panel.sessions) & pl.col("symbol").is_in(panel.symbols)).drop_nulls()
    out = np.full((len(days), len(columns)), np.nan)
    rows = cut["session"].replace_strict(days, return_dtype=pl.Int32).to_numpy()
    cols = cut["symbol"].replace_strict(columns, return_dtype=pl.Int32).to_numpy()
    out[rows, cols] = cut["ahead"].to_numpy()
    return out


def _returns_rows(panel: MarketPanel, records: Sequence[StrategyRecord], book: str) -> pl.DataFrame:
    frames = [
        pl.DataFrame({"session": panel.sessions, "return_1d": record.returns}).with_columns(
            book=pl.lit(book), strategy_id=pl.lit(record.strategy_id)
        )
        for record in records
    ]
    return pl.concat(frames).select(list(STRATEGY_RETURNS_TABLE.dtypes)) if frames else STRATEGY_RETURNS_TABLE.empty()


def _metrics_rows(panel: MarketPanel, result: Replay, records: Sequence[StrategyRecord], book: str) -> pl.DataFrame:
    turnover, cost = (float(result.sessions[name].sum()) for name in ("turnover_usd", "cost_usd"))
    mean_equity = float(np.mean(result.sessions["equity_usd"].to_numpy()))
    years = len(panel.sessions) / 252
    rows = [
        {
            "name": PORTFOLIO,
            "first": panel.sessions[0],
            **performance(result.sessions["return_1d"].to_numpy()).as_dict(),
            "annual_turnover": turnover / mean_equity / years,
            "cost_bp": cost / turnover * 1e4 if turnover else None,
        }
    ]
    rows += [
        {
            "name": record.strategy_id,
            "first": panel.sessions[max(record.first_active, 0)],
            **record.performance.as_dict(),
            "annual_turnover": record.annual_turnover,
            "cost_bp": None,
        }
        for record in records
    ]
    frame = pl.DataFrame(rows, schema={n: t for n, t in METRICS_TABLE.dtypes.items() if n not in {"book", "session"}})
    return frame.with_columns(book=pl.lit(book), session=pl.lit(panel.sessions[-1])).select(list(METRICS_TABLE.dtypes))
