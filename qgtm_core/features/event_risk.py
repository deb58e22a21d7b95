"""features/event_risk: sessions until scheduled events, how gold moved on earlier ones and what options expect."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from qgtm_core import calendar
from qgtm_core.features.common import HEALTH, PRICE_KEY, STAMPS, one_price, with_prefix
from qgtm_core.features.events import scheduled
from qgtm_core.features.known import price_rows
from qgtm_core.features.options import history_of, places, points_of, views
from qgtm_core.features.spec import Feature
from qgtm_core.maths import surface
from qgtm_core.pit import point_in_time

GOLD = "GLD"
KINDS = ("fomc", "cpi", "nfp")  # on one day the first of them counts
AHEAD_DAYS = 35  # schedules must reach this far
BASE_DAYS = 90
REACH = 60  # sessions back to the newest snapshot; an older one is as good as none
_NONE = np.iinfo(np.int32).max
Places = NDArray[np.int64]


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a session from the first on at which dates of every kind are known."""
    dates = scheduled(pit["fomc"], pit["events"]).filter(pl.col("traded_on").is_not_null())
    rows = _distances(dates, sessions)
    moves = pl.concat([_moves(dates, kind, price_rows(pit, GOLD), sessions) for kind in KINDS])
    rows = rows.join(moves, on=["session", "event"], how="left", maintain_order="left")
    rows = rows.join(_implied(pit["options"], rows), on="session", how="left", maintain_order="left")
    return rows.filter(pl.col("events_available_at").is_not_null())


def _distances(dates: pl.DataFrame, sessions: pl.DataFrame) -> pl.DataFrame:
    """Sessions to the next date of each kind, whether the schedules reach far enough and when they became known."""
    readers = places(sessions["session"])
    columns, reaching, known_at = {}, [], []
    for kind in KINDS:
        of_kind = dates.filter(pl.col("kind") == kind).sort("session", "event_date")
        known = places(of_kind["session"])
        coming = _next_place(places(of_kind["traded_on"]), known, readers)
        columns[f"sessions_to_{kind}"] = pl.Series(np.where(coming == _NONE, _NONE, coming - readers), dtype=pl.Int32)
        newest = pl.Series(np.searchsorted(known, readers, side="right") - 1)
        newest = newest.set(newest < 0, None)
        reach = of_kind["event_date"].cum_max()
        reach = _year_end(reach) if kind == "fomc" else reach
        reaching.append(reach.gather(newest).alias(kind))
        known_at.append(of_kind["available_at"].cum_max().gather(newest).alias(kind))
    needed = sessions["session"] + dt.timedelta(days=AHEAD_DAYS)
    covered = pl.DataFrame(reaching).select(
        covered=pl.all_horizontal((pl.col(kind) >= needed).fill_null(value=False) for kind in KINDS)
    )
    arrived = pl.DataFrame(known_at).select(
        events_available_at=pl.when(pl.all_horizontal(pl.col(kind).is_not_null() for kind in KINDS)).then(
            pl.max_horizontal(KINDS)
        )
    )
    rows = pl.concat([sessions.select("session"), pl.DataFrame(columns), covered, arrived], how="horizontal")
    return _nearest(rows)


def _year_end(days: pl.Series) -> pl.Series:
    """The Federal Reserve publishes whole years."""
    return days.dt.truncate("1y").dt.offset_by("1y").dt.offset_by("-1d")


def _next_place(dates: Places, known: Places, readers: Places) -> Places:
    """Place of the first date after each reader among those known to it; `_NONE` where there is none."""
    if not readers.size:
        return readers
    low, high = int(readers[0]), int(readers[-1]) + 1
    coming = np.full(high - low, _NONE, dtype=np.int64)
    for i in np.argsort(-dates, kind="stable"):  # later dates first: a nearer one is written over them
        if dates[i] > low:
            coming[max(int(known[i]), low) - low : int(dates[i]) - low] = dates[i]
    return coming[readers - low]


def _nearest(rows: pl.DataFrame) -> pl.DataFrame:
    """Add which event comes first; unknown distances become null."""
    distance = {kind: pl.col(f"sessions_to_{kind}") for kind in KINDS}
    rows = rows.with_columns(pl.when(d != _NONE).then(d).alias(f"sessions_to_{k}") for k, d in distance.items())
    nearest = pl.min_horizontal(distance.values())
    which = pl.coalesce(pl.when(d == nearest).then(pl.lit(kind)) for kind, d in distance.items())
    return rows.with_columns(sessions_to_event=nearest, event=which)


