"""Compiled resampling in blocks: arrays in, arrays out. Import inside functions only, as every kernel."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def resample_sharpe(
    total: FloatArray, squares: FloatArray, block: float, still: float, rng: np.random.Generator, out: FloatArray
) -> None:
    """Sharpe ratio (ddof = 1) of each stationary-bootstrap resample (Politis and Romano 1994), one an element of `out`.

    `total` and `squares` are running sums, from 0, of the returns and their squares twice over, so that a block may run
    past the end into the start. Lengths of blocks are geometric with mean `block` >= 1, starts uniform. 0 where the
    variance of a resample is not above `still` times its mean square.
    """
    periods = (len(total) - 1) // 2
    scale = 1.0 / math.log1p(-1.0 / block) if block > 1.0 else 0.0
    for draw in range(len(out)):
        left, added, squared = periods, 0.0, 0.0
        while left > 0:
            first = int(rng.random() * periods)
            length = min(1.0 + math.floor(math.log1p(-rng.random()) * scale), left)
            last = first + int(length)
            added += total[last] - total[first]
            squared += squares[last] - squares[first]
            left -= int(length)
        mean = added / periods
        variance = (squared - added * mean) / (periods - 1)
        out[draw] = mean / math.sqrt(variance) if variance > still * squared / periods else 0.0


resample_sharpe_nb: Callable[..., Any] = numba.njit(cache=True, nogil=True)(resample_sharpe)
