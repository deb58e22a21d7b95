"""features/fair_value: gold against what real yields and the dollar say it is worth, on their common days."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from qgtm_core.features.common import with_prefix
from qgtm_core.features.known import macro_rows
from qgtm_core.features.macro import REAL_YIELD
from qgtm_core.features.spec import Feature
from qgtm_core.features.windows import Bars, full_windows, leg, price_legs, read_legs
from qgtm_core.maths import regression
from qgtm_core.maths.regression import FloatArray, IntArray, stack

GOLD, DOLLAR = "GLD", "UUP"
TWO_YEARS = 504  # common days
COLUMNS = tuple(f"gold_fair_{name}_504" for name in ("z", "r2", "yield_slope", "dollar_slope", "half_life", "adf"))


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a session from the first common day on; a day counts when all three values are known."""
    legs = [price_legs(pit, (GOLD, DOLLAR)), leg(macro_rows(pit, REAL_YIELD), REAL_YIELD, "value", positive=False)]
    return with_prefix(read_legs(legs, (GOLD, DOLLAR, REAL_YIELD), sessions, residuals), "gold_fair")


def residuals(days: Bars, ends: IntArray) -> dict[str, FloatArray]:
    """The regression of each window of two years and what its residuals look like."""
    gold, dollar, real_yield = np.log(days.values[GOLD]), np.log(days.values[DOLLAR]), days.values[REAL_YIELD]

    def fit(at: IntArray) -> FloatArray:
        y, x, d = (stack(values, at, TWO_YEARS) for values in (gold, real_yield, dollar))
        found = regression.least_squares(y, (x, d))
        half_life, (t, _) = regression.half_life(found.residual), regression.adf(found.residual)
        return np.column_stack([found.z, found.r2, found.slopes, half_life, t])

    return full_windows(ends, TWO_YEARS, COLUMNS, fit)


FEATURES = (Feature("fair_value", ("prices", "macro"), compute),)
