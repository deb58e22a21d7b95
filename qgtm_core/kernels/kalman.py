"""Compiled recursions: arrays in, arrays out. Import inside functions only: loading the compiler takes two seconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

from qgtm_core.maths.statistics import kalman_recursion

kalman_hedge_nb: Callable[..., Any] = numba.njit(cache=True)(kalman_recursion)
