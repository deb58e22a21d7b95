"""Compiled accounting of weights: arrays in, arrays out. Import inside functions only, as every kernel."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

GROSS, SPREAD, IMPACT, COMMISSION, BORROW, GROSS_WEIGHT, NET_WEIGHT, TURNOVER, UNKNOWN = range(9)
FIELDS = 9


def charge(
    weight: FloatArray,
    next_return: FloatArray,
    spread: FloatArray,
    impact: FloatArray,
    commission: FloatArray,
    sale: FloatArray,
    borrow: FloatArray,
    out: FloatArray,
) -> None:
    """Add up each session of each member of a family.

    `weight` is (K, T, N) without NaN, `next_return` (T, N) with NaN where it is not known, the rates (T, N); `out` is
    (FIELDS, K, T) of zeros. A trade of the share w pays impact·|w|^(3/2): the square-root law of the capital's order.
    """
    family, sessions, symbols = weight.shape
    for k in range(family):
        for n in range(symbols):
            before = 0.0
            for t in range(sessions):
                held = weight[k, t, n]
                change = held - before
                if change != 0.0:
                    size = abs(change)
                    out[1, k, t] += size * spread[t, n]
                    out[2, k, t] += size * math.sqrt(size) * impact[t, n]
                    out[3, k, t] += size * commission[t, n]
                    if change < 0.0:
                        out[3, k, t] += size * sale[t, n]
                    out[7, k, t] += size
                    before = held
                if held != 0.0:
                    ahead = next_return[t, n]
                    if math.isfinite(ahead):
                        out[0, k, t] += held * ahead
                    else:
                        out[8, k, t] += abs(held)
                    if held < 0.0:
                        out[4, k, t] -= held * borrow[t, n]
                    out[5, k, t] += abs(held)
                    out[6, k, t] += held


charge_nb: Callable[..., Any] = numba.njit(cache=True)(charge)
