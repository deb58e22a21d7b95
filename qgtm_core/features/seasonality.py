"""features/seasonality: returns of metals in the coming calendar month of earlier years."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from qgtm_core.features.common import DAY_KEY, HEALTH, STAMPS
from qgtm_core.features.known import bars_of, price_rows
from qgtm_core.features.spec import Feature
from qgtm_core.pit import observe, segments
from qgtm_core.schemas.features.seasonality import METALS

EVER = 10_000  # months: a window that never ends
COLUMNS = ("next_month_n", "next_month_mean", "next_month_sd")


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a (session, metal) from the metal's first known bar on."""
    parts = []
    for metal in METALS:
        read = [
            _read(bars_of(pit, metal, view), days) for days, view in segments(price_rows(pit, metal), DAY_KEY, sessions)
        ]
        parts.append(pl.concat(read).with_columns(symbol=pl.lit(metal)))
    return pl.concat(parts)


def _read(bars: pl.DataFrame, sessions: pl.DataFrame) -> pl.DataFrame:
    """Add to the newest known bar what is known of the month after each session; the bar's own month is not over."""
    bars = bars.with_columns(_month=_index(pl.col("event_date")))
    newest = observe(sessions, bars.select(*STAMPS, "obs", "_month"))
    asked = newest.with_columns(_of=(_index(pl.col("session")) + 1) % 12, _month=pl.col("_month") - 1)
    found = asked.join_asof(monthly(bars), on="_month", by="_of", strategy="backward", check_sortedness=False)
    return found.select("session", *HEALTH, *COLUMNS)


def _index(day: pl.Expr) -> pl.Expr:
    return day.dt.year() * 12 + day.dt.month().cast(pl.Int32) - 1


def monthly(bars: pl.DataFrame) -> pl.DataFrame:
    """Each month with a return: its index and, up to it, number, mean and deviation in its calendar month.

    The return runs from the last bar of the month before to the last bar of the month.
    """
    months = bars.group_by("_month", maintain_order=True).agg(pl.col("adj_close").last())
    price, month = pl.col("adj_close"), pl.col("_month")
    step = pl.when(month.diff() == 1).then(price / price.shift(1) - 1.0)
    change = pl.col("change")
    returns = months.with_columns(change=step, _of=month % 12).filter(change.is_not_null())
    so_far = {
        "next_month_n": change.cum_count().cast(pl.Float64),
        "next_month_mean": change.rolling_mean(EVER, min_samples=1),
        "next_month_sd": change.rolling_std(EVER, min_samples=2),
    }
    return returns.select("_of", "_month", **{name: value.over("_of") for name, value in so_far.items()})


FEATURES = (Feature("seasonality", ("prices",), compute),)
