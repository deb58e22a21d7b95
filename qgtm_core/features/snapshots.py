"""Snapshots of option chains as arrays: the points of their expiries, their stamps and who sees them.

`pit/option_points` holds what each snapshot's quotes come to, so a live session reads a dozen rows a snapshot. No
table lives here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from qgtm_core import calendar
from qgtm_core.features.windows import Instants
from qgtm_core.maths.surface import NEW_YORK_DAY, Smiles
from qgtm_core.maths.trailing import Trailing
from qgtm_core.pit import break_sessions, cut

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

LONGEST_DAYS = 150  # to the expiries that may bracket 90 days


@dataclass(frozen=True, slots=True)
class Snapshots:
    """Snapshots of one underlying, oldest first; `expiry, quotes, passed` go with the rows of `smiles`."""

    smiles: Smiles
    expiry: Instants
    quotes: Ints
    passed: Ints
    event_at: Instants
    available_at: Instants  # when all of it was known
    session: Instants
    underlying_price: Floats  # USD
    about: Ints  # place in the calendar of the New York day
    known: Ints  # and of the session

    @classmethod
    def of(cls, points: pl.DataFrame) -> Snapshots:
        """From rows of `option_points` of one underlying, of which the fullest delivery of an expiry counts.

        Of two equally full ones it is the newer: a chain that came again replaces the first, a few late quotes do not.
        """
        rows = points.sort("event_at", "expiry", "quotes", "session")
        at, expiry = (rows[name].to_numpy() for name in ("event_at", "expiry"))
        best = np.append((at[1:] != at[:-1]) | (expiry[1:] != expiry[:-1]), np.ones(min(len(at), 1), dtype=bool))
        if not best.all():
            rows, at, expiry = rows.filter(best), at[best], expiry[best]
        starts = np.flatnonzero(np.diff(at, prepend=np.datetime64(0, "us")) != np.timedelta64(0, "us"))
        each = rows.select("event_at", day=NEW_YORK_DAY)[starts]
        day = each["day"].to_numpy()
        ahead = (expiry - np.repeat(day, np.diff(starts, append=rows.height))).astype(np.int64)
        available_at, session, price = (
            _highest(rows[name].to_numpy(), starts) for name in ("available_at", "session", "underlying_price")
        )
        return cls(
            Smiles.of(rows, starts, ahead),
            expiry,
            rows["quotes"].to_numpy(),
            rows["passed"].to_numpy(),
            each["event_at"].to_numpy(),
            available_at,
            session,
            price,
            places(day),
            places(session),
        )

    def seen(self, usable: Flags, values: Floats, readers: Ints, reach: int) -> tuple[Trailing, Ints]:
        """What readers see of the usable snapshots of the last `reach` sessions, once all of one is known.

        `values` has one a snapshot. The second is the newest snapshot that each sees, -1 = none.
        """
        rows = np.flatnonzero(usable)
        past = Trailing.read(values[rows], self.about[rows], self.known[rows], readers, reach)
        return past, np.where(past.counts > 0, np.append(rows, -1)[past.ends - 1], -1)


def _highest(values: NDArray[Any], starts: Ints) -> NDArray[Any]:
    """The highest value of each snapshot."""
    return np.maximum.reduceat(values, starts) if len(values) else values


def views(
    points: pl.DataFrame, symbol: str, sessions: pl.DataFrame, reach: int
) -> Iterator[tuple[pl.DataFrame, Snapshots]]:
    """Split the sessions where known snapshots were rewritten; yield them with the snapshots then known."""
    since = calendar.offset_session(sessions["session"][0], -reach)
    midnight = dt.datetime.combine(since + dt.timedelta(days=1), dt.time(), calendar.NEW_YORK)
    near = (pl.col("expiry") - pl.col("event_at").dt.date()) <= pl.duration(days=LONGEST_DAYS)
    recent = pl.col("event_at") >= midnight.astimezone(calendar.UTC)
    known = points.filter((pl.col("underlying") == symbol) & recent & near)
    cuts: set[int] = set()
    if sessions.height > 1:
        breaks = break_sessions(known, ("event_at",), "event_at")["session"].unique().sort()
        cuts = {int(i) for i in sessions["session"].search_sorted(breaks, side="left")}
    for start, stop in pairwise(sorted({0, sessions.height, *cuts})):
        days = sessions.slice(start, stop - start)
        yield days, Snapshots.of(cut(known, days["session"][-1]))


def places(days: Instants) -> Ints:
    """Places of days in the exchange calendar: of the session itself or the next one."""
    return np.searchsorted(calendar.schedule()["session"].to_numpy(), days)


def table(columns: Mapping[str, NDArray[Any]], whole: Sequence[str]) -> pl.DataFrame:
    """A frame of arrays: NaN and NaT become null, instants are UTC, the columns `whole` are counts."""
    frame = pl.DataFrame([pl.Series(name, values, nan_to_null=True) for name, values in columns.items()])
    stamps = [name for name, dtype in frame.schema.items() if dtype == pl.Datetime]
    return frame.with_columns(pl.col(stamps).dt.replace_time_zone("UTC"), pl.col(whole).cast(pl.Int32))
