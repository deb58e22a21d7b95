"""features/formation: the distance method of Gatev, Goetzmann and Rouwenhorst (2006) within groups of metals.

A pair is formed at the first session of the month, from what was known then, and keeps that formation all month; only
its two first prices are read again as each session knows them, since a split rescales all prices before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from qgtm_core import calendar
from qgtm_core.features.spec import Feature
from qgtm_core.features.windows import Bars, Flags, Grid, Instants, instants, newest_known, numbers, pieces, price_legs
from qgtm_core.maths import regression
from qgtm_core.maths.regression import MACKINNON_2010, MIN_SD, FloatArray, IntArray, in_chunks
from qgtm_core.schemas.features.formation import FORMED_PAIRS

YEAR = 252  # common bars in a formation
MAX_AGE_DAYS = 5  # of the newest common bar when a pair is formed
ADF_5_PERCENT = MACKINNON_2010[2][1]
SYMBOLS = tuple(sorted({symbol for pair in FORMED_PAIRS for symbol in pair}))
_NAMES = {
    "pair": [f"{y}/{x}" for y, x in FORMED_PAIRS],
    "y": [y for y, _ in FORMED_PAIRS],
    "x": [x for _, x in FORMED_PAIRS],
}
_DAY = np.timedelta64(1, "D")
_MEASURES = 4  # distance, sd, half_life, adf


@dataclass(frozen=True, slots=True)
class Formations:
    """Formations by first session of the month and pair, (months, pairs); NaT and NaN where a pair was not formed."""

    months: Instants
    first_bar: Instants
    last_bar: Instants
    distance: FloatArray
    sd: FloatArray
    half_life: FloatArray
    adf: FloatArray

    @classmethod
    def none(cls, months: Instants) -> Formations:
        """Months without formations yet."""
        shape = (len(months), len(FORMED_PAIRS))
        days = [np.full(shape, np.datetime64("NaT"), dtype="M8[D]") for _ in range(2)]
        return cls(months, *days, *(np.full(shape, np.nan) for _ in range(_MEASURES)))

    def rank(self) -> FloatArray:
        """Place by distance, from 1, among the pairs of the month that are cointegrated at 5 %; NaN for the others."""
        eligible = (self.adf <= ADF_5_PERCENT) & (self.sd > MIN_SD)
        order = np.argsort(np.where(eligible, self.distance, np.inf), axis=1, kind="stable")
        return np.where(eligible, np.argsort(order, axis=1, kind="stable") + 1.0, np.nan)


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a (session, pair) from the pair's first common bar on; `y` is the left leg."""
    rows, asked = price_legs(pit, SYMBOLS), sessions["session"].to_numpy()
    months = first_sessions(asked)
    formed, parts = Formations.none(months), []
    # a formation comes before the sessions that read it, in the same segment or an earlier one
    for piece, view in pieces(rows, pl.DataFrame({"session": np.union1d(months, asked)})):
        days, grid = piece["session"].to_numpy(), Grid(view, SYMBOLS)
        pairs = [grid.align(pair) for pair in FORMED_PAIRS]
        form(pairs, days, formed)
        parts.append(read(pairs, days, np.isin(days, asked), formed))
    return pl.concat(parts)


def first_sessions(sessions: Instants) -> Instants:
    """First sessions of the months that `sessions` lie in."""
    days: Instants = calendar.schedule()["session"].to_numpy()
    month = days.astype("M8[M]")
    first = np.r_[True, month[1:] != month[:-1]]
    asked: Instants = days[first & np.isin(month, np.unique(sessions.astype("M8[M]")))]
    return asked


