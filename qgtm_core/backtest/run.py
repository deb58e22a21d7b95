"""A whole backtest of the book: rows of the market in, rows of portfolio and fills out. No reading, no writing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import polars as pl

from qgtm_core.backtest.fills import FillModel, MarketRow, market_rows
from qgtm_core.backtest.replay import Progress, replay
from qgtm_core.backtest.research.returns import next_returns
from qgtm_core.policy import Policy
from qgtm_core.view import MarketPanel


@dataclass(frozen=True, slots=True)
class BacktestRows:
    """Rows of `backtest/portfolio` and `backtest/fills`, and how often a latched tier was assumed to be reset."""

    portfolio: pl.DataFrame
    fills: pl.DataFrame
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
    model: FillModel | None = None,
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
    result = replay(
        panel,
        by_session,
        clusters,
        policy,
        book=book,
        cash_usd=cash_usd,
        model=model,
        next_return=next_returns(prices, panel.sessions, panel.symbols),
        progress=progress,
    )
    return BacktestRows(portfolio=result.sessions, fills=result.fills, resets=result.resets)
