"""features/seasonality: returns of metals in the coming calendar month of earlier years."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from qgtm_core.features.common import HEALTH, PRICE_KEY, STAMPS, usable_prices
from qgtm_core.features.spec import Feature
from qgtm_core.pit import observe, segments
from qgtm_core.schemas.features import FEATURE_TABLES
from qgtm_core.schemas.features.seasonality import METALS

EVER = 10_000  # months: a window that never ends
COLUMNS = ("next_month_n", "next_month_mean", "next_month_sd")


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a (session, metal) from the metal's first known bar on."""
    rows = pit["prices"].filter(pl.col("symbol").is_in(METALS))
    parts = [_read(view, days) for days, view in segments(rows, PRICE_KEY, sessions)]
    return pl.concat(parts) if parts else FEATURE_TABLES["seasonality"].empty()


def _read(view: pl.DataFrame, sessions: pl.DataFrame) -> pl.DataFrame:
    """Add to the newest known bar what is known of the month after each session; the bar's own month is not over."""
    bars = usable_prices(view).with_columns(_month=_index(pl.col("event_date")))
    newest = observe(sessions, bars.select(*STAMPS, "symbol", "obs", "_month"), ["symbol"])
    asked = newest.with_columns(_of=(_index(pl.col("session")) + 1) % 12, _month=pl.col("_month") - 1)
    history = monthly(bars)
    found = asked.sort("_month").join_asof(
        history, on="_month", by=["symbol", "_of"], strategy="backward", check_sortedness=False
    )
    return found.select("session", "symbol", *HEALTH, *COLUMNS)


def _index(day: pl.Expr) -> pl.Expr:
    return day.dt.year() * 12 + day.dt.month().cast(pl.Int32) - 1


def monthly(bars: pl.DataFrame) -> pl.DataFrame:
    """Each month of a symbol with a return: its index and, up to it, number, mean and deviation in its calendar month.

    The return runs from the last bar of the month before to the last bar of the month.
    """
    months = bars.group_by("symbol", "_month", maintain_order=True).agg(pl.col("adj_close").last())
    price, month = pl.col("adj_close"), pl.col("_month")
    step = pl.when(month.diff() == 1).then(price / price.shift(1) - 1.0)
    change, of = pl.col("change"), ["symbol", "_of"]
    return (
        months.with_columns(change=step.over("symbol"), _of=month % 12)
        .filter(change.is_not_null())
        .select(
            *of,
            "_month",
            next_month_n=change.cum_count().over(of).cast(pl.Float64),
            next_month_mean=change.rolling_mean(EVER, min_samples=1).over(of),
            next_month_sd=change.rolling_std(EVER, min_samples=2).over(of),
        )
        .sort("_month", maintain_order=True)
    )


FEATURES = (Feature("seasonality", ("prices",), compute),)
