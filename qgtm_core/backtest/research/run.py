"""Every strategy on its own, from scores to rows of `backtest/strategy_returns` and `backtest/metrics`. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from qgtm_core.backtest.metrics import SESSIONS_A_YEAR, performance
from qgtm_core.backtest.research.costs import CostModel
from qgtm_core.backtest.research.returns import Account, ResearchMarket, account, spoke, strategy_returns_rows, weights
from qgtm_core.backtest.research.yardsticks import Yardstick, yardsticks
from qgtm_core.errors import InvariantError
from qgtm_core.maths.costs import BP
from qgtm_core.schemas.results import METRICS_TABLE, PORTFOLIO, STRATEGY_RETURNS_TABLE
from qgtm_core.view import Array


@dataclass(frozen=True, slots=True)
class ResearchRows:
    """Rows of `backtest/strategy_returns` and `backtest/metrics`."""

    strategy_returns: pl.DataFrame
    metrics: pl.DataFrame


def run_research(
    market: ResearchMarket,
    scores_by_strategy: Mapping[str, Array],
    costs: CostModel,
    book: str,
    portfolio: pl.DataFrame | None = None,
) -> ResearchRows:
    """Account every strategy's scores (T, N, NaN = silent) with all costs and take its figures.

    `portfolio` are rows of `backtest/portfolio` of the same book, for its own row of figures. A strategy's sample
    begins with its first signal. Yardsticks stand between the two.
    """
    ids = tuple(scores_by_strategy)
    if not ids:
        rows = [] if portfolio is None else [portfolio_figures(portfolio)]
        return ResearchRows(STRATEGY_RETURNS_TABLE.empty(), metrics_rows(rows, market.sessions, book))
    score = np.stack([_checked(market, name, scores_by_strategy[name]) for name in ids])
    spoken = spoke(score)
    found = account(weights(score, market), market, costs)
    rows = [] if portfolio is None else [portfolio_figures(portfolio)]
    rows += [yardstick_figures(each, market.sessions) for each in yardsticks(market, costs)]
    for k, name in enumerate(ids):
        first = first_spoken(spoken[k])
        rows.append(strategy_figures(name, market.sessions, first, found.at((k, slice(first, None)))))
    return ResearchRows(
        strategy_returns=strategy_returns_rows(found, spoken, market.sessions, ids, book),
        metrics=metrics_rows(rows, market.sessions, book),
    )


def first_spoken(spoken: np.ndarray[Any, np.dtype[np.bool_]]) -> int:
    """Position of the first session with a signal; the number of sessions where there is none."""
    return int(np.argmax(spoken)) if spoken.any() else len(spoken)


def strategy_figures(name: str, sessions: Sequence[dt.date], first: int, sample: Account) -> dict[str, Any]:
    """Figures of one strategy over its sample, which begins at position `first` of the sessions."""
    n, turnover = len(sample.net), float(sample.turnover.sum())
    return {
        "name": name,
        "first": sessions[first if n else 0],
        **performance(sample.net).as_dict(),
        "annual_turnover": turnover / n * SESSIONS_A_YEAR if n else 0.0,
        "cost_bp": float((sample.cost - sample.borrow).sum()) / turnover * BP if turnover else None,
    }


def yardstick_figures(found: Yardstick, sessions: Sequence[dt.date]) -> dict[str, Any]:
    """Figures of one yardstick over the sessions it has a return for."""
    held = np.isfinite(found.returns)
    turnover, cost = float(found.turnover[held].sum()), float(found.cost[held].sum())
    return {
        "name": found.name,
        "first": sessions[int(held.argmax())],
        **performance(found.returns).as_dict(),
        "annual_turnover": turnover / max(int(held.sum()), 1) * SESSIONS_A_YEAR,
        "cost_bp": cost / turnover * BP if turnover else None,
    }


def portfolio_figures(portfolio: pl.DataFrame) -> dict[str, Any]:
    """Figures of the book from its rows of `backtest/portfolio`, oldest first."""
    turnover, cost = (float(portfolio[name].sum()) for name in ("turnover_usd", "cost_usd"))
    mean_equity = float(np.mean(portfolio["equity_usd"].to_numpy()))
    return {
        "name": PORTFOLIO,
        "first": portfolio["session"][0],
        **performance(portfolio["return_1d"].to_numpy()).as_dict(),
        "annual_turnover": turnover / mean_equity / portfolio.height * SESSIONS_A_YEAR if mean_equity else None,
        "cost_bp": cost / turnover * BP if turnover else None,
    }


def metrics_rows(rows: Sequence[Mapping[str, Any]], sessions: Sequence[dt.date], book: str) -> pl.DataFrame:
    """Rows of `backtest/metrics` from figures by name; a column nobody gave is null."""
    if not rows:
        return METRICS_TABLE.empty()
    keys = {"book": book, "session": sessions[-1]}
    given = [{name: {**keys, **row}.get(name) for name in METRICS_TABLE.dtypes} for row in rows]
    return pl.DataFrame(given, schema=METRICS_TABLE.dtypes)


def _checked(market: ResearchMarket, name: str, score: Array) -> Array:
    wanted = (len(market.sessions), len(market.symbols))
    if score.shape != wanted:
        raise InvariantError(f"scores of {name} are {score.shape}, the market is {wanted} sessions and symbols")
    return score
