"""Several histories read at each session in one pass: maths on the newest values known, only where a session looks.

For families with many columns: what is read stays in arrays until the table is put together. No table lives here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

from qgtm_core import calendar
from qgtm_core.features.windows import Bars, Grid, Instants, WindowMaths, newest_known, pieces
from qgtm_core.schemas.spec import INSTANT
from qgtm_core.strategies.spec import STALENESS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Columns = Mapping[str, Floats]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Legs on whose common days the maths works."""

    legs: tuple[str, ...]
    maths: WindowMaths


@dataclass(frozen=True, slots=True)
class Read:
    """What sessions read: place of each among the sessions asked, number and stamps of its newest bar, columns."""

    place: Ints
    obs: Ints
    event_at: Instants
    available_at: Instants
    columns: Columns

    def health(self, prefix: str = "") -> list[pl.Series]:
        """`<prefix>obs, <prefix>event_at, <prefix>available_at`."""
        return [
            pl.Series(f"{prefix}obs", self.obs, dtype=pl.Int32),
            pl.Series(f"{prefix}event_at", self.event_at.view(np.int64)).cast(INSTANT),
            pl.Series(f"{prefix}available_at", self.available_at.view(np.int64)).cast(INSTANT),
        ]


def read_each(legs: Sequence[pl.DataFrame], wanted: Mapping[str, Wanted], sessions: pl.DataFrame) -> dict[str, Read]:
    """Read at each session the newest bar and its maths for each name; nothing before its first known bar.

    `legs` are frames of `windows.leg`; their histories are laid out once for all names.
    """
    names = list(dict.fromkeys(leg for item in wanted.values() for leg in item.legs))
    parts: dict[str, list[Read]] = {name: [] for name in wanted}
    before = 0
    for days, view in pieces(pl.concat(legs), sessions):
        grid, asked = Grid(view, names), days["session"].to_numpy()
        for name, item in wanted.items():
            parts[name].append(_read(grid.align(item.legs), item.maths, asked, before))
        before += len(asked)
    return {name: found[0] if len(found) == 1 else _joined(found) for name, found in parts.items()}


def _read(bars: Bars, maths: WindowMaths, asked: Instants, before: int) -> Read:
    newest = newest_known(bars.session, asked)
    there = np.flatnonzero(newest >= 0)
    at = newest[there]
    ends, inverse = np.unique(at, return_inverse=True)
    columns = {name: values[inverse] for name, values in maths(bars, ends).items()}
    return Read(there + before, at + 1, bars.event_at[at], bars.available_at[at], columns)


def _joined(parts: Sequence[Read]) -> Read:
    return Read(
        np.concatenate([part.place for part in parts]),
        np.concatenate([part.obs for part in parts]),
        np.concatenate([part.event_at for part in parts]),
        np.concatenate([part.available_at for part in parts]),
        {name: np.concatenate([part.columns[name] for part in parts]) for name in parts[0].columns},
    )


def laid_out(read: Read, sessions: pl.DataFrame, staleness: str | None = None) -> dict[str, Floats]:
    """The columns on all sessions, NaN where there is none or the newest bar is older than its class allows."""
    out = {name: np.full(sessions.height, np.nan) for name in read.columns}
    young = np.ones(len(read.place), dtype=bool)
    if staleness is not None:
        every, decided_at = _decisions()
        decided = decided_at[np.searchsorted(every, sessions["session"].to_numpy()[read.place])]
        young = decided - read.available_at <= np.timedelta64(STALENESS[staleness])
    for name, values in read.columns.items():
        out[name][read.place[young]] = values[young]
    return out


@lru_cache(maxsize=1)
def _decisions() -> tuple[Instants, Instants]:
    """All sessions of the calendar and their decisions."""
    frame = calendar.schedule()
    return frame["session"].to_numpy(), frame["decided_at"].to_numpy()


def numbers(name: str, values: Floats) -> pl.Series:
    """A column of finite numbers; NaN becomes null."""
    return pl.Series(name, values, dtype=pl.Float64, nan_to_null=True)
