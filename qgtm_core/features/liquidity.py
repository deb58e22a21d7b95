"""features/liquidity: what the Federal Reserve leaves with the markets, by week."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from qgtm_core.features.business_days import last_business_day
from qgtm_core.features.common import STAMPS, with_prefix
from qgtm_core.features.joint import meet, observe_joint, one_series, same_days
from qgtm_core.features.known import macro_rows
from qgtm_core.features.spec import Feature
from qgtm_core.maths import statistics as stats

ASSETS, TREASURY, REPO = "WALCL", "WTREGEN", "RRPONTSYD"
QUARTER = 13  # weeks
THREE_YEARS = 156  # weeks
# Units as the publisher words them, in lower case without dots: billions of dollars in one of them.
# Another unit, or none, makes a value unusable: the publisher has changed the unit of a series before.
BILLIONS: Mapping[str, float] = {
    "millions of us dollars": 1e-3,
    "millions of dollars": 1e-3,
    "mil of us $": 1e-3,
    "mil of $": 1e-3,
    "billions of us dollars": 1.0,
    "billions of dollars": 1.0,
    "bil of us $": 1.0,
    "bil of $": 1.0,
}


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a session from the first week in which all three series are known on."""
    return with_prefix(
        observe_joint([macro_rows(pit, ASSETS, TREASURY, REPO)], sessions, week_features), "net_liquidity"
    )


def week_features(view: pl.DataFrame) -> pl.DataFrame:
    """Features of each week from the weeks up to it."""
    weeks = _with_earlier(net_liquidity(in_billions(view)), "net_liquidity")
    net, before = pl.col("net_liquidity"), pl.col("earlier_net_liquidity")
    weeks = weeks.with_columns(growth=pl.when((net > 0.0) & (before > 0.0)).then(net / before - 1.0))
    weeks = _with_earlier(weeks, "growth")
    weeks = weeks.with_columns(acceleration=pl.col("growth") - pl.col("earlier_growth"))
    return weeks.select(
        *STAMPS,
        "obs",
        "net_liquidity",
        net_liquidity_growth_13="growth",
        net_liquidity_growth_13_z_156=stats.zscore(pl.col("growth"), THREE_YEARS),
        net_liquidity_acceleration_13_z_156=stats.zscore(pl.col("acceleration"), THREE_YEARS),
    )


def _with_earlier(weeks: pl.DataFrame, name: str) -> pl.DataFrame:
    """Add the column's value 13 weeks earlier to the day, as `earlier_<name>`; null when that week is missing."""
    earlier = weeks.select(pl.col("event_date") + pl.duration(weeks=QUARTER), pl.col(name).alias(f"earlier_{name}"))
    return weeks.join(earlier, on="event_date", how="left", maintain_order="left")


def in_billions(view: pl.DataFrame) -> pl.DataFrame:
    """The rows whose unit is known, in billions of dollars."""
    worded = pl.col("unit").str.to_lowercase().str.replace_all(".", "", literal=True).str.strip_chars()
    factor = worded.replace_strict(dict(BILLIONS), default=None, return_dtype=pl.Float64)
    return view.with_columns(value=pl.col("value") * factor)


def net_liquidity(view: pl.DataFrame) -> pl.DataFrame:
    """Assets less the Treasury's account (both weekly) less reverse repos on the week's day or the last one before."""
    weeks = same_days([one_series(view, "assets", ASSETS), one_series(view, "treasury", TREASURY)])
    weeks = weeks.with_columns(repo_day=last_business_day(pl.col("event_date")))
    weeks = meet(weeks, one_series(view, "repo", REPO), "repo_day")
    return weeks.with_columns(
        net_liquidity=pl.col("assets") - pl.col("treasury") - pl.col("repo"),
        obs=pl.int_range(1, pl.len() + 1, dtype=pl.Int32),
    )


FEATURES = (Feature("liquidity", ("macro",), compute),)
