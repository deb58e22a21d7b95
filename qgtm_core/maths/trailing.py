"""Statistics of the last n usable observations at many places, each from its own copy of them.

Rolling sums carry the rounding of all that went before; these do not, so history may be cut to the window.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qgtm_core.maths.statistics import MIN_SD, filled

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Trailing:
    """Usable observations, and for each reader where its own begin and end: it sees `values[begin:end]`."""

    values: FloatArray
    begins: IntArray
    ends: IntArray

    @classmethod
    def read(cls, values: FloatArray, about: IntArray, known: IntArray, readers: IntArray, reach: int) -> Trailing:
        """Readers at places of a calendar see what is about the last `reach` places, their own included, and known.

        `about` and `known` are the places that each observation is about and at which it became known; observations
        are in the order of `about`. One that came late keeps those after it waiting.
        """
        arrived = np.maximum.accumulate(known) if known.size else known
        ends = np.searchsorted(arrived, readers, side="right")
        return cls(values, np.minimum(np.searchsorted(about, readers - reach, side="right"), ends), ends)

    @property
    def counts(self) -> IntArray:
        """Observations each reader sees."""
        return self.ends - self.begins

    def last(self, n: int) -> FloatArray:
        """The last n observations of each reader, oldest first, shape (readers, n); NaN where there are fewer."""
        if not self.values.size:
            return np.full((len(self.ends), n), np.nan)
        places = self.ends[:, None] - n + np.arange(n)
        seen = places >= self.begins[:, None]
        return np.where(seen, self.values[np.where(seen, places, 0)], np.nan)


def zscore(window: FloatArray) -> FloatArray:
    """M2 of the newest value of each row against the row; NaN below 0.8 of it or without variance."""
    there = np.isfinite(window)
    count = there.sum(axis=1)
    mean = np.where(there, window, 0.0).sum(axis=1) / np.maximum(count, 1)
    squares = (np.where(there, window - mean[:, None], 0.0) ** 2).sum(axis=1)
    sd = np.sqrt(squares / np.maximum(count - 1, 1))
    sound = (count >= filled(window.shape[1])) & (sd > MIN_SD)
    return np.where(sound, (window[:, -1] - mean) / np.where(sound, sd, 1.0), np.nan)


def change_z(window: FloatArray, k: int) -> FloatArray:
    """M3: newest k-step change over the root mean square of all of a row's; the row holds k more than the window."""
    change = window[:, k:] - window[:, :-k]
    there = np.isfinite(change)
    count = there.sum(axis=1)
    rms = np.sqrt((np.where(there, change, 0.0) ** 2).sum(axis=1) / np.maximum(count, 1))
    sound = (count >= filled(change.shape[1])) & (rms > MIN_SD)
    return np.where(sound, change[:, -1] / np.where(sound, rms, 1.0), np.nan)


def range_rank(window: FloatArray) -> FloatArray:
    """Place of the newest value between the lowest (0) and the highest (1) of its row; NaN below 0.8 of it."""
    there = np.isfinite(window)
    low = np.where(there, window, np.inf).min(axis=1)
    high = np.where(there, window, -np.inf).max(axis=1)
    sound = (there.sum(axis=1) >= filled(window.shape[1])) & (high > low) & there[:, -1]
    return np.where(sound, (window[:, -1] - low) / np.where(sound, high - low, 1.0), np.nan)
