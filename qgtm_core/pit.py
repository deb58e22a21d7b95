"""Point-in-time reading: what was known at a decision, and whole-column features that respect it.

A row's `session` is the first session whose decision can see it, so `session <= t` is `available_at <= decision(t)`.
Cleaning of raw rows is in `qgtm_core.quarantine`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise

import polars as pl

from qgtm_core.quarantine import normalise
from qgtm_core.schemas.pit import PIT_TABLES

__all__ = ["AsOfView", "as_of", "cut", "normalise", "observe", "point_in_time", "segments", "segments_of"]

Compute = Callable[[pl.DataFrame], pl.DataFrame]


def cut(frame: pl.DataFrame, known_at: dt.datetime | dt.date) -> pl.DataFrame:
    """Rows known at a decision instant, or at the decision of a session; all revisions, order kept."""
    if isinstance(known_at, dt.datetime):
        return frame.filter(pl.col("available_at") <= known_at)
    newest = frame["session"].max()
    if isinstance(newest, dt.date) and newest <= known_at and not frame["session"].null_count():
        return frame  # all of it is known
    return frame.filter(pl.col("session") <= known_at)


def as_of(frame: pl.DataFrame, known_at: dt.datetime | dt.date, key: Sequence[str]) -> pl.DataFrame:
    """M1: per business key the newest revision known at an instant or at the decision of a session.

    Returns the columns of `frame`; rows of one key were settled by `available_at`, then `revision`.
    """
    known = cut(frame, known_at)
    if known.is_empty() or known["revision"].max() == 0:
        return known  # a key and a revision are unique together, so nothing was revised
    return known.sort("available_at", "revision", maintain_order=True).unique(
        list(key), keep="last", maintain_order=True
    )


class AsOfView:
    """PIT tables as they stood at one decision.

    Rows with `available_at > decided_at` are dropped when the view is made and are not held anywhere in it, so no
    method can return one.
    """

    __slots__ = ("_tables", "decided_at")

    def __init__(self, tables: Mapping[str, pl.DataFrame], decided_at: dt.datetime) -> None:
        self.decided_at = decided_at
        self._tables = {name: cut(frame, decided_at) for name, frame in tables.items()}

    @property
    def names(self) -> tuple[str, ...]:
        """Tables in the view."""
        return tuple(self._tables)

    def vintages(self, name: str) -> pl.DataFrame:
        """Every revision known at the decision."""
        return self._tables[name]

    def table(self, name: str) -> pl.DataFrame:
        """One row a business key: its newest revision known at the decision."""
        return as_of(self._tables[name], self.decided_at, PIT_TABLES[name].key)

    def newest(self, name: str, by: Sequence[str] = ()) -> pl.DataFrame:
        """The row with the newest `event_at`, for each group of `by`."""
        rows = self.table(name).sort("event_at", "available_at", maintain_order=True)
        return rows.unique(list(by), keep="last", maintain_order=True) if by else rows.tail(1)


def break_sessions(frame: pl.DataFrame, key: Sequence[str], order: str = "event_date") -> pl.DataFrame:
    """Sessions at which a group's known history changed other than by newer observations: `<group...>, session`.

    A group is the key without `order`. Any row that arrives at or before the newest order value known from earlier
    sessions revises a known key or fills an earlier gap.
    """
    group = [name for name in key if name != order]
    if not group and _only_grows(frame, order):
        return frame.clear().select("session")
    arrivals = frame.group_by(*group, "session").agg(_low=pl.col(order).min(), _high=pl.col(order).max())
    newest_before = pl.col("_high").cum_max().shift(1)
    arrivals = arrivals.sort(*group, "session").with_columns(
        _before=newest_before.over(group) if group else newest_before
    )
    return arrivals.filter(pl.col("_low") <= pl.col("_before")).select(*group, "session")


def _only_grows(frame: pl.DataFrame, order: str) -> bool:
    """Whether the rows of one group, as they stand, are newer observations one after the other; cheap to tell."""
    newer = frame[order].is_sorted() and frame[order].n_unique() == frame.height
    return newer and frame["session"].is_sorted()


def segments(
    frame: pl.DataFrame, key: Sequence[str], sessions: pl.DataFrame, order: str = "event_date"
) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Split `sessions` where known history is rewritten; yield `(slice of sessions, view at its last session)`.

    Within a slice history only grows by newer observations, so a causal whole-column computation over the view, read
    at each session, equals one made afresh at each session. Without revisions there is one slice.
    """
    for days, views in segments_of([frame], key, sessions, order):
        yield days, views[0]


