"""features/inventory: COMEX stocks, their trends, and how much of the open interest they cover."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from qgtm_core.features.common import HEALTH, STAMPS, with_prefix
from qgtm_core.features.same_day import same_day, stacked
from qgtm_core.features.spec import Feature
from qgtm_core.maths import statistics as stats
from qgtm_core.pit import observe, segments
from qgtm_core.schemas.features import COT_MARKETS, COT_REPORT

YEAR = 252  # days with a report
MONTH = 20
QUARTER = 60
# a day's open interest may lack while stocks are reported; older than this the weekly figure is nearer the truth
DAILY_INTEREST_LAG = dt.timedelta(days=5)
WEEKLY_INTEREST_AGE = "12d"
KEY = ("market", "part", "event_date")
BY = ("market",)


@dataclass(frozen=True, slots=True)
class Contract:
    """The futures contract of a metal."""

    root: str
    lot_oz: float


CONTRACTS = {"gold": Contract("GC", 100.0), "silver": Contract("SI", 5_000.0)}


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a (session, metal) from the metal's first known report on."""
    rows = pl.concat(_of_metal(pit, metal) for metal in CONTRACTS)
    if rows.is_empty():
        return _read(sessions, rows)
    rows = rows.filter(pl.col("session") <= sessions["session"][-1])
    return pl.concat(_read(days, view) for days, view in segments(rows, KEY, sessions))


def _of_metal(pit: Mapping[str, pl.DataFrame], metal: str) -> pl.DataFrame:
    """Everything the metal's features are made of, under one another; ounces."""
    contract = CONTRACTS[metal]
    totals = pit["inventory"].filter(metal=metal, depository="ALL").rename({"total_oz": "value"})
    listed = pit["open_interest"].filter((pl.col("root") == contract.root) & pl.col("expiry_month").is_null())
    reports = pit["positioning"].filter(report_type=COT_REPORT, cftc_code=COT_MARKETS[metal])
    ounces = pl.col("open_interest") * contract.lot_oz
    parts = {
        "registered": totals.filter(category="total_registered"),
        "eligible": totals.filter(category="total_eligible"),
        "daily": listed.with_columns(value=ounces),
        "weekly": reports.with_columns(value=ounces),
    }
    return stacked(parts).with_columns(market=pl.lit(metal))


def _read(sessions: pl.DataFrame, view: pl.DataFrame) -> pl.DataFrame:
    """Features at each session of a slice in which nothing known is rewritten."""
    registered = with_prefix(observe(sessions, _registered(view), BY), "registered")
    total = with_prefix(observe(sessions, _total(view), BY), "total")
    daily = observe(sessions, _coverage(same_day(view, ("registered", "daily"), BY), "daily"), BY)
    weekly = observe(sessions, _coverage(_newest_report(view), "weekly"), BY)
    on = ["session", *BY]
    rows = registered.join(total, on=on, how="left", maintain_order="left")
    rows = rows.join(with_prefix(daily, "daily"), on=on, how="left", maintain_order="left", suffix="_daily")
    rows = rows.join(with_prefix(weekly, "weekly"), on=on, how="left", maintain_order="left", suffix="_weekly")
    return _choose(rows)


def _registered(view: pl.DataFrame) -> pl.DataFrame:
    rows = same_day(view, ("registered",), BY).rename({"registered": "registered_oz"})
    return _trend(rows, "registered", MONTH)


def _total(view: pl.DataFrame) -> pl.DataFrame:
    rows = same_day(view, ("registered", "eligible"), BY)
    rows = rows.with_columns(total_oz=pl.col("registered") + pl.col("eligible"))
    return _trend(rows, "total", QUARTER)


def _trend(rows: pl.DataFrame, name: str, k: int) -> pl.DataFrame:
    level = pl.col(f"{name}_oz").log()
    rows = rows.with_columns(_flow=(level - level.shift(k)).over(BY))
    z = stats.zscore(pl.col("_flow"), YEAR).over(BY)
    return rows.select(*STAMPS, *BY, _count(), f"{name}_oz", z.alias(f"{name}_flow_{k}_z_{YEAR}"))


def _newest_report(view: pl.DataFrame) -> pl.DataFrame:
    """Registered metal beside the newest weekly open interest known when the stock became known."""
    stocks = same_day(view, ("registered",), BY)
    reports = same_day(view, ("weekly",), BY).sort("session", "event_date")
    newest = pl.col("event_date") == pl.col("event_date").cum_max().over(BY)  # a report that came after a newer one
    joined = stocks.sort("session", "event_date").join_asof(
        reports.filter(newest).select("session", *BY, "weekly"),
        on="session",
        by=list(BY),
        strategy="backward",
        tolerance=WEEKLY_INTEREST_AGE,
        check_sortedness=False,
    )
    return joined.filter(pl.col("weekly").is_not_null()).sort(*BY, "event_date")


def _coverage(rows: pl.DataFrame, interest: str) -> pl.DataFrame:
    rows = rows.with_columns(coverage=pl.col("registered") / pl.col(interest))
    z = stats.zscore(pl.col("coverage").log(), YEAR).over(BY)
    return rows.select(*STAMPS, *BY, _count(), "coverage", coverage_z_252=z)


def _choose(rows: pl.DataFrame) -> pl.DataFrame:
    """Daily open interest where it keeps up and has its year, else the weekly one, else whichever has more history."""
    keeps_up = pl.col("registered_event_at") - pl.col("daily_event_at") <= DAILY_INTEREST_LAG
    daily_speaks = (keeps_up & pl.col("coverage_z_252").is_not_null()).fill_null(value=False)
    weekly_speaks = pl.col("coverage_z_252_weekly").is_not_null()
    longer = (pl.col("weekly_obs").fill_null(0) > pl.col("daily_obs").fill_null(0)).fill_null(value=False)
    weekly = pl.when(daily_speaks).then(pl.lit(value=False)).when(weekly_speaks).then(pl.lit(value=True))
    rows = rows.with_columns(coverage_weekly=weekly.otherwise(longer))
    use_weekly = pl.when("coverage_weekly")
    return rows.with_columns(
        *(use_weekly.then(f"weekly_{n}").otherwise(f"daily_{n}").alias(f"coverage_{n}") for n in HEALTH),
        *(use_weekly.then(f"{n}_weekly").otherwise(n).alias(n) for n in ("coverage", "coverage_z_252")),
        lease_z_252=pl.lit(None, pl.Float64),
    )


def _count() -> pl.Expr:
    return pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over(BY).alias(HEALTH[0])


FEATURES = (Feature("inventory", ("inventory", "open_interest", "positioning"), compute),)