def form(pairs: Sequence[Bars], days: Instants, formed: Formations) -> None:
    """Enter the formations of the segment `days` into `formed`, each from the last year of common bars known then."""
    rows = np.flatnonzero(np.isin(formed.months, days))
    if not len(rows):
        return
    at = formed.months[rows]
    places, windows = [], []
    for pair, bars in enumerate(pairs):
        newest = newest_known(np.maximum(bars.session, days[0]), at)
        usable = newest >= YEAR - 1
        usable[usable] = at[usable] - bars.day[newest[usable]] <= MAX_AGE_DAYS * _DAY
        ends = newest[usable]
        if len(ends):
            formed.first_bar[rows[usable], pair] = bars.day[ends - (YEAR - 1)]
            formed.last_bar[rows[usable], pair] = bars.day[ends]
            places.append((rows[usable], np.full(len(ends), pair)))
            windows.append([regression.stack(price, ends, YEAR) for price in bars.values.values()])
    if places:
        row, pair_of = (np.concatenate(part) for part in zip(*places, strict=True))
        y, x = (np.concatenate(part) for part in zip(*windows, strict=True))
        found = in_chunks(lambda some: distances(y[some], x[some]), np.arange(len(y)), _MEASURES)
        for number, matrix in enumerate((formed.distance, formed.sd, formed.half_life, formed.adf)):
            matrix[row, pair_of] = found[:, number]


def distances(y: FloatArray, x: FloatArray) -> FloatArray:
    """Of each window of prices: sum of squared gaps, the gap's sd and half-life, and M11 of the log prices."""
    gap = y / y[:, :1] - x / x[:, :1]
    centred = gap - gap.mean(axis=1)[:, None]
    sd = np.sqrt(np.vecdot(centred, centred) / (YEAR - 1))
    adf = regression.engle_granger(np.log(y), (np.log(x),))
    return np.column_stack([np.vecdot(gap, gap), sd, regression.half_life(gap), adf])


def read(pairs: Sequence[Bars], days: Instants, asked: Flags, formed: Formations) -> pl.DataFrame:
    """Rows of the asked days of a segment: each pair's newest bar, its formation of the month and the gap since."""
    month = np.searchsorted(formed.months, days, side="right") - 1
    parts = []
    for pair, bars in enumerate(pairs):
        newest = newest_known(bars.session, days)
        known = asked & (newest >= 0)
        at, of = newest[known], month[known]
        stamps = (days[known], at + 1, bars.event_at[at], bars.available_at[at])
        parts.append((np.full(len(at), pair), of, *stamps, gaps(bars, at, formed, (of, pair))))
    number, of, session, obs, event_at, available_at, gap = (np.concatenate(part) for part in zip(*parts, strict=True))
    unformed = np.isnat(formed.last_bar[of, number])
    return pl.DataFrame(
        [
            *(pl.Series(name, values).gather(number) for name, values in _NAMES.items()),
            pl.Series("session", session),
            pl.Series("obs", obs, dtype=pl.Int32),
            instants("event_at", event_at),
            instants("available_at", available_at),
            pl.Series("formed_on", np.where(unformed, np.datetime64("NaT"), formed.months[of])),
            numbers("formation_rank", formed.rank()[of, number]),
            numbers("formation_distance_252", formed.distance[of, number]),
            numbers("formation_adf_252", formed.adf[of, number]),
            numbers("formation_half_life_252", formed.half_life[of, number]),
            numbers("gap", gap),
        ]
    )


def gaps(bars: Bars, at: IntArray, formed: Formations, where: tuple[IntArray, int]) -> FloatArray:
    """Gap of the bars at `at` in standard deviations of their formation; NaN until the formation's last bar is past."""
    first_bar, last_bar, sd = formed.first_bar[where], formed.last_bar[where], formed.sd[where]
    y, x = bars.values.values()
    start = np.searchsorted(bars.day, first_bar)
    start = np.where(start < len(bars.day), start, 0)  # also where there is no formation: NaT sorts last
    usable = (bars.day[start] == first_bar) & (bars.day[at] > last_bar) & (sd > MIN_SD)
    return np.where(usable, (y[at] / y[start] - x[at] / x[start]) / np.where(usable, sd, 1.0), np.nan)


FEATURES = (Feature("formation", ("prices",), compute),)
