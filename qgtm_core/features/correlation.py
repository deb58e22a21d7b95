"""features/correlation: pairwise correlations of daily log returns on common bars."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import polars as pl

from qgtm_core.features.common import HEALTH, STAMPS, observe_pair
from qgtm_core.features.spec import Feature
from qgtm_core.maths import statistics as stats
from qgtm_core.schemas.features import CORRELATED

CORRELATION = stats.rolling_correlation(pl.col("a"), pl.col("b"), 126)  # returns


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a (session, symbol_a, symbol_b), a before b, from the pair's first common bar on."""
    pairs = [correlate(pit, a, b, sessions) for a, b in combinations(sorted(CORRELATED), 2)]
    return pl.concat(pairs)


def correlate(pit: Mapping[str, pl.DataFrame], a: str, b: str, sessions: pl.DataFrame) -> pl.DataFrame:
    """Correlation of one pair over 126 returns between common bars."""

    def features(bars: pl.DataFrame) -> pl.DataFrame:
        returns = bars.select(*STAMPS, "obs", *(pl.col(leg).log().diff() for leg in ("a", "b")))
        return returns.select(*STAMPS, "obs", corr_126=CORRELATION)

    rows = observe_pair(pit, a, b, sessions, features)
    return rows.select("session", *HEALTH, "corr_126", symbol_a=pl.lit(a), symbol_b=pl.lit(b))


FEATURES = (Feature("correlation", ("prices",), compute),)
