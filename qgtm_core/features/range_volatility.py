"""features/range_volatility, straddle and tail: volatility from whole bars, and gold's modelled tail."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.lib.stride_tricks import sliding_window_view

from qgtm_core import calendar
from qgtm_core.features.common import (
    HEALTH,
    STAMPS,
    by_symbol,
    first_read,
    macro_series,
    side_by_side,
    with_prefix,
)
from qgtm_core.features.spec import Feature
from qgtm_core.maths import ranges, tail
from qgtm_core.maths import statistics as stats
from qgtm_core.schemas.features.range_volatility import CYCLICALS

GOLD = "GLD"
GVZ = "GVZCLS"
YEAR = 252
SHORT, LONG, WEEK = 10, 60, 5  # bars
TENOR = 21  # sessions a straddle lives
LOSSES, EXCEEDANCES = 1000, 50  # the threshold is the 95 % quantile
CONFIDENCE = 0.99
ANNUAL = float(stats.TRADING_DAYS)


def whole_bars(bars: pl.DataFrame) -> pl.DataFrame:
    """Of a symbol's usable bars those with open, high and low, on the total-return basis, with `obs` counted.

    A bar that closes or opens outside its own range is no bar.
    """
    ends, low, high = (pl.col("open"), pl.col("close")), pl.col("low"), pl.col("high")
    known = high.is_finite() & pl.col("open").is_finite() & (low > 0.0)
    rows = bars.filter(known & (low <= pl.min_horizontal(ends)) & (high >= pl.max_horizontal(ends)))
    scale = pl.col("adj_close") / pl.col("close")
    count = pl.int_range(1, pl.len() + 1, dtype=pl.Int32)
    return rows.with_columns((pl.col("open", "high", "low") * scale).name.keep(), obs=count)


def with_volatility(bars: pl.DataFrame, names: Mapping[str, int]) -> pl.DataFrame:
    """Add by name the annual volatility of n whole bars; null where they do not vary."""
    first, high, low, last = (pl.col(name) for name in ("open", "high", "low", "adj_close"))
    rows = bars.with_columns(ranges.yang_zhang(first, high, low, last, n).alias(name) for name, n in names.items())
    return rows.with_columns(
        pl.when(pl.col(name) > 0.0).then((pl.col(name) * ANNUAL).sqrt()).alias(name) for name in names
    )


def term_structure(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a (session, symbol) from the symbol's first known whole bar on."""
    names = ("vol_yz_10", "vol_yz_60", "vol_yz_slope_z_252")
    return by_symbol(pit, CYCLICALS, sessions, slopes).select("session", "symbol", *HEALTH, *names)


def slopes(bars: pl.DataFrame) -> pl.DataFrame:
    """Short and long volatility of each bar, and the z-score of the logarithm of their ratio."""
    short, long = pl.col("vol_yz_10"), pl.col("vol_yz_60")
    rows = with_volatility(whole_bars(bars), {"vol_yz_10": SHORT, "vol_yz_60": LONG})
    rows = rows.select(*STAMPS, "obs", short, long)
    return rows.with_columns(vol_yz_slope_z_252=stats.zscore((short / long).log(), YEAR))


def straddle(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a session: the straddle's age and moneyness, gold's short volatility and the implied one."""
    gold = with_prefix(by_symbol(pit, [GOLD], sessions, struck).drop("symbol"), "gld")
    gold = gold.join(_places(), on="session", how="left", maintain_order="left").with_columns(
        strike_age_sessions=pl.col("place") % TENOR,
        # a strike set since the newest bar became usable was set at that bar's price
        log_moneyness=pl.when(pl.col("place") // TENOR > pl.col("month")).then(0.0).otherwise("log_moneyness"),
    )
    index = macro_series(pit, GVZ, sessions, {"gvz": pl.col("value")}, "gvz")
    return side_by_side([gold.drop("place", "month"), index])


def _places() -> pl.DataFrame:
    """`session, place`: each session of the exchange calendar and its number."""
    return calendar.schedule().select("session", place=pl.int_range(pl.len(), dtype=pl.Int32))


def struck(bars: pl.DataFrame) -> pl.DataFrame:
    """Each bar against the strike in force at the next session: the newest price before the session that set it.

    Strikes are set in every 21st session of the calendar, whatever data there are, so that the age never depends on
    where history starts; `month` counts them. Null moneyness: no bar is as old as the strike.
    """
    rows = whole_bars(bars).join(
        _places(), left_on="event_date", right_on="session", how="inner", maintain_order="left"
    )
    following = pl.col("place") + 1
    rows = with_volatility(rows, {"vol_yz_5": WEEK}).with_columns(month=following // TENOR)
    strikes = rows.select(before="place", strike="adj_close").set_sorted("before")
    rows = rows.with_columns(set_after=pl.col("month") * TENOR - 1).set_sorted("set_after")
    found = rows.join_asof(strikes, left_on="set_after", right_on="before", strategy="backward")
    moneyness = (pl.col("adj_close") / pl.col("strike")).log()
    return found.select(*STAMPS, "obs", "month", moneyness.alias("log_moneyness"), "vol_yz_5")


def tails(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a session from the first known bar of GLD on."""

    def compute(bars: pl.DataFrame) -> pl.DataFrame:
        return shortfalls(bars, sessions)

    return with_prefix(by_symbol(pit, [GOLD], sessions, compute).drop("symbol"), "gld")


def shortfalls(rows: pl.DataFrame, sessions: pl.DataFrame) -> pl.DataFrame:
    """Expected shortfall of each bar that a session can read, over the median of its last year."""
    losses = -np.diff(rows["adj_close"].log().to_numpy())
    found = np.full(rows.height, np.nan)
    start = max(first_read(rows, sessions) - YEAR + 1, LOSSES)  # a year of fits before the first bar read
    if start < rows.height:
        windows = sliding_window_view(losses, LOSSES)[start - LOSSES :]
        found[start:] = tail.tail_expected_shortfall(tail.fit_tail(windows, EXCEEDANCES), CONFIDENCE)
    shortfall = pl.Series("es_99", found, nan_to_null=True)
    rows = rows.select(*STAMPS, "obs", shortfall)
    usual = pl.col("es_99").rolling_median(YEAR, min_samples=YEAR)
    return rows.with_columns(es_99_ratio=pl.when(usual > 0.0).then(pl.col("es_99") / usual))


FEATURES = (
    Feature("range_volatility", ("prices",), term_structure),
    Feature("straddle", ("prices", "macro"), straddle),
    Feature("tail", ("prices",), tails),
)
