"""features/haven: the slope of the VIX curve, and how gold has moved with the VIX lately."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from qgtm_core.features.common import STAMPS, one_price, side_by_side, with_prefix
from qgtm_core.features.joint import observe_joint, observe_series, one_series, same_days
from qgtm_core.features.known import macro_rows, price_rows
from qgtm_core.features.spec import Feature
from qgtm_core.maths import statistics as stats

VIX, VIX3M = "VIXCLS", "VXVCLS"
GOLD = "GLD"
ONE_YEAR = 252  # observations
QUARTER = 63


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a session from the first day of either pair on."""
    ratio = pl.when(pl.col("vix3m") > 0.0).then(pl.col("vix") / pl.col("vix3m"))
    slope = {"vix_slope": ratio, "vix_slope_z_252": stats.zscore(ratio, ONE_YEAR)}
    series = observe_series(pit, {"vix": VIX, "vix3m": VIX3M}, sessions, slope)
    together = observe_joint([price_rows(pit, GOLD), macro_rows(pit, VIX)], sessions, _gold_with_vix)
    return side_by_side([with_prefix(series, "vix_slope"), with_prefix(together, "gld_vix")])


def _gold_with_vix(view: pl.DataFrame) -> pl.DataFrame:
    """Correlation on days that have both a bar and a VIX close, changes from one such day to the next."""
    bars = one_price(view, GOLD, "gold").drop("obs")
    rows = same_days([bars, one_series(view, "vix", VIX)])
    correlation = stats.rolling_correlation(pl.col("gold").log().diff(), pl.col("vix").diff(), QUARTER)
    return rows.select(*STAMPS, "obs", gld_vix_corr_63=correlation)


FEATURES = (Feature("haven", ("macro", "prices"), compute),)
