"""features/seasonality: returns of metals in the coming calendar month of earlier years."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from qgtm_core.features.common import HEALTH, PRICE_KEY, STAMPS, one_price
from qgtm_core.features.spec import Feature
from qgtm_core.pit import observe, segments
from qgtm_core.schemas.features.seasonality import METALS

EVER = 10_000  # months: a window that never ends
COLUMNS = ("next_month_n", "next_month_mean", "next_month_sd")


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a (session, metal) from the metal's first known bar on."""
    parts = []
    for symbol in METALS:
        rows = pit["prices"].filter(pl.col("symbol") == symbol)
        for days, view in segments(rows, PRICE_KEY, sessions):
            bars = one_price(view, symbol, "price").with_columns(_month=_index(pl.col("event_date")))
            read = observe(days, bars.select(*STAMPS, "obs", "_month"))
            parts.append(_with_history(read, monthly(bars)).with_columns(symbol=pl.lit(symbol)))
    return pl.concat(parts).select("session", "symbol", *HEALTH, *COLUMNS)


def _index(day: pl.Expr) -> pl.Expr:
    return day.dt.year() * 12 + day.dt.month().cast(pl.Int32) - 1


def monthly(bars: pl.DataFrame) -> pl.DataFrame:
    """Each month with a return: its index and, up to it, number, mean and deviation in its calendar month.

    The return runs from the last bar of the month before to the last bar of the month.
    """
    months = bars.group_by("_month", maintain_order=True).agg(pl.col("price").last())
    whole = pl.col("_month").diff() == 1
    months = months.with_columns(change=pl.when(whole).then(pl.col("price") / pl.col("price").shift(1) - 1.0))
    change, of = pl.col("change"), pl.col("_of")
    return (
        months.filter(change.is_not_null())
        .with_columns(_of=pl.col("_month") % 12)
        .select(
            "_month",
            "_of",
            next_month_n=change.cum_count().over(of).cast(pl.Float64),
            next_month_mean=change.rolling_mean(EVER, min_samples=1).over(of),
            next_month_sd=change.rolling_std(EVER, min_samples=2).over(of),
        )
    )


def _with_history(read: pl.DataFrame, history: pl.DataFrame) -> pl.DataFrame:
    """Add what is known of the month after each session; the newest known bar's own month is not over yet."""
    asked = read.with_columns(_of=(_index(pl.col("session")) + 1) % 12, _month=pl.col("_month") - 1)
    return asked.join_asof(history, on="_month", by="_of", strategy="backward", check_sortedness=False)


FEATURES = (Feature("seasonality", ("prices",), compute),)
