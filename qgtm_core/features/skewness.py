"""features/skewness: realised skewness of metals."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from qgtm_core.features.common import HEALTH, STAMPS, by_symbol
from qgtm_core.features.spec import Feature
from qgtm_core.maths import statistics as stats
from qgtm_core.schemas.features.skewness import METALS

YEAR = 252  # returns


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a (session, metal) from the metal's first known bar on."""
    return by_symbol(pit, METALS, sessions, skewness).select("session", "symbol", *HEALTH, "skew_252")


def skewness(bars: pl.DataFrame) -> pl.DataFrame:
    """Sample skewness (adjusted for its bias) of the last 252 daily log returns of each bar."""
    step = pl.col("adj_close").log().diff()
    skew = step.rolling_skew(YEAR, bias=False, min_samples=stats.filled(YEAR))
    varies = stats.rolling_sd(step, YEAR).is_not_null()
    return bars.select(*STAMPS, "obs", skew_252=pl.when(varies).then(skew))


FEATURES = (Feature("skewness", ("prices",), compute),)
