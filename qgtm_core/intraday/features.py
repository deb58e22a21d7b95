"""The bar features of the intraday sleeve, read at its ticks. Declared in `qgtm_core.schemas.intraday`.

Every value belongs to one bar and is made from a fixed window of bars up to it, or from the bars of its session: a
tick asked for alone and a whole history give the same bits. The first bar of a session has no return: the gap over
night is not the sleeve's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import polars as pl

from qgtm_core import publication
from qgtm_core.features.common import first_read
from qgtm_core.intraday.bars import (
    STAMPS,
    common,
    counted,
    opens_day,
    read_at_ticks,
    regular_bars,
    seen_from,
    tick_instants,
    usable,
)
from qgtm_core.maths import windows
from qgtm_core.pit import point_in_time
from qgtm_core.schemas.intraday import INTRADAY_FEATURES
from qgtm_core.schemas.pit import PIT_TABLES

Pit = Mapping[str, pl.DataFrame]

BAR_KEY = ("symbol", "interval", "start")
SESSION_MINUTES = 390.0
SESSION_BARS = 78  # 5-minute bars of a full session
SESSIONS_A_YEAR = 252.0
RATIO_WINDOW = 130
DEVIATION_WINDOW = 78
VWAP_CHANGE_BARS = 12
RESIDUAL_WINDOW, RESIDUAL_SUM = 260, 3
ERROR_WINDOW = 60
STRIKE_AT = (10, 0)  # New York
MID_AT = (9, 59)  # New York


def compute_intraday(table: str, pit: Pit, days: pl.DataFrame) -> pl.DataFrame:
    """Rows of one table of INTRADAY_FEATURES at the ticks `days` (`session, decided_at, close_at`, oldest first).

    `pit` holds the known history of the table's sources (an absent one counts as empty). Ticks before the first known
    bar have no row.
    """
    declared = INTRADAY_FEATURES[table]
    sources = {name: pit[name] if name in pit else PIT_TABLES[name].empty() for name in SOURCES[table]}
    rows = days.select("session", "decided_at").join(
        _COMPUTE[table](sources, days), on="decided_at", how="inner", maintain_order="left"
    )
    return declared.conform(rows.select(list(declared.dtypes)))


def _ratio(pit: Pit, days: pl.DataFrame) -> pl.DataFrame:
    def compute(view: pl.DataFrame) -> pl.DataFrame:
        both = counted(common(view, "GLD", "SLV"))
        moves = both.select(pl.when(~opens_day()).then((pl.col("a") / pl.col("b")).log().diff()).otherwise(0.0))
        chosen = windows.windows(moves.to_series().to_numpy(), RATIO_WINDOW, first_read(both, tick_instants(days)))
        z = windows.at_ends(windows.path_z(chosen), both.height)
        return both.select(*STAMPS, "obs", z_130=_column(z))

    return read_at_ticks(regular_bars(pit["bars_intraday"], ("GLD", "SLV"), "15m", days), BAR_KEY, days, compute)


def _vwap(pit: Pit, days: pl.DataFrame) -> pl.DataFrame:
    def compute(view: pl.DataFrame) -> pl.DataFrame:
        bars = counted(usable(view, "GLD", "vwap", "volume"))
        value, volume = (pl.col("vwap") * pl.col("volume")).cum_sum(), pl.col("volume").cum_sum()
        rows = bars.with_columns(
            vwap=pl.when(volume.over("day") > 0).then(value.over("day") / volume.over("day")),
            session_bars=pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over("day"),
        ).with_columns(
            since=pl.coalesce(pl.col("vwap").shift(VWAP_CHANGE_BARS), pl.col("vwap").drop_nulls().first()).over("day")
        )
        deviation = rows.select((pl.col("close") / pl.col("vwap")).log()).to_series().to_numpy()
        chosen = windows.windows(deviation, DEVIATION_WINDOW, first_read(rows, tick_instants(days)))
        sd = windows.at_ends(windows.sample_sd(chosen), rows.height)
        return rows.select(
            *STAMPS,
            "obs",
            "close",
            "vwap",
            "session_bars",
            deviation_sd_78=_column(sd),
            vwap_change_12=(pl.col("vwap") / pl.col("since")).log(),
        )

    return read_at_ticks(regular_bars(pit["bars_intraday"], ("GLD",), "5m", days), BAR_KEY, days, compute)


def _gamma(pit: Pit, days: pl.DataFrame) -> pl.DataFrame:
    def compute(view: pl.DataFrame) -> pl.DataFrame:
        bars = counted(usable(view, "GLD"))
        square = pl.when(~opens_day()).then((pl.col("close").log().diff()) ** 2)
        minutes = (pl.col("close_at") - pl.col("event_at")).dt.total_seconds() * (1.0 / 60.0)
        rows = bars.with_columns(
            square=square,
            session_bars=pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over("day"),
            struck=pl.when(pl.col("event_at") == _new_york("day", *STRIKE_AT)).then("close"),
        )
        squares, returns = pl.col("square").fill_null(0.0).cum_sum().over("day"), pl.col("session_bars") - 1
        mean = pl.when(returns > 0).then(squares / returns)
        return rows.select(
            *STAMPS,
            "obs",
            "close",
            "session_bars",
            strike=pl.col("struck").forward_fill().over("day"),
            years_left=(1.0 + minutes * (1.0 / SESSION_MINUTES)) * (1.0 / SESSIONS_A_YEAR),
            realised_vol=(SESSIONS_A_YEAR * SESSION_BARS * mean).sqrt(),
        )

    found = read_at_ticks(regular_bars(pit["bars_intraday"], ("GLD",), "5m", days), BAR_KEY, days, compute)
    # the first tick of a day before its first bar still reads the bar of the day before: its strike is not today's
    return found.join(_gvz(pit["macro"], days), on="decided_at", how="full", coalesce=True)


def _gvz(macro: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    """The newest known close of implied gold volatility: `decided_at, gvz, gvz_obs, gvz_event_at, gvz_available_at`."""
    rows = seen_from(macro.filter(pl.col("series_id") == "GVZCLS"), days)

    def compute(view: pl.DataFrame) -> pl.DataFrame:
        known = counted(view.filter(pl.col("value").is_finite() & (pl.col("value") > 0)).sort("event_date"))
        return known.select("session", gvz="value", gvz_obs="obs", gvz_event_at="event_at", gvz_available_at="known_at")

    found = point_in_time(
        rows, ("series_id", "event_date"), tick_instants(days), compute, order="event_date", together=True
    )
    return found.rename({"session": "decided_at"})


def _miners(pit: Pit, days: pl.DataFrame) -> pl.DataFrame:
    def compute(view: pl.DataFrame) -> pl.DataFrame:
        both = counted(common(view, "GDX", "GLD"))
        first = first_read(both, tick_instants(days))
        returns = both.select(
            pl.when(~opens_day()).then(pl.col(name).log().diff()).otherwise(0.0).alias(name) for name in ("a", "b")
        )
        y, x = (windows.windows(returns[name].to_numpy(), RESIDUAL_WINDOW, first) for name in ("a", "b"))
        beta = windows.slope(x, y)
        residual = y - beta[:, None] * x
        z = residual[:, -RESIDUAL_SUM:].sum(axis=1) / (np.sqrt(RESIDUAL_SUM) * windows.sample_sd(residual))
        columns = {"beta_260": beta, "z_3": z}
        ends = {name: _column(windows.at_ends(values, both.height)) for name, values in columns.items()}
        return both.select(*STAMPS, "obs", **ends)

    return read_at_ticks(regular_bars(pit["bars_intraday"], ("GDX", "GLD"), "30m", days), BAR_KEY, days, compute)


def _fix(pit: Pit, days: pl.DataFrame) -> pl.DataFrame:
    minute = regular_bars(pit["bars_intraday"], ("GLD",), "1m", days)

    def newest(view: pl.DataFrame) -> pl.DataFrame:
        return counted(usable(view, "GLD")).select(*STAMPS, "obs")

    return (
        read_at_ticks(minute, BAR_KEY, days, newest)
        .join(_prints(pit, minute, days), on="decided_at", how="full", coalesce=True)
        .join(days.select("session", "decided_at"), on="decided_at", how="inner")
        .with_columns(
            pl.when(pl.col("print_day") == pl.col("session")).then(name).alias(name)
            for name in ("print_usd_oz", "mid_usd", "oz_per_share", "error_sd_60")
        )
        .drop("session", "print_day")
    )


def _prints(pit: Pit, minute: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    """The newest licensed PM print with the fund's price before it: the values of `fix_print` by tick."""
    licensed = pit["licensed_fixes"].filter((pl.col("metal") == "gold") & (pl.col("fix") == "PM"))
    before = minute.filter(pl.col("event_at") == _new_york("day", *MID_AT)).sort("revision")
    mids = usable(before.unique("day", keep="first", maintain_order=True), "GLD").select(
        event_date="day", mid="close", mid_seen="session", mid_known="known_at"
    )
    held = pit["flows"].filter((pl.col("symbol") == "GLD") & (pl.col("oz_per_share") > 0)).sort("available_at")
    terms = held.select("available_at", "oz_per_share").unique("available_at", keep="last", maintain_order=True)
    fixed = licensed.sort("available_at").join_asof(terms, on="available_at", strategy="backward")
    rows = seen_from(fixed, days).drop("day")

    def compute(view: pl.DataFrame) -> pl.DataFrame:
        known = counted(view.join(mids, on="event_date", how="inner").drop_nulls("oz_per_share").sort("event_date"))
        error = (pl.col("usd_per_oz") / (pl.col("mid") / pl.col("oz_per_share"))).log()
        errors = known.select(error).to_series().to_numpy()
        sd = windows.sample_sd(windows.windows(errors, ERROR_WINDOW, first_read(known, tick_instants(days))))
        return known.select(
            "oz_per_share",
            session=pl.max_horizontal("session", "mid_seen"),
            print_day="event_date",
            print_usd_oz="usd_per_oz",
            mid_usd="mid",
            error_sd_60=_column(windows.at_ends(sd, known.height)),
            fix_obs="obs",
            fix_event_at="event_at",
            fix_available_at=pl.max_horizontal("known_at", "mid_known"),
        )

    key = ("metal", "fix", "event_date")
    found = point_in_time(rows, key, tick_instants(days), compute, order="event_date", together=True)
    return found.rename({"session": "decided_at"})


def _column(values: np.ndarray) -> pl.Series:
    return pl.Series(values, dtype=pl.Float64).fill_nan(None)


def _new_york(day: str, hour: int, minute: int) -> pl.Expr:
    return publication.at(pl.col(day), hour, minute)


Computation = Callable[[Pit, pl.DataFrame], pl.DataFrame]
_COMPUTE: Mapping[str, Computation] = {
    "ratio_15m": _ratio, "vwap_5m": _vwap, "gamma_5m": _gamma, "miners_30m": _miners, "fix_print": _fix,
}  # fmt: skip
SOURCES: Mapping[str, tuple[str, ...]] = {
    "ratio_15m": ("bars_intraday",),
    "vwap_5m": ("bars_intraday",),
    "gamma_5m": ("bars_intraday", "macro"),
    "miners_30m": ("bars_intraday",),
    "fix_print": ("licensed_fixes", "bars_intraday", "flows"),
}
