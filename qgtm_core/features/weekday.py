"""features/weekday: how gold moved on the weekday of the next session."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from qgtm_core import calendar
from qgtm_core.features.bars import session_bars
from qgtm_core.features.common import HEALTH, PRICE_KEY, STAMPS, with_prefix
from qgtm_core.features.known import price_rows
from qgtm_core.features.spec import Feature
from qgtm_core.maths import statistics as stats
from qgtm_core.pit import point_in_time

GOLD = "GLD"
WINDOW = 750  # bars
HALF = WINDOW // 2
WEEKDAYS = range(1, 6)  # Monday is 1
MEASURES = ("n", "mean", "sd", "mean_early", "mean_late")


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a session from the first known bar of GLD on.

    A position taken at the session's close earns the return of the next session, so that one's weekday counts.
    """
    rows = price_rows(pit, GOLD)
    read = point_in_time(rows, PRICE_KEY, sessions, by_weekday)
    following = calendar.schedule().select(
        "session", next_weekday=pl.col("session").shift(-1).dt.weekday().cast(pl.Int32)
    )
    dated = read.join(following, on="session", how="left", maintain_order="left")
    chosen = {f"weekday_{name}": _of_next_weekday(name) for name in MEASURES}
    return with_prefix(dated.select("session", *HEALTH, "next_weekday", **chosen), "gld")


def _of_next_weekday(name: str) -> pl.Expr:
    picked = [pl.when(pl.col("next_weekday") == d).then(f"{name}_{d}") for d in WEEKDAYS]
    return pl.coalesce(picked)


def by_weekday(view: pl.DataFrame) -> pl.DataFrame:
    """Of each bar, the one-session returns of every weekday within the last 750 bars and within both halves."""
    bars = session_bars(view)
    filled = pl.col("obs") > stats.filled(WINDOW)
    columns: dict[str, pl.Expr] = {}
    for d in WEEKDAYS:
        value = pl.when(pl.col("event_date").dt.weekday() == d).then("return_1s")
        late = value.rolling_mean(HALF, min_samples=1)
        measures = {
            "n": value.is_not_null().cast(pl.Float64).rolling_sum(WINDOW, min_samples=1),
            "mean": value.rolling_mean(WINDOW, min_samples=1),
            "sd": value.rolling_std(WINDOW, min_samples=2),
            "mean_early": late.shift(HALF),
            "mean_late": late,
        }
        columns |= {f"{name}_{d}": pl.when(filled).then(measure) for name, measure in measures.items()}
    return bars.select(*STAMPS, "obs", symbol=pl.lit(GOLD), **columns)


FEATURES = (Feature("weekday", ("prices",), compute),)
