"""features/range_volatility, straddle and tail: volatility from whole bars, and gold's modelled tail."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.lib.stride_tricks import sliding_window_view

from qgtm_core import calendar
from qgtm_core.features.common import (
    HEALTH,
    PRICE_KEY,
    STAMPS,
    first_read,
    macro_series,
    side_by_side,
    usable_prices,
    with_prefix,
)
from qgtm_core.features.spec import Feature
from qgtm_core.maths import ranges, tail
from qgtm_core.maths import statistics as stats
from qgtm_core.pit import point_in_time
from qgtm_core.schemas.features.range_volatility import CYCLICALS

GOLD = "GLD"
GVZ = "GVZCLS"
YEAR = 252
SHORT, LONG, WEEK = 10, 60, 5  # bars
TENOR = 21  # sessions a straddle lives
LOSSES, EXCEEDANCES = 1000, 50  # the threshold is the 95 % quantile
CONFIDENCE = 0.99
ANNUAL = float(stats.TRADING_DAYS)


def whole_bars(view: pl.DataFrame) -> pl.DataFrame:
    """Usable bars with finite open, high and low, on the total-return basis, with `obs` counted."""
    rows = usable_prices(view)
    scale = pl.col("adj_close") / pl.col("close")
    ohl = {name: pl.col(name) * scale for name in ("open", "high", "low")}
    rows = rows.filter(pl.all_horizontal(pl.col(name).is_finite() & (pl.col(name) > 0) for name in ohl))
    return rows.with_columns(**ohl, obs=pl.col("adj_close").cum_count().over("symbol").cast(pl.Int32))


def _yang_zhang(n: int) -> pl.Expr:
    variance = ranges.yang_zhang(pl.col("open"), pl.col("high"), pl.col("low"), pl.col("adj_close"), n)
    return (variance * ANNUAL).sqrt()


def term_structure(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a (session, symbol) from the symbol's first known whole bar on."""
    rows = pit["prices"].filter(pl.col("symbol").is_in(CYCLICALS))
    names = ("vol_yz_10", "vol_yz_60", "vol_yz_slope_z_252")
    return point_in_time(rows, PRICE_KEY, sessions, slopes).select("session", "symbol", *HEALTH, *names)


def slopes(view: pl.DataFrame) -> pl.DataFrame:
    """Short and long volatility of each bar, and the z-score of the logarithm of their ratio."""
    short, long = pl.col("vol_yz_10"), pl.col("vol_yz_60")
    rows = whole_bars(view).select(
        *STAMPS,
        "symbol",
        "obs",
        vol_yz_10=_yang_zhang(SHORT).over("symbol"),
        vol_yz_60=_yang_zhang(LONG).over("symbol"),
    )
    slope = pl.when((short > 0) & (long > 0)).then((short / long).log())
    return rows.with_columns(vol_yz_slope_z_252=stats.zscore(slope, YEAR).over("symbol"))


def straddle(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a session: the straddle's age and moneyness, gold's short volatility and the implied one."""
    bars = pit["prices"].filter(pl.col("symbol") == GOLD)
    gold = with_prefix(point_in_time(bars, PRICE_KEY, sessions, struck).drop("symbol"), "gld")
    return side_by_side([gold, macro_series(pit["macro"], GVZ, sessions, {"gvz": pl.col("value")}, "gvz")])


def struck(view: pl.DataFrame) -> pl.DataFrame:
    """Each bar against the strike in force: the newest price of the decision at which it was set.

    A bar is decided upon in the next session; strikes are set in every 21st session since 2000, whatever data there
    are, so that the age never depends on where history starts.
    """
    places = calendar.schedule().select("session").with_row_index("place").with_columns(pl.col("place").cast(pl.Int32))
    rows = whole_bars(view).join(places, left_on="event_date", right_on="session", how="inner", maintain_order="left")
    age = (pl.col("place") + 1) % TENOR
    rows = rows.with_columns(strike_age_sessions=age, struck_at=pl.col("place") - age, vol_yz_5=_yang_zhang(WEEK))
    strikes = rows.select(strike_place="place", strike="adj_close").with_columns(pl.col("strike_place").set_sorted())
    found = rows.sort("struck_at").join_asof(strikes, left_on="struck_at", right_on="strike_place", strategy="backward")
    moneyness = (pl.col("adj_close") / pl.col("strike")).log()
    return found.select(*STAMPS, "symbol", "obs", "strike_age_sessions", moneyness.alias("log_moneyness"), "vol_yz_5")


def tails(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a session from the first known bar of GLD on."""
    bars = pit["prices"].filter(pl.col("symbol") == GOLD)

    def compute(view: pl.DataFrame) -> pl.DataFrame:
        return shortfalls(view, sessions)

    return with_prefix(point_in_time(bars, PRICE_KEY, sessions, compute).drop("symbol"), "gld")


def shortfalls(view: pl.DataFrame, sessions: pl.DataFrame) -> pl.DataFrame:
    """Expected shortfall of each bar that a session can read, over the median of its last year."""
    rows = usable_prices(view)
    losses = -np.diff(rows["adj_close"].log().to_numpy())
    found = np.full(rows.height, np.nan)
    start = max(first_read(rows, sessions) - YEAR + 1, LOSSES)  # a year of fits before the first bar read
    if start < rows.height:
        windows = sliding_window_view(losses, LOSSES)[start - LOSSES :]
        found[start:] = tail.tail_expected_shortfall(tail.fit_tail(windows, EXCEEDANCES), CONFIDENCE)
    shortfall = pl.Series("es_99", found, nan_to_null=True)
    rows = rows.select(*STAMPS, "symbol", "obs", shortfall)
    usual = pl.col("es_99").rolling_median(YEAR, min_samples=YEAR)
    return rows.with_columns(es_99_ratio=pl.when(usual > 0.0).then(pl.col("es_99") / usual))


FEATURES = (
    Feature("range_volatility", ("prices",), term_structure),
    Feature("straddle", ("prices", "macro"), straddle),
    Feature("tail", ("prices",), tails),
)
