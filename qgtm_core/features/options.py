"""features/option_surface: implied volatilities of GLD and SLV by snapshot, and where they stand in their history.

A snapshot's numbers come from its own quotes; history is the snapshots of the last REACH sessions, so a live session
reads a year of chains, not twenty.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from qgtm_core import calendar
from qgtm_core.features.known import macro_rows
from qgtm_core.features.spec import Feature
from qgtm_core.features.variance_premium import GVZ
from qgtm_core.maths import surface, trailing
from qgtm_core.pit import as_of, break_sessions
from qgtm_core.schemas.pit import PIT_TABLES

UNDERLYINGS = ("GLD", "SLV")
REACH = 300  # sessions of snapshots that count as history: 252 of them may be needed
LONGEST_DAYS = 150  # to the expiries that may bracket 90 days
MONTH, QUARTER = 30, 90  # days
WRITTEN = (30, 45)  # days to expiry of the options that are written
HEDGED = (45, 75)  # days to expiry around the 60 of a collar
INDEX_AGE = dt.timedelta(days=5)  # of the volatility index at a snapshot
HALF_YEAR, YEAR = 126, 252  # snapshots
CHANGE = 10
_CHAIN_KEY = PIT_TABLES["options"].key
_QUOTES = (
    *surface.EXPIRY, "right", "strike", "bid", "ask", "iv", "delta", "underlying_price", "available_at", "session",
    "contract", "revision",
)  # fmt: skip
_POINTS = surface.POINTS


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a (session, underlying) with a snapshot in the last REACH sessions."""
    index = macro_rows(pit, GVZ)
    parts = []
    for days, chains in views(pit["options"], index, sessions, UNDERLYINGS):
        known = as_of(index, days["session"][-1], ("series_id", "event_date"))
        snapshots = _with_slope(_surface(*points_of(chains)), known)
        parts += [read_symbol(s, snapshots.filter(pl.col("underlying") == s), days) for s in UNDERLYINGS]
    return pl.concat(parts)


def views(
    options: pl.DataFrame, index: pl.DataFrame, sessions: pl.DataFrame, symbols: tuple[str, ...], reach: int = REACH
) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Split the sessions where known chains or index values were rewritten; yield them with the chains then known."""
    since = calendar.offset_session(sessions["session"][0], -reach)
    midnight = dt.datetime.combine(since + dt.timedelta(days=1), dt.time(), calendar.NEW_YORK)
    oldest = midnight.astimezone(calendar.UTC)
    rows = options.lazy().filter((pl.col("event_at") >= oldest) & pl.col("underlying").is_in(symbols))
    near = (pl.col("expiry") - pl.col("event_at").dt.date()) <= pl.duration(days=LONGEST_DAYS)
    known = rows.filter(near).select(_QUOTES).collect()
    cuts: set[int] = set()
    if sessions.height > 1:
        breaks = [break_sessions(known.rename({"event_at": "at"}), ("underlying", "at"), "at")["session"]]
        breaks.append(break_sessions(index, ("series_id", "event_date"))["session"])
        cuts = {int(i) for b in breaks for i in sessions["session"].search_sorted(b.unique().sort(), side="left")}
    for start, stop in pairwise(sorted({0, sessions.height, *cuts})):
        days = sessions.slice(start, stop - start)
        yield days, as_of(known, days["session"][-1], _CHAIN_KEY)


def points_of(view: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the snapshots `underlying, event_at, available_at, session, underlying_price` and their expiries."""
    snapshots = view.group_by(surface.CHAIN).agg(
        pl.col("available_at", "session").max(), pl.col("underlying_price").max()
    )
    expiries = surface.with_days(surface.expiry_points(view))
    return snapshots.sort(surface.CHAIN), expiries


def read_symbol(symbol: str, snapshots: pl.DataFrame, sessions: pl.DataFrame) -> pl.DataFrame:
    """Features of one underlying at each session from its own snapshots, oldest first."""
    readers = places(sessions["session"])
    columns: dict[str, pl.Series] = {}
    for prefix, value, names in _SERIES:
        there = snapshots[value].is_finite().fill_null(value=False)
        usable = snapshots.filter(there)
        past = history_of(usable, usable[value].to_numpy(), readers)
        columns |= _newest(usable, past, prefix, names) | _history(past, value)
    rows = pl.DataFrame([s.alias(name) for name, s in columns.items()])
    rows = rows.with_columns(pl.col(c).fill_nan(None) for c, d in rows.schema.items() if d.is_float())
    keyed = pl.concat([sessions.select("session"), rows], how="horizontal").with_columns(symbol=pl.lit(symbol))
    return keyed.filter(pl.col("chain_obs") > 0)


# prefix of the health columns, the measure that makes a snapshot usable, the columns read off the newest of them
_SERIES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("chain_", "expiries", ("underlying_price", "expiries", "days_30_45", "quotes_30_45", "days_60", "quotes_60")),
    ("iv_30_", "iv_30", ("iv_30",)),
    ("skew_", "skew", ("rr_30", "bf_30", "skew", "skew_quotes")),
    ("iv_90_", "iv_90", ("iv_90",)),
    ("slope_", "slope_90", ("slope_90",)),
)


