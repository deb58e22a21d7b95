"""Windows over series of several sources on their common days: aligned, stacked and read at each session.

For computations on whole windows, such as regressions: only the windows that a session reads are computed, each on its
own, so one live session costs one window and a long range gives the same bits. No table lives here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from qgtm_core import calendar
from qgtm_core.features.common import STAMPS
from qgtm_core.features.known import price_rows
from qgtm_core.maths.regression import FloatArray, IntArray, in_chunks
from qgtm_core.pit import as_of, break_sessions
from qgtm_core.schemas.spec import INSTANT

Instants = NDArray[np.datetime64]
Flags = NDArray[np.bool_]

LEG_KEY = ("leg", "event_date")
_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True, slots=True)
class Bars:
    """Days on which some legs have values, oldest first: day, stamps of the latest leg, one array a leg.

    NaN = an optional leg lacks the day.
    """

    day: Instants
    session: Instants
    event_at: Instants
    available_at: Instants
    values: Mapping[str, FloatArray]

    def keep(self, days: Flags) -> Bars:
        """The days that are true, and no others."""
        stamps = (self.day[days], self.session[days], self.event_at[days], self.available_at[days])
        return Bars(*stamps, {name: values[days] for name, values in self.values.items()})

    def adding(self, values: Mapping[str, FloatArray]) -> Bars:
        """The same with further arrays."""
        return replace(self, values={**self.values, **values})


# (bars, positions of the newest bars) -> column -> one value a position, NaN = cannot be computed
WindowMaths = Callable[[Bars, IntArray], Mapping[str, FloatArray]]
Pieces = Iterator[tuple[pl.DataFrame, pl.DataFrame]]  # (sessions, view) of each segment


def leg(rows: pl.DataFrame, name: str, value: str, *, positive: bool = True) -> pl.DataFrame:
    """One source of a window: PIT rows as `leg, event_date, value` with their stamps and revisions.

    Values that are not finite, or not positive where they must be, become null; their days do not count.
    """
    return _legs(rows, pl.lit(name), value, positive=positive)


def price_legs(pit: Mapping[str, pl.DataFrame], symbols: Sequence[str]) -> pl.DataFrame:
    """One leg a symbol: its adjusted closes."""
    return _legs(price_rows(pit, *symbols), pl.col("symbol"), "adj_close", positive=True)


def _legs(rows: pl.DataFrame, name: pl.Expr, value: str, *, positive: bool) -> pl.DataFrame:
    number = pl.col(value).cast(pl.Float64)
    usable = number.is_finite() & (number > 0.0) if positive else number.is_finite()
    return rows.select(
        name.alias("leg"), "event_date", pl.when(usable).then(number).alias("value"), *STAMPS, "revision"
    )


class Grid:
    """A view of legs laid out by leg and calendar day: one scatter, from which any of them are aligned cheaply."""

    __slots__ = ("_columns", "_first", "_place", "_row")

    def __init__(self, view: pl.DataFrame, names: Sequence[str]) -> None:
        usable = view.filter(pl.col("value").is_not_null())
        day = usable["event_date"].to_numpy()
        self._first = day.min() if len(day) else np.datetime64(calendar.FIRST_SESSION)
        self._place = {name: row for row, name in enumerate(names)}
        cell = usable["leg"].cast(pl.Enum(names)).to_physical().to_numpy(), (day - self._first).astype(np.intp)
        self._row = np.full((len(names), int(cell[1].max(initial=-1)) + 1), -1, dtype=np.int32)
        self._row[cell] = np.arange(len(day))
        # the last entry of each column, row -1, is that of a leg without the day
        never, nothing = np.datetime64("NaT", "us"), np.array([np.nan])
        stamps = [np.append(usable[name].to_numpy().astype("M8[us]"), never) for name in STAMPS]
        self._columns = (*stamps, np.append(usable["value"].to_numpy(), nothing))

    def align(self, required: Sequence[str], optional: Sequence[str] = ()) -> Bars:
        """Days on which every required leg has a value."""
        legs = self._row[[self._place[name] for name in (*required, *optional)]]
        days = np.flatnonzero((legs[: len(required)] >= 0).all(axis=0))
        rows = legs[:, days]
        session, event_at, available_at = (np.fmax.reduce(column[rows], axis=0) for column in self._columns[:3])
        values = dict(zip((*required, *optional), self._columns[3][rows], strict=True))
        return Bars(self._first + days * _DAY, session.astype("M8[D]"), event_at, available_at, values)


def pieces(rows: pl.DataFrame, sessions: pl.DataFrame, *, joint: bool = False) -> Pieces:
    """`segments` of legs, without reading all of history to find what was rewritten in a short range.

    `joint` begins one as well where a leg arrives later than another of its day: needed where a day counts without one
    of its legs, for its value changes when that leg arrives.
    """
    days = sessions["session"]
    cuts: set[int] = set()
    if len(days) > 1:  # one session sees one history, however it came about
        key = LEG_KEY[1:] if joint else LEG_KEY
        known = rows.filter(pl.col("session") <= days[0]).group_by("leg").agg(pl.col("event_date").max())
        since = rows.filter(pl.col("session").is_between(days[0], days[-1], closed="right"))
        arrivals = [known.with_columns(session=days[0]), since.select("leg", "event_date", "session")]
        breaks = break_sessions(pl.concat(arrivals).select(*key, "session"), key)["session"].unique().sort()
        cuts = {int(index) for index in days.search_sorted(breaks, side="left")}
    for start, stop in pairwise(sorted({0, len(days), *cuts})):
        yield sessions.slice(start, stop - start), as_of(rows, days[stop - 1], LEG_KEY)


def newest_known(known: Instants, days: Instants) -> IntArray:
    """Position of the newest observation known at each day of a segment; -1 = none.

    `known` holds the sessions at which the observations became known, in event order. What was known before the
    segment counts as known at its start, whatever order it had arrived in.
    """
    return np.searchsorted(np.maximum(known, days[0]), days, side="right") - 1


def read_windows(history: Pieces, prepare: Callable[[pl.DataFrame], Bars], maths: WindowMaths) -> pl.DataFrame:
    """Read at each session the newest bar and the maths of the window that ends there: `session`, health, columns.

    `prepare(view)` makes the bars of a segment; `obs` counts them. No row before the first known bar.
    """
    parts = []
    for days, view in history:
        bars, asked = prepare(view), days["session"].to_numpy()
        newest = newest_known(bars.session, asked)
        ends, inverse = np.unique(newest[newest >= 0], return_inverse=True)
        at = ends[inverse]
        columns = [numbers(name, values[inverse]) for name, values in maths(bars, ends).items()]
        parts.append(pl.DataFrame([pl.Series("session", asked[newest >= 0]), *health_of(bars, at), *columns]))
    return pl.concat(parts)


def read_legs(
    legs: Sequence[pl.DataFrame], names: Sequence[str], sessions: pl.DataFrame, maths: WindowMaths
) -> pl.DataFrame:
    """`read_windows` of legs that all must be there."""
    rows = pl.concat(legs)
    return read_windows(pieces(rows, sessions), lambda view: Grid(view, names).align(names), maths)


def full_windows(
    ends: IntArray, width: int, names: Sequence[str], function: Callable[[IntArray], FloatArray]
) -> dict[str, FloatArray]:
    """Columns of a function of window ends; NaN where fewer than `width` bars stand."""
    out = np.full((len(ends), len(names)), np.nan)
    full = ends >= width - 1
    out[full] = in_chunks(function, ends[full], len(names))
    return {name: out[:, number] for number, name in enumerate(names)}


def health_of(bars: Bars, at: IntArray) -> list[pl.Series]:
    """`obs, event_at, available_at` of the bars at some positions."""
    obs = pl.Series("obs", at + 1, dtype=pl.Int32)
    return [obs, instants("event_at", bars.event_at[at]), instants("available_at", bars.available_at[at])]


def instants(name: str, values: Instants) -> pl.Series:
    """A column of UTC instants."""
    return pl.Series(name, values.astype("M8[us]")).dt.replace_time_zone("UTC").cast(INSTANT)


def numbers(name: str, values: FloatArray) -> pl.Series:
    """A column of numbers, null where they are not finite."""
    return pl.Series(name, np.where(np.isfinite(values), values, np.nan), dtype=pl.Float64).fill_nan(None)
