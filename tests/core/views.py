"""Small markets for tests of the decision core: views, panels, quotes and market rows of a few symbols."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import polars as pl

from qgtm_core import calendar
from qgtm_core.backtest.fills import MarketRow
from qgtm_core.types import Algo, BookState, Execution, OrderIntent, OrderType, Side
from qgtm_core.view import Array, MarketPanel, SessionView

SESSION = dt.date(2024, 6, 12)
SYMBOLS = ("GLD", "SLV", "GDX", "UGL")
LOOKBACK = 80


def full(value: float | Sequence[float], symbols: int = len(SYMBOLS)) -> Array:
    return np.broadcast_to(np.array(value, dtype=float), (symbols,)).copy()


def view(
    session: dt.date = SESSION,
    symbols: Sequence[str] = SYMBOLS,
    *,
    score: float | Sequence[float] | Array = 0.5,
    confidence: float = 1.0,
    vol: float | Sequence[float] = 0.2,
    mid: float | Sequence[float] = 100.0,
    spread: float | Sequence[float] = 1.0,
    adv: float | Sequence[float] = 1e6,
    seed: int = 1,
) -> SessionView:
    """One strategy, unless `score` is strategies x symbols."""
    n = len(symbols)
    scores = np.atleast_2d(np.broadcast_to(np.array(score, dtype=float), (n,)) if np.ndim(score) < 2 else score)
    return SessionView(
        session=session,
        decided_at=calendar.decision_time(session),
        symbols=tuple(symbols),
        strategies=tuple(f"s{i}" for i in range(len(scores))),
        score=np.array(scores, dtype=float),
        confidence=np.full(scores.shape, confidence),
        annual_vol=full(vol, n),
        returns=np.random.default_rng(seed).normal(0, 0.01, (LOOKBACK, n)),
        mid=full(mid, n),
        half_spread_bp=full(spread, n),
        adv_shares=full(adv, n),
        quote_basis=("quote",) * n,
    )


def panel(
    mids: Array,
    *,
    score: float = 0.5,
    vol: float = 0.2,
    symbols: Sequence[str] = ("GLD", "SLV"),
    first: dt.date = SESSION,
) -> MarketPanel:
    """One strategy over `mids` (sessions x symbols) from `first` on."""
    days = calendar.schedule(first).head(len(mids))
    shape = mids.shape
    return MarketPanel(
        sessions=tuple(days["session"]),
        decided_at=tuple(days["decided_at"]),
        symbols=tuple(symbols),
        strategies=("s0",),
        score=np.full((shape[0], 1, shape[1]), score),
        confidence=np.ones((shape[0], 1, shape[1])),
        annual_vol=np.full(shape, vol),
        returns=np.random.default_rng(7).normal(0, 0.01, (LOOKBACK + shape[0], shape[1])),
        lookback=LOOKBACK,
        mid=mids.copy(),
        half_spread_bp=np.full(shape, 1.0),
        adv_shares=np.full(shape, 1e7),
        quote_basis=(("quote",) * shape[1],) * shape[0],
    )


def market_row(symbol: str, price: float | None, close: float | None = None) -> MarketRow:
    return MarketRow(symbol, price, 1.0, 1e7, 1e7, 0.01, vwap=price, close=price if close is None else close)


def market_of(found: MarketPanel) -> dict[dt.date, dict[str, MarketRow]]:
    """What happened in every session: trading at the decision's prices."""
    return {
        day: {s: market_row(s, float(p)) for s, p in zip(found.symbols, row, strict=True) if np.isfinite(p)}
        for day, row in zip(found.sessions, found.mid, strict=True)
    }


def market_frame(found: MarketPanel) -> pl.DataFrame:
    """`Feed.market_range` of the panel."""
    names = ("symbol", "mid", "half_spread_bp", "volume_shares", "adv_shares", "daily_vol", "vwap", "close")
    rows = [
        {"session": day, **{name: getattr(row, name) for name in names}}
        for day, by_symbol in market_of(found).items()
        for row in by_symbol.values()
    ]
    return pl.DataFrame(rows)


def book(cash: str = "1000000", **positions: int | str) -> BookState:
    return BookState("test", Decimal(cash), {s: Decimal(q) for s, q in positions.items()})


def intent(quantity: int, side: Side = Side.BUY, symbol: str = "GLD", mid: str = "220.00") -> OrderIntent:
    return OrderIntent(
        client_order_id=f"id-{symbol}-{side.value}",
        session=SESSION,
        book="test",
        symbol=symbol,
        side=side,
        quantity_shares=Decimal(quantity),
        order_type=OrderType.MARKET,
        limit_price=None,
        decision_mid=Decimal(mid),
        algo=Algo.SINGLE,
        correlation_id="c",
        decided_at=calendar.decision_time(SESSION),
    )


def execution(of: OrderIntent, quantity: int | str, price: str, number: int = 1) -> Execution:
    return Execution(
        execution_id=f"{of.client_order_id}-{number}",
        client_order_id=of.client_order_id,
        symbol=of.symbol,
        side=of.side,
        quantity_shares=Decimal(quantity),
        price=Decimal(price),
        executed_at=of.decided_at + dt.timedelta(minutes=number),
    )
