"""Compiled loop over bars: fill, mark, decide, order. Import inside functions only, as every kernel.

The loop is compiled once and kept; a decision is a C function called through its address, so it is compiled once and
kept as well, however many there are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import register_jitable
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

CLOSE, VOLUME = 3, 4  # places in a bar of open, high, low, close, volume


def run_bars(
    decide: Callable[[int, FloatArray, FloatArray, FloatArray, FloatArray], None],
    bars: FloatArray,
    cash_usd: float,
    next_close: bool,
    rules: tuple[float, float, float],
    state: FloatArray,
    shares: FloatArray,
    equity_usd: FloatArray,
    fill_places: IntArray,
    fill_values: FloatArray,
) -> int:
    """Run every bar in order, into the last four; the number of fills.

    `bars` is (T, N, 5), `rules` are cost rate, participation and lot; `shares` (N,) and `equity_usd` (T,);
    `fill_places` (fills, 2) are bar and instrument, `fill_values` (fills, 3) signed shares, price and fee.
    """
    mark, order, target = np.zeros(len(shares)), np.zeros(len(shares)), np.zeros(len(shares))
    account = np.array([cash_usd, 0.0])  # cash, fills so far
    for t in range(len(bars)):
        if next_close:
            fill_orders(t, bars[t], rules, order, shares, account, fill_places, fill_values)
        for i in range(len(shares)):
            if bars[t, i, CLOSE] > 0.0:
                mark[i] = bars[t, i, CLOSE]
        target[:] = shares
        decide(t, bars[t], shares, state, target)
        for i in range(len(shares)):
            wanted = target[i] - shares[i]
            order[i] = wanted if math.isfinite(wanted) else 0.0
        if not next_close:
            fill_orders(t, bars[t], rules, order, shares, account, fill_places, fill_values)
        value = account[0]
        for i in range(len(shares)):
            value += shares[i] * mark[i]
        equity_usd[t] = value
    return int(account[1])


def fill_orders(
    t: int,
    bar: FloatArray,
    rules: tuple[float, float, float],
    order: FloatArray,
    shares: FloatArray,
    account: FloatArray,
    fill_places: IntArray,
    fill_values: FloatArray,
) -> None:
    """Fill what the bar admits of each order at its close; the rest is cancelled."""
    cost_rate, participation, lot = rules
    for i in range(len(order)):
        quantity, price = abs(order[i]), bar[i, CLOSE]
        if quantity > 0.0:
            if participation < math.inf:
                most = participation * bar[i, VOLUME]
                quantity = min(quantity, most) if most > 0.0 else 0.0
            if lot > 0.0:
                quantity = math.floor(quantity / lot) * lot
            if quantity > 0.0 and price > 0.0:
                signed, fee = math.copysign(quantity, order[i]), quantity * price * cost_rate
                number = int(account[1])
                fill_places[number, 0], fill_places[number, 1] = t, i
                fill_values[number, 0], fill_values[number, 1], fill_values[number, 2] = signed, price, fee
                shares[i] += signed
                account[0] -= signed * price + fee
                account[1] += 1.0
            order[i] = 0.0


_VECTOR, _MATRIX, _BARS = types.float64[::1], types.float64[:, ::1], types.float64[:, :, ::1]
DECISION = types.void(types.int64, _MATRIX, _VECTOR, _VECTOR, _VECTOR)
_RUN = types.int64(
    types.FunctionType(DECISION),
    _BARS,
    types.float64,
    types.boolean,
    types.UniTuple(types.float64, 3),
    _VECTOR,
    _VECTOR,
    _VECTOR,
    types.int64[:, ::1],
    _MATRIX,
)

register_jitable(fill_orders)
run_bars_nb: Callable[..., Any] = numba.njit(_RUN, cache=True, nogil=True)(run_bars)


def compiled_decision(function: Callable[..., None]) -> Any:
    """Compile a decision to a C function that `run_bars_nb` takes; kept on disk beside its module."""
    return numba.cfunc(DECISION, cache=True)(function)