def _surface(snapshots: pl.DataFrame, expiries: pl.DataFrame) -> pl.DataFrame:
    """Add each snapshot's own numbers."""
    month = surface.constant_maturity(expiries, MONTH, ("atm",), ("atm",)).drop("near", "far")
    wings = surface.constant_maturity(expiries, MONTH, _POINTS, _POINTS)
    far = surface.constant_maturity(expiries, QUARTER, ("atm",), ("atm",)).drop("near", "far")
    call, put, atm = pl.col("call_25"), pl.col("put_25"), pl.col("atm")
    wings = wings.join(_shares(wings, expiries), on=surface.CHAIN, how="left").select(
        *surface.CHAIN,
        "skew_quotes",
        rr_30=call - put,
        bf_30=(call + put) * 0.5 - atm,
        skew=(call - put) / atm,
    )
    priced = expiries.filter(pl.col("atm").is_finite()).group_by(surface.CHAIN).agg(expiries=pl.len().cast(pl.Float64))
    frames = (
        priced,
        month.rename({"atm": "iv_30"}),
        wings,
        far.rename({"atm": "iv_90"}),
        _chosen(expiries, WRITTEN, "days_30_45", "quotes_30_45"),
        _chosen(expiries, HEDGED, "days_60", "quotes_60"),
    )
    for frame in frames:
        snapshots = snapshots.join(frame, on=surface.CHAIN, how="left", maintain_order="left")
    return snapshots


def _shares(wings: pl.DataFrame, expiries: pl.DataFrame) -> pl.DataFrame:
    """Share of the quotes of the one or two bracketing expiries that pass the filter."""
    sides = pl.concat([wings.select(*surface.CHAIN, days=side) for side in ("near", "far")]).unique()
    held = sides.join(expiries, on=[*surface.CHAIN, "days"], how="inner").group_by(surface.CHAIN)
    return held.agg(skew_quotes=pl.col("passed").sum() / pl.col("quotes").sum())


def _chosen(expiries: pl.DataFrame, window: tuple[int, int], days: str, share: str) -> pl.DataFrame:
    """The usable expiry nearest the middle of a window of days, the nearer of two equals."""
    best = surface.nearest_expiry(expiries, *window)
    return best.select(*surface.CHAIN, pl.col("days").alias(days), (pl.col("passed") / pl.col("quotes")).alias(share))


def _with_slope(snapshots: pl.DataFrame, index: pl.DataFrame) -> pl.DataFrame:
    """Add `slope_90`: 90-day volatility in points less the newest index value known at the snapshot's decision."""
    known = (
        index.filter(pl.col("value").is_finite()).sort("event_date").select("session", gvz="value", day="event_date")
    )
    known = known.unique("session", keep="last", maintain_order=True).sort("session")
    ordered = snapshots.sort("session", "event_at").join_asof(known, on="session", strategy="backward")
    fresh = (pl.col("session") - pl.col("day")) <= INDEX_AGE
    slope = pl.when(fresh).then(pl.col("iv_90") * 100.0 - pl.col("gvz"))
    return ordered.with_columns(slope_90=slope).drop("gvz", "day").sort(surface.CHAIN)


def places(days: pl.Series) -> NDArray[np.int64]:
    """Places of sessions in the exchange calendar."""
    return calendar.schedule()["session"].search_sorted(days, side="left").to_numpy().astype(np.int64)


def history_of(
    snapshots: pl.DataFrame, values: NDArray[np.float64], readers: NDArray[np.int64], reach: int = REACH
) -> trailing.Trailing:
    """What readers see of snapshots in event order: those of the last `reach` sessions, once all of one is known."""
    about = places(snapshots.select(surface.NEW_YORK_DAY)["event_at"])
    return trailing.Trailing.read(values, about, places(snapshots["session"]), readers, reach)


def _newest(usable: pl.DataFrame, past: trailing.Trailing, prefix: str, names: tuple[str, ...]) -> dict[str, pl.Series]:
    """Health and plain columns of the newest usable snapshot of each reader."""
    seen = past.counts > 0
    row = pl.Series(np.where(seen, past.ends - 1, 0)).set(pl.Series(~seen), None)
    obs = pl.Series(past.counts, dtype=pl.Int32).set(pl.Series(~seen), None)
    read = (
        usable.select("event_at", "available_at", *names)[row]
        if usable.height
        else usable.clear().select("event_at", "available_at", *names).clear(len(seen))
    )
    stamps = {f"{prefix}{name}": read[name] for name in ("event_at", "available_at")}
    return {f"{prefix}obs": obs, **stamps, **{name: read[name] for name in names}}


def _history(past: trailing.Trailing, value: str) -> dict[str, pl.Series]:
    """Where the newest value stands among those before it."""
    if value == "iv_30":
        return {"iv_30_rank_252": pl.Series(trailing.range_rank(past.last(YEAR)))}
    if value == "skew":
        changes = trailing.change_z(past.last(HALF_YEAR + CHANGE), CHANGE)
        return {"skew_zchg_10": pl.Series(changes), "skew_z_126": pl.Series(trailing.zscore(past.last(HALF_YEAR)))}
    if value == "slope_90":
        return {"slope_z_126": pl.Series(trailing.zscore(past.last(HALF_YEAR)))}
    return {}


FEATURES = (Feature("option_surface", ("options", "macro"), compute),)