def segments_of(
    frames: Sequence[pl.DataFrame], key: Sequence[str], sessions: pl.DataFrame, order: str = "event_date"
) -> Iterator[tuple[pl.DataFrame, list[pl.DataFrame]]]:
    """`segments` of several frames of the same key at once: a slice ends where any of them is rewritten."""
    if sessions.is_empty():
        return
    days = sessions["session"]
    cuts: set[int] = set()
    if len(days) > 1:  # one session sees one history, however it came about
        for frame in frames:
            breaks = break_sessions(cut(frame, days[-1]), key, order)["session"].unique().sort()
            cuts |= {int(index) for index in days.search_sorted(breaks, side="left")}
    edges = sorted({0, len(days), *cuts})
    for start, stop in pairwise(edges):
        yield sessions.slice(start, stop - start), [as_of(frame, days[stop - 1], key) for frame in frames]


def observe(sessions: pl.DataFrame, observations: pl.DataFrame, group: Sequence[str] = ()) -> pl.DataFrame:
    """Read at each session the newest observation known: `session, <group...>, <other columns>`.

    `observations` carry `session` (when known) and are in event order within a group. No row before the first one.
    """
    if sessions.is_empty() or observations.is_empty():
        return observations.clear().select("session", *group, pl.exclude("session", *group))
    first = sessions["session"][0]
    if sessions.height == 1:
        known = observations.filter(pl.col("session") <= first)
        newest = known.unique(list(group), keep="last", maintain_order=True) if group else known.tail(1)
        return newest.with_columns(session=pl.lit(first)).select("session", *group, pl.exclude("session", *group))
    # what was known before the slice counts as known at its start, whatever order it had arrived in
    known = observations.with_columns(pl.max_horizontal("session", pl.lit(first))).unique(
        ["session", *group], keep="last", maintain_order=True
    )
    days = sessions.select("session")
    if not group:
        read = days.join_asof(known.with_columns(_known=True), on="session", strategy="backward")
    else:
        grid = known.select(group).unique(maintain_order=True).join(days, how="cross")
        read = grid.join_asof(
            known.with_columns(_known=True), on="session", by=list(group), strategy="backward", check_sortedness=False
        )
    return read.filter(pl.col("_known")).select("session", *group, pl.exclude("session", "_known", *group))


def point_in_time(
    frame: pl.DataFrame,
    key: Sequence[str],
    sessions: pl.DataFrame,
    compute: Compute,
    *,
    order: str = "event_date",
    together: bool = False,
) -> pl.DataFrame:
    """Run a causal whole-column `compute` so that each session sees exactly what was known at its decision.

    `compute(view)` returns observations (see `observe`) with the group columns, or without them when the groups are
    computed `together` (the legs of a pair). Groups never revised inside the range are computed at once; each revised
    group once a segment.
    """
    group = [] if together else [name for name in key if name != order]
    if sessions.is_empty():
        return observe(sessions, compute(frame.clear()), group)
    frame = cut(frame, sessions["session"][-1])
    chunks = _chunks(frame, key, group, sessions, order)
    return pl.concat(
        observe(days, compute(view), group) for chunk in chunks for days, view in segments(chunk, key, sessions, order)
    )


def _chunks(
    frame: pl.DataFrame, key: Sequence[str], group: Sequence[str], sessions: pl.DataFrame, order: str
) -> list[pl.DataFrame]:
    """All steady groups in one frame, then one frame a group that was revised inside the range."""
    if not group or sessions.height == 1:
        return [frame]
    revised = break_sessions(frame, key, order).filter(pl.col("session") > sessions["session"][0])
    if revised.is_empty():
        return [frame]
    names = revised.select(group).unique(maintain_order=True)
    steady = frame.join(names, on=group, how="anti", maintain_order="left")
    return [
        steady,
        *(frame.join(name, on=group, how="semi", maintain_order="left") for name in names.iter_slices(1)),
    ]
