"""features/industrial: copper, industrial shares and industrial production."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from qgtm_core.features.common import (
    HEALTH,
    STAMPS,
    macro_series,
    observe_pair,
    price_series,
    side_by_side,
    with_prefix,
)
from qgtm_core.features.spec import Feature
from qgtm_core.maths import statistics as stats

COPPER, INDUSTRIALS, MARKET = "CPER", "XLI", "SPY"
PRODUCTION = "INDPRO"
YEAR = 252  # bars
STEP = 60  # bars
MONTHS = 36
QUARTER = 3  # months


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a session from the first known row of any input on."""
    copper = {"cper_zchg_60": stats.change_z(pl.col("price").log(), STEP, YEAR)}
    ratio = observe_pair(pit["prices"], INDUSTRIALS, MARKET, sessions, _relative)
    production = {"indpro_z_36": stats.zscore(quarterly_change(pl.col("value"), pl.col("event_date")), MONTHS)}
    return side_by_side(
        [
            price_series(pit["prices"], COPPER, sessions, copper, "cper"),
            with_prefix(ratio.select("session", *HEALTH, "xli_spy_zchg_60"), "xli_spy"),
            macro_series(pit["macro"], PRODUCTION, sessions, production, "indpro"),
        ]
    )


def _relative(bars: pl.DataFrame) -> pl.DataFrame:
    ratio = pl.col("a").log() - pl.col("b").log()
    return bars.select(*STAMPS, "obs", xli_spy_zchg_60=stats.change_z(ratio, STEP, YEAR))


def quarterly_change(value: pl.Expr, month: pl.Expr) -> pl.Expr:
    """Percent change over three months; null where a month between is missing."""
    index = month.dt.year() * 12 + month.dt.month().cast(pl.Int32)
    change = (value / value.shift(QUARTER) - 1.0) * 100.0
    return pl.when(index - index.shift(QUARTER) == QUARTER).then(change)


FEATURES = (Feature("industrial", ("prices", "macro"), compute),)
