"""features/cross_asset: gold against the dollar."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from qgtm_core.features.common import price_series, side_by_side
from qgtm_core.features.correlation import correlate
from qgtm_core.features.spec import Feature
from qgtm_core.maths import statistics as stats

ONE_YEAR = 252  # bars


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a session from the first known bar of either fund on."""
    log_price = pl.col("price").log()
    dollar = {f"uup_zchg_{k}": stats.change_z(log_price, k, ONE_YEAR) for k in (20, 60)}
    pair = correlate(pit["prices"], "GLD", "UUP", sessions)
    return side_by_side(
        [
            price_series(pit["prices"], "UUP", sessions, dollar, "uup"),
            price_series(pit["prices"], "GLD", sessions, {}, "gld"),
            pair.select("session", gld_uup_corr_126="corr_126"),
        ]
    )


FEATURES = (Feature("cross_asset", ("prices",), compute),)
