"""features/positioning: speculative positions in the CFTC reports, by metal."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import polars as pl

from qgtm_core.features.common import STAMPS
from qgtm_core.features.spec import Feature
from qgtm_core.maths import statistics as stats
from qgtm_core.pit import point_in_time
from qgtm_core.schemas.features import COT_MARKETS, COT_REPORT

THREE_YEARS = 156  # weekly reports
LATE_BASES = ("next_observed", "shutdown_2013_bound")  # release dates inside a publication backlog
LATE = dt.timedelta(days=10)  # a Tuesday's report is due on Friday, on Monday after a holiday
KEY = ("cftc_code", "report_type", "event_date")


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a (session, market) from the market's first known report on."""
    code = pl.col("cftc_code")
    rows = pit["positioning"].filter((pl.col("report_type") == COT_REPORT) & code.is_in(list(COT_MARKETS.values())))
    market = code.replace_strict({code: name for name, code in COT_MARKETS.items()}, return_dtype=pl.String)
    return point_in_time(rows, KEY, sessions, report_features).with_columns(market=market)


def report_features(view: pl.DataFrame) -> pl.DataFrame:
    """Features of each weekly report from the reports up to it."""
    net = (pl.col("managed_money_long") - pl.col("managed_money_short")) / pl.col("open_interest")
    rows = view.with_columns(mm_net_pct_oi=net).filter(pl.col("mm_net_pct_oi").is_finite()).sort(KEY)
    late = pl.col("available_at").dt.date() - pl.col("event_date") > LATE
    share = pl.col("mm_net_pct_oi")
    return rows.select(
        *STAMPS,
        "cftc_code",
        "report_type",
        "mm_net_pct_oi",
        obs=share.cum_count().over("cftc_code").cast(pl.Int32),
        mm_net_pct_oi_z_156=stats.zscore(share, THREE_YEARS).over("cftc_code"),
        backlog=pl.col("release_basis").is_in(LATE_BASES).fill_null(value=False) | late,
    )


FEATURES = (Feature("positioning", ("positioning",), compute),)
