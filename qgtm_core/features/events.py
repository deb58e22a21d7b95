"""features/events: scheduled announcements of the next session and how gold moved into earlier ones."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from qgtm_core import calendar
from qgtm_core.features.bars import session_bars
from qgtm_core.features.common import PRICE_KEY, STAMPS, with_prefix
from qgtm_core.features.known import price_rows
from qgtm_core.features.spec import Feature
from qgtm_core.pit import point_in_time, segments
from qgtm_core.schemas.features.events import KINDS

Days = NDArray[np.datetime64]
Places = NDArray[np.int64]

GOLD = "GLD"
KEY = ("kind", "event_date")
AHEAD = dt.timedelta(days=35)  # schedules must reach this far
LONGEST_GAP_DAYS = {"fomc": 60, "cpi": 50, "nfp": 50}  # between two dates of a kind; more means one is missing
EVER = 100_000  # bars: a window that never ends


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a session from the first known bar of GLD on; only dates scheduled ahead and known by then count."""
    dates = scheduled(pit["fomc"], pit["events"])
    of_kind = {kind: dates.filter(pl.col("kind") == kind) for kind in KINDS}
    rows = _history(of_kind, price_rows(pit, GOLD), sessions)
    for kind in KINDS:
        rows = rows.join(_ahead(of_kind[kind], kind, sessions), on="session", how="left", maintain_order="left")
    known = [pl.col(f"_available_{kind}") for kind in KINDS]
    every_kind = pl.all_horizontal(column.is_not_null() for column in known)
    return rows.with_columns(
        *(pl.col(f"{kind}_next").fill_null(value=False) for kind in KINDS),
        covered=pl.all_horizontal(pl.col(f"_covered_{kind}").fill_null(value=False) for kind in KINDS),
        schedule_available_at=pl.when(every_kind).then(pl.max_horizontal(known)),
    )


def scheduled(fomc: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """`kind, event_date, traded_on, before, session, available_at, revision`: schedule rows, a day of a kind once.

    `event_date` is the New York day; `traded_on` the first session from then on (payrolls come on Good Fridays) and
    `before` the session before that.
    """
    ahead = pl.col("stage") == "schedule"
    kind = pl.col("category").str.to_lowercase()
    stamps = ("event_date", "session", "available_at", "revision")
    releases = events.filter(ahead & pl.col("category").is_in(["CPI", "NFP"]) & pl.col("event_at").is_not_null())
    day = pl.col("event_at").dt.convert_time_zone("America/New_York").dt.date()
    rows = pl.concat(
        [
            fomc.filter(ahead).select(*stamps, kind=pl.lit("fomc")),
            releases.with_columns(event_date=day).select(*stamps, kind=kind),
        ]
    )
    # many lines of one release share its day; the first to be known announces it
    first = rows.filter(pl.col("event_date").is_not_null()).sort("available_at", "revision")
    first = first.unique(KEY, keep="first", maintain_order=True)
    index = calendar.schedule().select(traded_on="session", before=pl.col("session").shift(1))
    return first.sort("event_date").join_asof(
        index, left_on="event_date", right_on="traded_on", strategy="forward", check_sortedness=False
    )


def _ahead(dates: pl.DataFrame, kind: str, sessions: pl.DataFrame) -> pl.DataFrame:
    """Whether the next session holds an event, whether the schedule reaches far enough, and when it was known."""
    parts = [_read_schedule(view.sort("event_date"), kind, days) for days, view in segments(dates, KEY, sessions)]
    return pl.concat(parts)


def _read_schedule(view: pl.DataFrame, kind: str, sessions: pl.DataFrame) -> pl.DataFrame:
    """The same for sessions at which the known dates are the oldest ones of the view."""
    today = sessions["session"].to_numpy()
    known = np.searchsorted(np.maximum.accumulate(view["session"].to_numpy()), today, side="right")
    days = sessions.with_columns(pl.Series("_known", known)).filter(pl.col("_known") > 0)
    today, newest = days["session"].to_numpy(), days["_known"].to_numpy() - 1
    if days.is_empty():
        newest = np.zeros(0, dtype=np.int64)
    coming = np.searchsorted(view["traded_on"].to_numpy(), today, side="right")
    eve = view["before"].to_numpy()
    is_eve = (coming <= newest) & (eve[np.minimum(coming, newest)] == today)
    arrived = view["available_at"].cum_max()
    return days.select(
        "session",
        pl.Series(f"{kind}_next", is_eve, dtype=pl.Boolean),
        pl.Series(f"_covered_{kind}", _covered(view["event_date"].to_numpy(), kind, today, newest), dtype=pl.Boolean),
        arrived.gather(newest).alias(f"_available_{kind}"),
    )


def _covered(dates: Days, kind: str, today: Days, newest: Places) -> NDArray[np.bool_]:
    """True where known dates reach 35 days ahead and none between is missing.

    The Federal Reserve publishes whole years, so its schedule reaches to the end of the year of the newest date.
    """
    reach = dates[newest]
    if kind == "fomc":
        reach = (reach.astype("datetime64[Y]") + 1).astype("datetime64[D]") - 1
    holes = np.concatenate([[0], np.cumsum(np.diff(dates) > np.timedelta64(LONGEST_GAP_DAYS[kind], "D"))])
    last = np.searchsorted(dates, today, side="right") - 1
    there = np.minimum(np.searchsorted(dates, today + np.timedelta64(AHEAD), side="left"), newest)
    whole = holes[np.maximum(there, 0)] == holes[np.clip(last, 0, newest)]
    covered: NDArray[np.bool_] = (reach >= today + np.timedelta64(AHEAD)) & whole & (last >= 0)
    return covered


def _history(of_kind: Mapping[str, pl.DataFrame], bars: pl.DataFrame, sessions: pl.DataFrame) -> pl.DataFrame:
    """Number, mean and deviation of gold's returns over the sessions of past events, by kind, and gold's health.

    The return is that of the one session a position is held: from the close of the session before the event to the
    close of the event's own session.
    """
    in_time = {k: d.filter(pl.col("session") <= pl.col("before"))["traded_on"].implode() for k, d in of_kind.items()}

    def moves(view: pl.DataFrame) -> pl.DataFrame:
        columns: dict[str, pl.Expr] = {}
        for kind, days in in_time.items():
            move = pl.when(pl.col("event_date").is_in(days)).then("return_1s")
            columns |= {
                f"{kind}_n": move.cum_count().cast(pl.Float64),
                f"{kind}_mean": move.rolling_mean(EVER, min_samples=1),
                f"{kind}_sd": move.rolling_std(EVER, min_samples=2),
            }
        return session_bars(view).select(*STAMPS, "obs", symbol=pl.lit(GOLD), **columns)

    return with_prefix(point_in_time(bars, PRICE_KEY, sessions, moves).drop("symbol"), "gld")


FEATURES = (Feature("events", ("prices", "fomc", "events"), compute),)
