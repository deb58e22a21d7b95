"""features/official: gold purchases of central banks, by month."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from qgtm_core.features.common import STAMPS, with_prefix
from qgtm_core.features.spec import Feature
from qgtm_core.maths import statistics as stats
from qgtm_core.pit import point_in_time

QUARTER, HALF_YEAR, FIVE_YEARS = 3, 6, 60  # months


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a session from the first published month on."""
    rows = point_in_time(pit["official_flows"], ("event_date",), sessions, month_features)
    return with_prefix(rows, "official")


def month_features(view: pl.DataFrame) -> pl.DataFrame:
    """Features of each month from the months up to it; null across a missing month."""
    rows = view.filter(pl.col("net_tonnes").is_finite()).sort("event_date")
    net = pl.col("net_tonnes")
    bought = pl.when(_unbroken(QUARTER)).then(net.rolling_sum(QUARTER))
    buying = pl.when(_unbroken(HALF_YEAR)).then((net > 0.0).cast(pl.Float64).rolling_mean(HALF_YEAR))
    return rows.select(
        *STAMPS,
        obs=pl.int_range(1, pl.len() + 1, dtype=pl.Int32),
        official_tonnes_3m=bought,
        official_tonnes_3m_z_60=stats.zscore(bought, FIVE_YEARS),
        official_buying_share_6m=buying,
    )


def _unbroken(months: int) -> pl.Expr:
    """True where the rows of the last `months` months are all there."""
    month = pl.col("event_date").dt.month_start()
    return month.shift(months - 1) == month.dt.offset_by(f"-{months - 1}mo")


FEATURES = (Feature("official", ("official_flows",), compute),)
