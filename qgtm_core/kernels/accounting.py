"""Compiled accounting of target weights, to the share. Import inside functions only, as every kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


def account(
    price: FloatArray,
    weight: FloatArray,
    trade: BoolArray,
    cost_rate: FloatArray,
    cash_usd: float,
    equity_usd: FloatArray,
    traded_usd: FloatArray,
    cost_usd: FloatArray,
) -> None:
    """Mark, then trade to the weights, row by row, into the last three, each (T,).

    `price` and `weight` are (T, N), `cost_rate` (T, N) or (1, N) for one that never changes, all C-ordered. No
    price: the position stays and keeps its last mark. No weight (NaN): the position stays. An account worth nothing
    sells out and never trades again.
    """
    sessions, instruments = price.shape
    dated = 1 if cost_rate.shape[0] > 1 else 0
    shares, mark = np.zeros(instruments), np.zeros(instruments)
    alive = True
    for t in range(sessions):
        value = cash_usd
        for i in range(instruments):
            if price[t, i] > 0.0:
                mark[i] = price[t, i]
            value += shares[i] * mark[i]
        traded, cost = 0.0, 0.0
        if trade[t] and alive:
            alive = value > 0.0
            for i in range(instruments):
                share_price, target = price[t, i], weight[t, i] if alive else 0.0
                if share_price > 0.0 and target == target:  # noqa: PLR0124 - NaN, as a compiler can vectorise it
                    wanted = target * value / share_price
                    notional = (wanted - shares[i]) * share_price
                    shares[i] = wanted
                    cash_usd -= notional
                    traded += abs(notional)
                    cost += abs(notional) * cost_rate[t * dated, i]
            cash_usd -= cost
        equity_usd[t] = value - cost
        traded_usd[t] = traded
        cost_usd[t] = cost


account_nb: Callable[..., Any] = numba.njit(cache=True, nogil=True)(account)
