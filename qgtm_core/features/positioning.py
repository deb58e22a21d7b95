"""features/positioning: positions in the CFTC reports, by metal."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import polars as pl

from qgtm_core.features.common import STAMPS, with_prefix
from qgtm_core.features.spec import Feature
from qgtm_core.maths import positioning as cot
from qgtm_core.maths import statistics as stats
from qgtm_core.pit import Compute, point_in_time
from qgtm_core.schemas.features import COT_MARKETS, COT_REPORT

LEGACY_REPORT = "legacy_futures_only"
HALF_YEAR = 26  # weekly reports
YEAR = 52
THREE_YEARS = 156
LATE_BASES = ("next_observed", "shutdown_2013_bound")  # release dates inside a publication backlog
LATE = dt.timedelta(days=10)  # a Tuesday's report is due on Friday, on Monday after a holiday
KEY = ("cftc_code", "report_type", "event_date")
TRADERS = ("managed_money", "producer", "swap", "other", "nonreportable")
SPREADS = tuple(pl.col(f"{name}_spread") for name in ("managed_money", "swap", "other"))


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a (session, market) from the market's first known report on."""
    code = pl.col("cftc_code")
    reports = pit["positioning"].filter(code.is_in(list(COT_MARKETS.values())))
    newer, older = (reports.filter(report_type=name) for name in (COT_REPORT, LEGACY_REPORT))
    joined = _read(newer, sessions, speculators)
    for rows, features, prefix in ((newer, hedgers, "hedgers"), (older, commercials, "legacy")):
        part = with_prefix(_read(rows, sessions, features), prefix)
        joined = joined.join(part, on=["session", "cftc_code"], how="full", coalesce=True)
    market = code.replace_strict({code: name for name, code in COT_MARKETS.items()}, return_dtype=pl.String)
    return joined.with_columns(market=market)


def _read(reports: pl.DataFrame, sessions: pl.DataFrame, features: Compute) -> pl.DataFrame:
    return point_in_time(reports, KEY, sessions, features).drop("report_type")


def speculators(view: pl.DataFrame) -> pl.DataFrame:
    """Managed money of each weekly report, from the reports up to it."""
    net = cot.net_share(pl.col("managed_money_long"), pl.col("managed_money_short"), pl.col("open_interest"))
    rows = view.with_columns(mm_net_pct_oi=net).filter(pl.col("mm_net_pct_oi").is_finite()).sort("event_date")
    late = pl.col("available_at").dt.date() - pl.col("event_date") > LATE
    share = pl.col("mm_net_pct_oi")
    return rows.select(
        *STAMPS,
        "cftc_code",
        "report_type",
        "mm_net_pct_oi",
        _gap("long").alias("long_gap"),
        _gap("short").alias("short_gap"),
        obs=share.cum_count().over("cftc_code").cast(pl.Int32),
        mm_net_pct_oi_z_156=stats.zscore(share, THREE_YEARS).over("cftc_code"),
        backlog=pl.col("release_basis").is_in(LATE_BASES).fill_null(value=False) | late,
    )


def _gap(side: str) -> pl.Expr:
    held = [pl.col(f"{name}_{side}") for name in TRADERS]
    return cot.open_interest_gap(pl.col("open_interest"), held, SPREADS).cast(pl.Float64)


def hedgers(view: pl.DataFrame) -> pl.DataFrame:
    """Producers and swap dealers of each weekly report, from the reports up to it."""
    long, short = (pl.col(f"producer_{side}") + pl.col(f"swap_{side}") for side in ("long", "short"))
    pressure = pl.col("hedging_pressure")
    rows = view.with_columns(hedging_pressure=cot.hedging_pressure(long, short))
    rows = rows.filter(pressure.is_not_null()).sort("event_date")
    return rows.select(
        *STAMPS,
        "cftc_code",
        "report_type",
        "hedging_pressure",
        obs=pressure.cum_count().over("cftc_code").cast(pl.Int32),
        hedging_pressure_mean_52=pressure.rolling_mean(YEAR, min_samples=stats.filled(YEAR)).over("cftc_code"),
    )


def commercials(view: pl.DataFrame) -> pl.DataFrame:
    """Commercials of each weekly legacy report, from the reports up to it."""
    net = pl.col("commercial_net")
    rows = view.with_columns(commercial_net=(pl.col("commercial_long") - pl.col("commercial_short")).cast(pl.Float64))
    rows = rows.filter(net.is_not_null()).sort("event_date")
    return rows.select(
        *STAMPS,
        "cftc_code",
        "report_type",
        "commercial_net",
        obs=net.cum_count().over("cftc_code").cast(pl.Int32),
        **{f"commercial_index_{n}": cot.cot_index(net, n).over("cftc_code") for n in (HALF_YEAR, THREE_YEARS)},
    )


FEATURES = (Feature("positioning", ("positioning",), compute),)
