"""features/macro: real yields and breakevens on their own observation axis."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from qgtm_core.features.common import macro_series, side_by_side
from qgtm_core.features.spec import Feature
from qgtm_core.maths import statistics as stats

REAL_YIELD = "DFII10"
BREAKEVEN = "T10YIE"
TWO_YEARS = 504  # observations
ONE_YEAR = 252


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a session from the first known observation of either series on."""
    value = pl.col("value")
    real = {
        "real_10y": value,
        **{f"real_10y_zchg_{k}": stats.change_z(value, k, TWO_YEARS) for k in (5, 20, 60)},
        "real_10y_z_504": stats.zscore(value, TWO_YEARS),
        "real_10y_chg_20": value - value.shift(20),
    }
    breakeven = {
        "breakeven_10y": value,
        **{f"breakeven_10y_zchg_{k}": stats.change_z(value, k, ONE_YEAR) for k in (20, 60)},
        "breakeven_10y_chg_20": value - value.shift(20),
    }
    return side_by_side(
        [
            macro_series(pit["macro"], REAL_YIELD, sessions, real, "real_10y"),
            macro_series(pit["macro"], BREAKEVEN, sessions, breakeven, "breakeven_10y"),
        ]
    )


FEATURES = (Feature("macro", ("macro",), compute),)
