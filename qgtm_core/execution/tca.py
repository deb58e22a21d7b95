"""Transaction cost of each order against its benchmarks; measured after the session, never used to decide.

Signs: positive = cost. Basis points of the benchmark price.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from qgtm_core.backtest.fills import MarketRow, usable
from qgtm_core.maths import costs
from qgtm_core.schemas.trading import TCA
from qgtm_core.types import Execution, OrderIntent

FRESH_BASES = frozenset({"quote", "intraday_bar"})  # decision prices struck in the session itself


def measure(
    intents: Sequence[OrderIntent],
    executions: Sequence[Execution],
    market: Mapping[str, MarketRow],
    quote_basis: Mapping[str, str],
) -> pl.DataFrame:
    """One row an order: slippage to arrival, interval VWAP and close, and implementation shortfall (Perold, 1988).

    The end price is the close. The decision price is the decision mid where it was struck in the session, else the
    arrival mid: a previous close would book the night's move as cost. Null = benchmark unknown.
    """
    fills: dict[str, list[Execution]] = defaultdict(list)
    for execution in executions:
        fills[execution.client_order_id].append(execution)
    rows = [
        _row(intent, fills[intent.client_order_id], market.get(intent.symbol), quote_basis.get(intent.symbol, ""))
        for intent in intents
    ]
    return pl.DataFrame(rows, schema=TCA.dtypes)


def _row(intent: OrderIntent, fills: Sequence[Execution], market: MarketRow | None, basis: str) -> dict[str, Any]:
    sign = intent.side.sign
    quantity = float(intent.quantity_shares)
    filled = float(sum(f.quantity_shares for f in fills))
    paid = float(sum(f.quantity_shares * f.price for f in fills))
    average = paid / filled if filled else None
    arrival = usable(market.mid) if market else None
    close = usable(market.close) if market else None
    decision = usable(float(intent.decision_mid)) if basis in FRESH_BASES else None
    benchmark = decision if decision is not None else arrival
    shortfall = None
    if benchmark is not None and (filled == quantity or close is not None):
        shortfall = costs.implementation_shortfall(sign, quantity, filled, paid, benchmark, close or benchmark)
    return {
        "session": intent.session,
        "book": intent.book,
        "client_order_id": intent.client_order_id,
        "correlation_id": intent.correlation_id,
        "symbol": intent.symbol,
        "side": intent.side.value,
        "algo": intent.algo.value,
        "quantity_shares": quantity,
        "filled_shares": filled,
        "fill_rate": costs.fill_rate(quantity, filled),
        "average_price": average,
        "arrival_mid": arrival,
        "decision_basis": basis,
        "slippage_arrival_bp": _bp(sign, average, arrival),
        "slippage_vwap_bp": _bp(sign, average, usable(market.vwap) if market else None),
        "slippage_close_bp": _bp(sign, average, close),
        "delay_bp": _bp(sign, arrival, decision),
        "shortfall_usd": shortfall,
        "shortfall_bp": None
        if shortfall is None or not benchmark
        else costs.shortfall_bp(shortfall, quantity, benchmark),
        "notional_usd": paid,
    }


def _bp(sign: int, price: float | None, benchmark: float | None) -> float | None:
    if price is None or benchmark is None:
        return None
    return costs.slippage_bp(sign, price, benchmark)
