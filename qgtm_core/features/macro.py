"""features/macro: yields, breakevens and credit spreads, each on its own observation axis."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from qgtm_core.features.common import macro_series, side_by_side, with_prefix
from qgtm_core.features.joint import observe_series
from qgtm_core.features.spec import Feature
from qgtm_core.maths import statistics as stats

REAL_YIELD = "DFII10"
BREAKEVEN = "T10YIE"
NOMINAL_2Y, NOMINAL_10Y = "DGS2", "DGS10"
HIGH_YIELD = "BAMLH0A0HYM2"
TWO_YEARS = 504  # observations
ONE_YEAR = 252


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a session from the first known observation of any series on."""
    value = pl.col("value")
    real = {
        "real_10y": value,
        **{f"real_10y_zchg_{k}": stats.change_z(value, k, TWO_YEARS) for k in (5, 20, 60)},
        "real_10y_z_504": stats.zscore(value, TWO_YEARS),
        **{f"real_10y_chg_{k}": value - value.shift(k) for k in (20, 60)},
    }
    breakeven = {
        "breakeven_10y": value,
        **{f"breakeven_10y_zchg_{k}": stats.change_z(value, k, ONE_YEAR) for k in (20, 60)},
        **{f"breakeven_10y_chg_{k}": value - value.shift(k) for k in (20, 60)},
    }
    short = {"nominal_2y": value, "nominal_2y_zchg_63": stats.change_z(value, 63, TWO_YEARS)}
    spread = {"high_yield_spread": value, "high_yield_spread_chg_60": value - value.shift(60)}
    two, ten = pl.col("two"), pl.col("ten")
    slope = {
        "slope_10y2y": ten - two,
        "slope_10y2y_zchg_60": stats.change_z(ten - two, 60, TWO_YEARS),
        "slope_2y_chg_60": two - two.shift(60),
    }
    slopes = observe_series(pit, {"two": NOMINAL_2Y, "ten": NOMINAL_10Y}, sessions, slope)
    return side_by_side(
        [
            macro_series(pit, REAL_YIELD, sessions, real, "real_10y"),
            macro_series(pit, BREAKEVEN, sessions, breakeven, "breakeven_10y"),
            macro_series(pit, NOMINAL_2Y, sessions, short, "nominal_2y"),
            with_prefix(slopes, "slope"),
            macro_series(pit, HIGH_YIELD, sessions, spread, "high_yield_spread"),
        ]
    )


FEATURES = (Feature("macro", ("macro",), compute),)
