"""Other histories than the one that happened: the future taken away after a session, or spoilt. Pure and repeatable.

A row belongs to the future of a session when its `session`, the first one whose decision can see it, is later.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import polars as pl

from qgtm_core import calendar
from qgtm_core.features.known import OWNER
from qgtm_core.pit import cut
from qgtm_core.schemas.spec import Table

FALSE_REVISION = 9_999
SEED = 20_240_628
WIDE_HOLE = 2.5  # times the usual distance between two observations
WEEKDAYS = (3, 2, 4, 1, 5)  # a week stamped at its start shows in mid-week only

Frames = dict[str, pl.DataFrame]
Change = Callable[[Table, pl.DataFrame, np.random.Generator], pl.DataFrame]


def cut_sessions(
    first: dt.date, last: dt.date, count: int, pit: Mapping[str, pl.DataFrame] | None = None
) -> list[dt.date]:
    """Sessions of first..last after which the future is changed, oldest first; never the last one.

    They are spread evenly and over the weekdays; with `pit` a quarter of them (of two or more, at least one) lies in
    the widest holes of its histories, because a hole filled from behind shows nowhere else.
    """
    days = calendar.schedule(first, last)["session"].to_list()[:-1]
    if not days:
        return []
    holes = _holes(pit or {}, days)[: max(count // 4, 1) if count > 1 else 0]
    places = np.linspace(0, len(days) - 1, max(count - len(holes), 1) + 2)[1:-1]
    spread = [_weekday(days, round(place), WEEKDAYS[i % len(WEEKDAYS)]) for i, place in enumerate(places)]
    return sorted({*holes, *spread})


def _weekday(days: Sequence[dt.date], place: int, weekday: int) -> dt.date:
    """The nearest session on a weekday, or the one at the place itself where none is near."""
    near = [i for i in range(max(place - 4, 0), min(place + 5, len(days))) if days[i].isoweekday() == weekday]
    return days[min(near, key=lambda i: abs(i - place), default=place)]


def _holes(pit: Mapping[str, pl.DataFrame], days: Sequence[dt.date]) -> list[dt.date]:
    """A session in the middle of each wide hole between two observations of one history, the widest first."""
    found: dict[dt.date, float] = {}
    for name, owner in OWNER.items():
        if name not in pit:
            continue
        seen = pit[name].select("event_date", owner).unique().sort(owner, "event_date")
        gaps = seen.with_columns(_days=pl.col("event_date").diff().dt.total_days().over(owner))
        wide = gaps.with_columns(_times=pl.col("_days") / pl.col("_days").median().over(owner)).filter(
            (pl.col("_times") >= WIDE_HOLE) & pl.col("event_date").is_between(days[0], days[-1])
        )
        for end, length, times in wide.select("event_date", "_days", "_times").iter_rows():
            middle = calendar.session_on_or_after(end - dt.timedelta(days=length // 2))
            if days[0] <= middle <= days[-1]:
                found[middle] = max(found.get(middle, 0.0), times)
    return sorted(found, key=lambda day: (-found[day], day))


def truncated(frames: Mapping[str, pl.DataFrame], session: dt.date) -> Frames:
    """Every frame without the rows of later sessions."""
    return {name: cut(frame, session) for name, frame in frames.items()}


def spoilt(tables: Mapping[str, Table], frames: Mapping[str, pl.DataFrame], session: dt.date) -> Frames:
    """Every frame with its future spoilt by noise."""
    return {name: spoil(tables[name], frame, session) for name, frame in frames.items()}


def shuffled(tables: Mapping[str, Table], frames: Mapping[str, pl.DataFrame], session: dt.date) -> Frames:
    """Every frame with the values of its future exchanged between rows: false, but nothing a gate would hold back."""
    return {name: spoil(tables[name], frame, session, _shuffle) for name, frame in frames.items()}


def spoil(table: Table, frame: pl.DataFrame, session: dt.date, change: Change | None = None) -> pl.DataFrame:
    """Noise in place of all that became known after the session, and a false revision of all that was known."""
    change = change or _noise
    known, future = cut(frame, session), frame.filter(pl.col("session") > session)
    later = calendar.next_session(session)
    false = known.with_columns(
        session=pl.lit(later),
        available_at=pl.lit(calendar.decision_time(later)),
        revision=pl.lit(FALSE_REVISION, dtype=frame.schema["revision"]),
    ).unique(list(table.key), keep="last", maintain_order=True)
    random = np.random.default_rng(SEED + session.toordinal())
    return pl.concat([known, change(table, future, random), change(table, false, random)], rechunk=True)


def _shuffle(table: Table, frame: pl.DataFrame, random: np.random.Generator) -> pl.DataFrame:
    """The same rows with the measurements of others, whole rows of them."""
    columns = [name for name in table.columns if name not in table.key and name != "revision"]
    return frame.with_columns(frame.select(columns)[random.permutation(frame.height)]) if columns else frame


def _noise(table: Table, frame: pl.DataFrame, random: np.random.Generator) -> pl.DataFrame:
    """The same rows with noise in every number that is no key."""
    columns = [name for name in table.columns if name not in table.key and name != "revision"]
    return frame.with_columns(
        _noise_like(frame[name], random, nullable=table.columns[name].nullable)
        for name in columns
        if frame.schema[name].is_numeric()
    )


def _noise_like(column: pl.Series, random: np.random.Generator, *, nullable: bool) -> pl.Series:
    if column.dtype.is_integer():
        return pl.Series(column.name, random.integers(-100, 100, len(column))).cast(column.dtype, strict=False)
    wild = random.lognormal(0.0, 5.0, len(column)) * random.choice(
        [-1.0, 1.0, np.inf], len(column), p=[0.3, 0.69, 0.01]
    )
    found = pl.Series(column.name, wild).cast(column.dtype)
    if not nullable:
        return found
    return pl.select(pl.when(pl.Series(random.random(len(column)) > 0.1)).then(found)).to_series().alias(column.name)


def too_early(frame: pl.DataFrame) -> pl.DataFrame:
    """Every row known, wrongly, one session before it was: a leak that any comparison must see."""
    before = calendar.schedule().select(
        "session", _before=pl.col("session").shift(1), _decided=pl.col("decided_at").shift(1)
    )
    moved = frame.join(before, on="session", how="inner", maintain_order="left").with_columns(
        session="_before", available_at=pl.min_horizontal("available_at", "_decided")
    )
    return moved.drop_nulls("session").select(frame.columns)
