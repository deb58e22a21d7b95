"""A backtest of the book: `step_session` in a loop, with SimBroker and the live fill model."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl

from qgtm_core.backtest.fills import FillModel, MarketRow, usable
from qgtm_core.backtest.simbroker import AccountRules, SimBroker
from qgtm_core.engine import Step, step_session
from qgtm_core.policy import Policy
from qgtm_core.rows import fill_rows
from qgtm_core.schemas.results import PORTFOLIO_TABLE
from qgtm_core.types import BookState, Execution, KillTier, OrderIntent
from qgtm_core.view import Array, MarketPanel, SessionView, leverages

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
    next_return: Array | None = None,
    progress: Progress | None = None,
    on_step: Callable[[SessionView, BookState, Step], None] | None = None,
) -> Replay:
    """Loop the one path over every session of the panel.

    Equity in the result is marked at the session's close after fills; what the kill switch sees is the mark at the
    decision, as live. A held symbol without a close that day keeps its last one, for reporting only.

    `next_return` is what each symbol earned from the session's close to its next one, sessions x symbols, NaN where
    not known: no decision sees it; it says what target, approved and held weights would have earned (null without it).
    """
    state = BookState(book=book, cash_usd=cash_usd)
    broker = SimBroker(cash_usd, model or FillModel(), AccountRules(allow_short=policy.portfolio.allow_short))
    closes: dict[str, float] = {}
    rows: list[dict[str, Any]] = []
    paper: list[tuple[Array, Array, Array]] = []
    executions: list[Execution] = []
    intents: list[OrderIntent] = []
    resets = 0
    for i, view in enumerate(panel.views()):
        today = market.get(view.session, {})
        broker.open_session(view.session, today, view.decided_at)
        state, step = step_session(state, view, clusters, policy, broker)
        resets += int(step.reset)
        closes.update(_marks(today))
        held = _held_weights(state, view, closes)
        rows.append(_book_row(state, step, view, today, closes, held))
        paper.append((step.target.target_weight, _allowed_weights(step, held), held))
        executions += step.executions
        intents += step.intents
        if on_step is not None:
            on_step(view, state, step)
        if progress is not None and i % PROGRESS_EVERY == 0:
            progress("replay", i, len(panel.sessions))
    return Replay(
        sessions=_sessions_frame(rows, _paper_returns(paper, next_return), float(cash_usd)),
        fills=fill_rows(executions, intents),
        final=state,
        resets=resets,
    )


def _sessions_frame(rows: list[dict[str, Any]], paper: dict[str, Array], cash_usd: float) -> pl.DataFrame:
    """Rows of `backtest/portfolio`."""
    later = ("return_1d", *paper)
    frame = pl.DataFrame(rows, schema={n: t for n, t in PORTFOLIO_TABLE.dtypes.items() if n not in later})
    before = pl.col("equity_usd").shift(1, fill_value=cash_usd)
    return frame.with_columns(
        pl.DataFrame(paper, nan_to_null=True),
        return_1d=pl.when(before > 0.0).then(pl.col("equity_usd") / before - 1.0),
    ).select(list(PORTFOLIO_TABLE.dtypes))


def _paper_returns(paper: Sequence[tuple[Array, Array, Array]], next_return: Array | None) -> dict[str, Array]:
    """What each session's weights earned until the next close; NaN where no symbol's return is known."""
    names = ("wanted_1d", "approved_1d", "held_1d")
    if next_return is None or not paper:
        return {name: np.full(len(paper), np.nan) for name in names}
    known = np.isfinite(next_return)
    earned = (np.nan_to_num(np.array(paper)) * np.where(known, next_return, 0.0)[:, None, :]).sum(axis=2)
    earned[~known.any(axis=1)] = np.nan
    return dict(zip(names, earned.T, strict=True))


def _allowed_weights(step: Step, held: Array) -> Array:
    """The weights that risk and kill switch let the session end with; what may not be traded stays as it is held."""
    gate, allowed = step.opened.gate, step.approval.approved_weight
    if not (gate.open or gate.tier is KillTier.FLATTEN):
        return held
    return np.where(np.isfinite(allowed), allowed, held)


def _held_weights(state: BookState, view: SessionView, closes: Mapping[str, float]) -> Array:
    """Weights after the session's fills, at its close; a fill needs a mid, so `closes` holds every symbol held."""
    values = [float(state.positions[s]) * closes[s] if s in state.positions else 0.0 for s in view.symbols]
    equity = float(state.cash_usd) + sum(values)
    return np.array(values) / equity if equity > 0.0 else np.zeros(len(values))


def _marks(today: Mapping[str, MarketRow]) -> dict[str, float]:
    """Prices at the close; the session's mid where no close is known."""
    found = {symbol: usable(row.close) or usable(row.mid) for symbol, row in today.items()}
    return {symbol: price for symbol, price in found.items() if price is not None}


def _book_row(
    state: BookState,
    step: Step,
    view: SessionView,
    today: Mapping[str, MarketRow],
    closes: Mapping[str, float],
    held: Array,
) -> dict[str, Any]:
    """Book after the session; leveraged funds count their leverage in gross and net weight."""
    equity = float(state.cash_usd) + sum(float(quantity) * closes[s] for s, quantity in state.positions.items())
    exposure = held * leverages(view.symbols)
    traded = [(e, float(e.quantity_shares), float(e.price)) for e in step.executions]
    return {
        "session": view.session,
        "book": state.book,
        "equity_usd": equity,
        "cash_usd": float(state.cash_usd),
        "gross_weight": float(np.abs(exposure).sum()),
        "net_weight": float(exposure.sum()),
        "turnover_usd": sum(quantity * price for _, quantity, price in traded),
        "cost_usd": sum(
            e.side.sign * quantity * (price - (today[e.symbol].mid or price)) for e, quantity, price in traded
        ),
        "orders": len(step.intents),
        "tier": step.opened.gate.tier.name,
    }
