"""Trades of a day replayed tick by tick from flat, so that state is never stored: the day's bars give it again.

Cubes are (sessions, ticks, legs); NaN = not usable at that tick or no such tick. All sessions advance together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from qgtm_core.intraday.clock import MAX_ENTRIES

Cube = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Places:
    """Where the rows of a panel lie in a cube. A panel is sorted by session and tick; each tick has every leg."""

    session: NDArray[np.intp]
    tick: NDArray[np.intp]
    leg: NDArray[np.intp]
    shape: tuple[int, int, int]

    @classmethod
    def of(cls, panel: pl.DataFrame) -> Places:
        """Places of the rows of a panel with `session` and `tick`."""
        session = panel["session"].rle_id().to_numpy().astype(np.intp)
        tick = panel["tick"].to_numpy().astype(np.intp)
        legs = int((panel["decided_at"] == panel["decided_at"][0]).sum()) if panel.height else 1
        leg = np.arange(panel.height, dtype=np.intp) % legs
        return cls(session, tick, leg, (int(session.max(initial=-1)) + 1, int(tick.max(initial=-1)) + 1, legs))

    def cube(self, values: pl.Series) -> Cube:
        """A column as a cube; null and absent ticks as NaN."""
        out = np.full(self.shape, np.nan)
        out[self.session, self.tick, self.leg] = values.cast(pl.Float64).fill_null(np.nan).to_numpy()
        return out

    def flat(self, name: str, cube: Cube) -> pl.Series:
        """A cube as a column of the panel; NaN as null."""
        return pl.Series(name, cube[self.session, self.tick, self.leg], dtype=pl.Float64).fill_nan(None)


def trades(
    z: Cube,
    may_enter: Cube,
    may_hold: Cube,
    *,
    enter: float,
    leave: float,
    stop: float = np.inf,
    hold_ticks: int = 1_000,
    entries: int = MAX_ENTRIES,
) -> Cube:
    """Return the side (+1, 0, -1) against z at every tick, each session from flat.

    Enter the side -sign(z) at |z| >= enter; leave at |z| <= leave or when z changes sign; at |z| >= stop go flat and
    stay so until |z| <= leave. A trade also ends after `hold_ticks`, at a tick without a usable z and where nothing may
    be held. After its time is up a trade needs a fresh crossing: |z| < enter comes first. At most `entries` a session.
    """
    side, held = np.zeros(z[:, 0].shape), np.zeros(z[:, 0].shape)
    taken = np.zeros_like(side)
    stopped, spent = np.zeros(side.shape, dtype=bool), np.zeros(side.shape, dtype=bool)
    out = np.zeros_like(z)
    for tick in range(z.shape[1]):
        now = z[:, tick]
        known = np.isfinite(now)
        size, against = np.where(known, np.abs(now), 0.0), np.where(known, -np.sign(now), 0.0)
        stopped = np.where(known, np.where(size <= leave, False, stopped | (size >= stop)), stopped)
        spent = np.where(known & (size < enter), False, spent)
        held = np.where(side != 0.0, held + 1, 0.0)
        due = (side != 0.0) & (held >= hold_ticks)
        ends = due | ~known | (size <= leave) | (side * against < 0.0) | stopped | (may_hold[:, tick] != 1.0)
        spent = spent | (due & (size >= enter))
        side = np.where(ends, 0.0, side)
        free = (side == 0.0) & (may_enter[:, tick] == 1.0) & (may_hold[:, tick] == 1.0) & (taken < entries)
        begins = free & known & (size >= enter) & (size > leave) & ~stopped & ~spent
        side = np.where(begins, against, side)
        taken, held = taken + begins, np.where(begins, 0.0, held)
        out[:, tick] = side
    return out


def hedged(raw: Cube, may_enter: Cube, may_hold: Cube, *, step: float, entries: int = MAX_ENTRIES) -> Cube:
    """Return the score held when only moves of at least `step` are followed, each session from flat.

    The first move away from flat is an entry. NaN = nothing to hold: the position ends there, and the next is another.
    """
    held, inside = np.zeros(raw[:, 0].shape), np.zeros(raw[:, 0].shape, dtype=bool)
    taken = np.zeros_like(held)
    out = np.zeros_like(raw)
    for tick in range(raw.shape[1]):
        now = raw[:, tick]
        known = np.isfinite(now) & (may_hold[:, tick] == 1.0)
        inside = inside & known
        begins = known & ~inside & (np.abs(now) >= step) & (may_enter[:, tick] == 1.0) & (taken < entries)
        follows = begins | (inside & (np.abs(now - held) >= step))
        held = np.where(follows, now, np.where(inside, held, 0.0))
        inside, taken = inside | begins, taken + begins
        out[:, tick] = held
    return out
