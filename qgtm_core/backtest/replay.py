"""A backtest of the book: `step_session` in a loop, with SimBroker and the live fill model."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import polars as pl

from qgtm_core.backtest.fills import FillModel, MarketRow, usable
from qgtm_core.backtest.simbroker import AccountRules, SimBroker
from qgtm_core.engine import Step, step_session
from qgtm_core.policy import Policy
from qgtm_core.rows import fill_rows
from qgtm_core.schemas.results import PORTFOLIO_TABLE
from qgtm_core.types import BookState, Execution, OrderIntent
from qgtm_core.view import MarketPanel, SessionView, leverages

Progress = Callable[[str, int, int], None]
PROGRESS_EVERY = 250  # sessions
MarketBySession = Mapping[dt.date, Mapping[str, MarketRow]]


@dataclass(frozen=True, slots=True)
class Replay:
    """Rows of a finished replay and how often a latched tier was assumed to be reset."""

    sessions: pl.DataFrame  # backtest/portfolio
    fills: pl.DataFrame  # execution/fills
    final: BookState
    resets: int


def replay(
    panel: MarketPanel,
    market: MarketBySession,
    clusters: Sequence[str],
    policy: Policy,
    *,
    book: str,
    cash_usd: Decimal,
    model: FillModel | None = None,
    progress: Progress | None = None,
    on_step: Callable[[SessionView, BookState, Step], None] | None = None,
) -> Replay:
    """Loop the one path over every session of the panel.

    Equity in the result is marked at the session's close after fills; what the kill switch sees is the mark at the
    decision, as live. A held symbol without a close that day keeps its last one, for reporting only.
    """
    state = BookState(book=book, cash_usd=cash_usd)
    broker = SimBroker(cash_usd, model or FillModel(), AccountRules(allow_short=policy.portfolio.allow_short))
    closes: dict[str, float] = {}
    rows: list[dict[str, Any]] = []
    executions: list[Execution] = []
    intents: list[OrderIntent] = []
    resets = 0
    for i, view in enumerate(panel.views()):
        today = market.get(view.session, {})
        broker.open_session(view.session, today, view.decided_at)
        state, step = step_session(state, view, clusters, policy, broker)
        resets += int(step.reset)
        closes.update(_marks(today))
        rows.append(_book_row(state, step, view, today, closes))
        executions += step.executions
        intents += step.intents
        if on_step is not None:
            on_step(view, state, step)
        if progress is not None and i % PROGRESS_EVERY == 0:
            progress("replay", i, len(panel.sessions))
    sessions = pl.DataFrame(rows, schema={n: t for n, t in PORTFOLIO_TABLE.dtypes.items() if n != "return_1d"})
    before = pl.col("equity_usd").shift(1, fill_value=float(cash_usd))
    return Replay(
        sessions=sessions.with_columns(
            return_1d=pl.when(before > 0.0).then(pl.col("equity_usd") / before - 1.0)
        ).select(list(PORTFOLIO_TABLE.dtypes)),
        fills=fill_rows(executions, intents),
        final=state,
        resets=resets,
    )


def _marks(today: Mapping[str, MarketRow]) -> dict[str, float]:
    """Prices at the close; the session's mid where no close is known."""
    found = {symbol: usable(row.close) or usable(row.mid) for symbol, row in today.items()}
    return {symbol: price for symbol, price in found.items() if price is not None}


def _book_row(
    state: BookState, step: Step, view: SessionView, today: Mapping[str, MarketRow], closes: Mapping[str, float]
) -> dict[str, Any]:
    """Book after the session. A fill needs a mid, so `closes` holds every symbol of the book."""
    leverage = dict(zip(view.symbols, leverages(view.symbols).tolist(), strict=True))
    values = {symbol: float(quantity) * closes[symbol] for symbol, quantity in state.positions.items()}
    equity = float(state.cash_usd) + sum(values.values())
    gross = sum(abs(value) * leverage[symbol] for symbol, value in values.items())
    traded = [(e, float(e.quantity_shares), float(e.price)) for e in step.executions]
    return {
        "session": view.session,
        "book": state.book,
        "equity_usd": equity,
        "cash_usd": float(state.cash_usd),
        "gross_weight": gross / equity if equity > 0.0 else 0.0,
        "turnover_usd": sum(quantity * price for _, quantity, price in traded),
        "cost_usd": sum(
            e.side.sign * quantity * (price - (today[e.symbol].mid or price)) for e, quantity, price in traded
        ),
        "orders": len(step.intents),
        "tier": step.opened.gate.tier.name,
    }