def _moves(dates: pl.DataFrame, kind: str, prices: pl.DataFrame, sessions: pl.DataFrame) -> pl.DataFrame:
    """`session, event, moves_…, event_move`: past sessions of a kind that was scheduled before them."""
    held = dates.filter((pl.col("kind") == kind) & (pl.col("session") <= pl.col("before")))
    held = held.unique("traded_on", keep="first").select("traded_on", "before")

    def occurrences(view: pl.DataFrame) -> pl.DataFrame:
        bars = one_price(view, GOLD, "price").with_columns(
            move=pl.col("price").log().diff().abs(), since=pl.col("event_date").shift(1)
        )
        past = bars.join(held, left_on="event_date", right_on="traded_on", how="inner", maintain_order="left")
        past = past.filter(pl.col("since") == pl.col("before"))
        count = pl.int_range(1, pl.len() + 1, dtype=pl.Int32)
        mean = pl.col("move").cum_sum() / count.cast(pl.Float64)
        return past.select(*STAMPS, obs=count, event_move=mean, symbol=pl.lit(GOLD))

    rows = prices.filter(pl.col("symbol") == GOLD)
    read = point_in_time(rows, PRICE_KEY, sessions, occurrences).with_columns(event=pl.lit(kind))
    bars = point_in_time(
        rows, PRICE_KEY, sessions, lambda view: one_price(view, GOLD).with_columns(symbol=pl.lit(GOLD))
    )
    # a past event stays past: how fresh the input is, is how fresh the bars are
    fresh = bars.select("session", "event_at", "available_at")
    return with_prefix(read.drop("symbol", "event_at", "available_at").join(fresh, on="session", how="left"), "moves")


def _implied(options: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """`session, chain_…, event_iv, event_iv_sessions, event_base_iv` from the newest snapshot of gold."""
    nothing = pl.DataFrame(schema={"series_id": pl.String, "event_date": pl.Date, "session": pl.Date})
    parts = [_read(view, days) for days, view in views(options, nothing, rows, (GOLD,), REACH)]
    return pl.concat(parts)


def _read(view: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    snapshots, expiries = points_of(view)
    expiries = expiries.filter(pl.col("atm").is_finite())
    snapshots = snapshots.join(expiries, on=surface.CHAIN, how="semi", maintain_order="left")
    readers = places(rows["session"])
    past = history_of(snapshots, np.zeros(snapshots.height), readers, REACH)
    seen = rows.with_columns(place=readers, row=past.ends - 1, obs=past.counts.astype(np.int32)).filter(past.counts > 0)
    newest = pl.concat([seen, snapshots.select("event_at", "available_at")[seen["row"]]], how="horizontal")
    far = surface.constant_maturity(expiries, BASE_DAYS, ("atm",), ("atm",)).select("event_at", iv_90="atm")
    last = expiries.select("event_at", "atm", expiry_place=pl.Series(_closing(expiries["expiry"])))
    each = newest.join(last, on="event_at", how="left", maintain_order="left_right")
    event, expiry = pl.col("place") + pl.col("sessions_to_event"), pl.col("expiry_place")
    after, before = expiry > event, (expiry < event) & (expiry > pl.col("place"))
    found = each.group_by("session", maintain_order=True).agg(
        pl.col("obs", "event_at", "available_at").first(),
        event_iv=pl.col("atm").filter(after).first(),
        event_iv_sessions=(expiry - pl.col("place")).filter(after).first().cast(pl.Int32),
        base=pl.col("atm").filter(before).last(),
    )
    found = found.join(far, on="event_at", how="left", maintain_order="left")
    return with_prefix(
        found.select("session", *HEALTH, "event_iv", "event_iv_sessions", event_base_iv=pl.coalesce("base", "iv_90")),
        "chain",
    )


def _closing(days: pl.Series) -> Places:
    """Place of the last session on or before each day: an expiry on a holiday trades until the session before."""
    return np.searchsorted(calendar.schedule()["session"].to_numpy(), days.to_numpy(), side="right") - 1


FEATURES = (Feature("event_risk", ("fomc", "events", "prices", "options"), compute),)
