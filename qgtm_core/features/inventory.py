"""features/inventory: COMEX stocks, their trends, and how much of the open interest they cover."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from qgtm_core.features.common import HEALTH, STAMPS, with_prefix
from qgtm_core.features.curve import SOFR, lease_features
from qgtm_core.features.joint import observe_joint
from qgtm_core.features.known import macro_rows
from qgtm_core.features.same_day import apart, stacked, together
from qgtm_core.features.spec import Feature
from qgtm_core.maths import statistics as stats
from qgtm_core.pit import observe, segments
from qgtm_core.schemas.features import COT_MARKETS, COT_REPORT

YEAR = 252  # days with a report
MONTH = 20
QUARTER = 60
# open interest and curve may lack on a day with stocks; further behind the stocks they do not count
DAILY_LAG = dt.timedelta(days=5)
WEEKLY_INTEREST_AGE = "12d"
KEY = ("market", "part", "event_date")
BY = ("market",)
PARTS = ("registered", "eligible", "daily", "weekly")
LEASED = "silver"


@dataclass(frozen=True, slots=True)
class Contract:
    """The futures contract of a metal."""

    root: str
    lot_oz: float


CONTRACTS = {"gold": Contract("GC", 100.0), "silver": Contract("SI", 5_000.0)}


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a (session, metal) from the metal's first known report on."""
    rows = pl.concat(_of_metal(pit, metal) for metal in CONTRACTS)
    read = [_read(days, view) for days, view in segments(rows, KEY, sessions)]
    return _with_lease(pl.concat(read), pit, sessions)


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
    parts = apart(view)
    empty = view.clear().drop("part", "revision")
    stocks, eligible, daily, weekly = (parts.get(n, empty.rename({"value": n})) for n in PARTS)
    total = together([stocks, eligible], BY).with_columns(total_oz=pl.col("registered") + pl.col("eligible"))
    tables = {
        "registered": _trend(stocks.with_columns(registered_oz="registered"), "registered", MONTH),
        "total": _trend(total, "total", QUARTER),
        "daily": _coverage(together([stocks, daily], BY), "daily"),
        "weekly": _coverage(_newest_report(stocks, weekly), "weekly"),
    }
    read = {name: with_prefix(observe(sessions, rows, BY), name) for name, rows in tables.items()}
    joined = read.pop("registered")
    for name, rows in read.items():
        joined = joined.join(rows, on=["session", *BY], how="left", maintain_order="left", suffix=f"_{name}")
    return _choose(joined)


def _newest_report(stocks: pl.DataFrame, reports: pl.DataFrame) -> pl.DataFrame:
    """Registered metal beside the newest weekly open interest known when the stock became known."""
    reports = reports.sort("session", "event_date")
    newest = pl.col("event_date") == pl.col("event_date").cum_max().over(BY)  # no report that came after a newer one
    joined = stocks.sort("session", "event_date").join_asof(
        reports.filter(newest).select("session", *BY, "weekly"),
        on="session",
        by=list(BY),
        strategy="backward",
        tolerance=WEEKLY_INTEREST_AGE,
        check_sortedness=False,
    )
    return joined.filter(pl.col("weekly").is_not_null()).sort("event_date")


def _trend(rows: pl.DataFrame, name: str, k: int) -> pl.DataFrame:
    level = pl.col(f"{name}_oz").log()
    rows = rows.with_columns(_flow=(level - level.shift(k)).over(BY))
    z = stats.zscore(pl.col("_flow"), YEAR).over(BY)
    return rows.select(*STAMPS, *BY, _count(), f"{name}_oz", z.alias(f"{name}_flow_{k}_z_{YEAR}"))


def _coverage(rows: pl.DataFrame, interest: str) -> pl.DataFrame:
    rows = rows.with_columns(coverage=pl.col("registered") / pl.col(interest))
    z = stats.zscore(pl.col("coverage").log(), YEAR).over(BY)
    return rows.select(*STAMPS, *BY, _count(), "coverage", coverage_z_252=z)


def _choose(rows: pl.DataFrame) -> pl.DataFrame:
    """Daily open interest where it keeps up and has its year, else the weekly one, else whichever has more history."""
    keeps_up = pl.col("registered_event_at") - pl.col("daily_event_at") <= DAILY_LAG
    daily_speaks = (keeps_up & pl.col("coverage_z_252").is_not_null()).fill_null(value=False)
    weekly_speaks = pl.col("coverage_z_252_weekly").is_not_null()
    longer = (pl.col("weekly_obs").fill_null(0) > pl.col("daily_obs").fill_null(0)).fill_null(value=False)
    weekly = pl.when(daily_speaks).then(pl.lit(value=False)).when(weekly_speaks).then(pl.lit(value=True))
    rows = rows.with_columns(weekly_interest=weekly.otherwise(longer))
    use_weekly = pl.when("weekly_interest")
    return rows.with_columns(
        *(use_weekly.then(f"weekly_{n}").otherwise(f"daily_{n}").alias(f"coverage_{n}") for n in HEALTH),
        *(use_weekly.then(f"{n}_weekly").otherwise(n).alias(n) for n in ("coverage", "coverage_z_252")),
    )


def _with_lease(rows: pl.DataFrame, pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """Add the standardised lease rate of silver, where the curve is as fresh as the stocks."""
    silver = CONTRACTS[LEASED].root
    dated = pit["curve"].filter((pl.col("root") == silver) & pl.col("expiry_month").is_not_null())

    def lease(view: pl.DataFrame) -> pl.DataFrame:
        z = stats.zscore(pl.col("lease"), YEAR)
        return lease_features(view).select("session", *BY, _lease_at="event_at", lease_z_252=z)

    if dated.is_empty():
        return rows.with_columns(lease_z_252=pl.lit(None, pl.Float64))
    read = observe_joint([dated, macro_rows(pit, SOFR)], sessions, lease, group=BY)
    rows = rows.join(read, on=["session", *BY], how="left", maintain_order="left")
    fresh = pl.col("registered_event_at") - pl.col("_lease_at") <= DAILY_LAG
    return rows.with_columns(lease_z_252=pl.when(fresh).then("lease_z_252"))


def _count() -> pl.Expr:
    return pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over(BY).alias(HEALTH[0])


FEATURES = (Feature("inventory", ("inventory", "open_interest", "positioning", "curve", "macro"), compute),)
