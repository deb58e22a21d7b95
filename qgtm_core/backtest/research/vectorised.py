"""Accounting of target weights to the share: one strategy in a fraction of a millisecond, thousands in parallel.

For research on prices alone. What a target book would have earned after rules of portfolio, approval, orders and the
fill model is `qgtm_core.backtest.replay`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qgtm_core.errors import DataError
from qgtm_core.maths.threads import each

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Simulated:
    """Account after each row, USD: equity after costs, notional traded, and its costs; (T,), or (K, T) of K books."""

    equity_usd: FloatArray
    traded_usd: FloatArray
    cost_usd: FloatArray

    @property
    def returns(self) -> FloatArray:
        """Change of equity over the row before, as a decimal; 0 on the first row, NaN once equity was not positive."""
        before = self.equity_usd[..., :-1]
        out = np.zeros(self.equity_usd.shape)
        out[..., 1:] = np.divide(self.equity_usd[..., 1:], before, out=np.full(before.shape, np.nan), where=before > 0)
        out[..., 1:] -= 1.0
        return out


def simulate(
    price: FloatArray,
    target_weight: FloatArray,
    trade: BoolArray | None = None,
    cost_rate: FloatArray | float = 0.0,
    cash_usd: float = 1_000_000.0,
    *,
    threads: int | None = None,
) -> Simulated:
    """Hold target weights at the prices of their rows, in fractions of shares, paying proportional costs in cash.

    Shapes: `price` (T, N) in USD; `target_weight` (T, N), or (K, T, N) for K independent accounts, fractions of
    equity, sales negative; `trade` (T,), rows on which to trade (default all); `cost_rate` a number, (N,) or (T, N),
    fraction of the notional. Row t of the weights is executed at row t of the prices: decisions made on a row's
    prices belong in the next row, or they look ahead. Cash earns nothing and may go below zero (margin without
    interest).

    On a row that trades, each position becomes weight × equity before costs / price. Missing: no price (NaN or not
    positive) means that the position cannot be traded and keeps its last mark; no weight (NaN) leaves the position
    as it is. When equity is not positive on a row that trades, positions are sold at the prices there are, and the
    account never trades again. Raises DataError where shapes do not fit, a cost is missing or negative, or the cash
    is not positive.
    """
    price = np.ascontiguousarray(price, dtype=np.float64)
    weight = np.ascontiguousarray(target_weight, dtype=np.float64)
    _check_shapes(price, weight, cash_usd)
    sessions = len(price)
    mask = np.ones(sessions, dtype=np.bool_) if trade is None else np.ascontiguousarray(trade, dtype=np.bool_)
    if mask.shape != (sessions,):
        raise _misfit("trade", mask, f"({sessions},)")
    rate = _cost_rate(cost_rate, price)
    books = weight[None] if weight.ndim == 2 else weight
    equity, traded, cost = (np.empty((len(books), sessions)) for _ in range(3))
    account: Callable[..., Any] = importlib.import_module("qgtm_core.kernels.accounting").account_nb

    def run(k: int) -> None:
        account(price, books[k], mask, rate, float(cash_usd), equity[k], traded[k], cost[k])

    each(run, len(books), threads)
    if weight.ndim == 2:
        return Simulated(equity[0], traded[0], cost[0])
    return Simulated(equity, traded, cost)


def _check_shapes(price: FloatArray, weight: FloatArray, cash_usd: float) -> None:
    if price.ndim != 2:
        raise _misfit("price", price, "(sessions, instruments)")
    if weight.ndim not in {2, 3} or weight.shape[-2:] != price.shape:
        raise _misfit("target_weight", weight, f"{price.shape} or (books, {price.shape[0]}, {price.shape[1]})")
    if not cash_usd > 0.0:
        raise DataError("simulate", f"cash_usd is {cash_usd}", remedy="Start with a positive amount.")


def _cost_rate(cost_rate: FloatArray | float, price: FloatArray) -> FloatArray:
    """The rates as (1, N) or (T, N)."""
    sessions, instruments = price.shape
    given = np.asarray(cost_rate, dtype=np.float64)
    if given.ndim < 2 and given.shape in {(), (instruments,)}:
        rate = np.ascontiguousarray(np.broadcast_to(given, (1, instruments))).copy()
    elif given.shape == (sessions, instruments):
        rate = np.ascontiguousarray(given)
    else:
        raise _misfit("cost_rate", given, f"a number, ({instruments},) or {price.shape}")
    if not (rate >= 0.0).all():
        row = int((~(rate >= 0.0)).any(axis=1).argmax())
        raise DataError(
            "simulate",
            "a cost is negative or not known",
            column="cost_rate",
            row=row,
            remedy="Give every instrument a cost, zero where it is free.",
        )
    return rate


def _misfit(name: str, given: NDArray[Any], wanted: str) -> DataError:
    return DataError("simulate", f"{name} has shape {given.shape}", remedy=f"It must be {wanted}.")
