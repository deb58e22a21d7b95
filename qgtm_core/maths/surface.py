"""M22 on many option chains at once: the points of each expiry, and constant maturities between them.

Values are picked or combined elementwise, never summed over rows, so a chain's numbers do not depend on its neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from qgtm_core.maths import options

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Flags = NDArray[np.bool_]

CHAIN = ("underlying", "event_at")
EXPIRY = (*CHAIN, "expiry")
SKEW_DELTA = 0.25
NEW_YORK_DAY = pl.col("event_at").dt.convert_time_zone("America/New_York").dt.date()
POINTS = ("atm", "call_25", "put_25")
_FAR = np.iinfo(np.int64).max


def passes() -> pl.Expr:
    """The quote filter of M22: a bid, and a spread of at most a quarter of the mid. Null counts as no."""
    bid, ask = pl.col("bid"), pl.col("ask")
    narrow = (ask - bid) <= options.MAX_SPREAD * 0.5 * (ask + bid)
    return ((bid > 0) & (ask >= bid) & narrow).fill_null(value=False)


def expiry_points(quotes: pl.DataFrame, by: Sequence[str] = EXPIRY) -> pl.DataFrame:
    """Return one row an expiry of a snapshot: `<by>, atm, call_25, put_25, quotes, passed`.

    `quotes` has the columns `by`, which tell expiries of a snapshot apart, and `right, strike, bid, ask, iv, delta`.
    atm is the mean volatility of call and put at the strike nearest the forward of put-call parity (rates are left
    out: at that strike they do not matter); NaN where a point cannot be had. `quotes` and `passed` count all quotes
    of the expiry and those that pass the filter.
    """
    priced = (pl.col("iv") > 0) & pl.col("iv").is_finite() & pl.col("delta").is_finite()
    rows = quotes.with_columns(
        usable=passes() & priced.fill_null(value=False), mid=(pl.col("bid") + pl.col("ask")) * 0.5
    )
    rows = rows.sort(*by, "strike", "right")
    counts = rows.group_by(by, maintain_order=True).agg(quotes=pl.len(), passed=pl.col("usable").sum())
    good = rows.filter("usable")
    if good.is_empty():
        return counts.with_columns(pl.lit(np.nan).alias(name) for name in POINTS)
    held = _Groups.of(good, by)
    points = held.keys.with_columns(
        atm=_at_the_money(good, held),
        call_25=_at_delta(good, held, "C", SKEW_DELTA),
        put_25=_at_delta(good, held, "P", -SKEW_DELTA),
    )
    return counts.join(points, on=by, how="left", maintain_order="left").with_columns(
        pl.col(name).fill_null(np.nan) for name in POINTS
    )


@dataclass(frozen=True, slots=True)
class _Groups:
    """Runs of rows of one expiry of one snapshot, in sorted rows."""

    keys: pl.DataFrame
    starts: IntArray  # first row of each run
    of_row: IntArray  # run of each row

    @classmethod
    def of(cls, rows: pl.DataFrame, by: Sequence[str]) -> _Groups:
        changed = pl.any_horizontal((pl.col(name) != pl.col(name).shift(1)).fill_null(value=True) for name in by)
        first = rows.select(changed.alias("first"))["first"].to_numpy()
        starts = np.flatnonzero(first)
        return cls(rows.select(by)[starts], starts, np.cumsum(first) - 1)

    def lowest(self, measure: FloatArray) -> IntArray:
        """Row of the smallest finite measure of each run, the first of equals; -1 where there is none."""
        filled = np.where(np.isnan(measure), np.inf, measure)
        least = np.minimum.reduceat(filled, self.starts)
        hits = np.flatnonzero(np.isfinite(filled) & (filled == least[self.of_row]))
        found = np.full(len(self.starts), -1, dtype=np.int64)
        found[self.of_row[hits[::-1]]] = hits[::-1]  # the first row of a run is written last
        return found


def _pick(values: FloatArray, rows: IntArray) -> FloatArray:
    return np.where(rows >= 0, values[rows], np.nan) if len(values) else np.full(len(rows), np.nan)


def _at_the_money(rows: pl.DataFrame, held: _Groups) -> FloatArray:
    """Mean volatility of call and put at the strike nearest the forward, which is read where the two cost the same."""
    strike, mid, iv = (rows[name].to_numpy() for name in ("strike", "mid", "iv"))
    call = (rows["right"] == "C").to_numpy()
    paired = np.zeros(len(strike), dtype=bool)  # this row is the call, the next one the put of the same strike
    paired[:-1] = call[:-1] & ~call[1:] & (strike[:-1] == strike[1:]) & (held.of_row[:-1] == held.of_row[1:])
    dearer = np.where(paired, mid - np.roll(mid, -1), np.nan)
    level = held.lowest(np.abs(dearer))
    forward = _pick(strike, level) + _pick(dearer, level)
    nearest = held.lowest(np.where(paired, np.abs(strike - forward[held.of_row]), np.nan))
    return _pick(np.where(paired, (iv + np.roll(iv, -1)) * 0.5, np.nan), nearest)


def _at_delta(rows: pl.DataFrame, held: _Groups, right: str, delta: float) -> FloatArray:
    """Volatility at a delta, linear between the two nearest quotes of the right on either side of it."""
    found = np.where((rows["right"] == right).to_numpy(), rows["delta"].to_numpy(), np.nan)
    iv = rows["iv"].to_numpy()
    below = held.lowest(np.where(found <= delta, delta - found, np.nan))
    above = held.lowest(np.where(found >= delta, found - delta, np.nan))
    low, high = _pick(found, below), _pick(found, above)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(high > low, (delta - low) / (high - low), 0.0)
    low_iv, high_iv = _pick(iv, below), _pick(iv, above)
    return np.where(np.isnan(low + high), np.nan, low_iv + share * (high_iv - low_iv))


@dataclass(frozen=True, slots=True)
class Smiles:
    """Expiries of many snapshots as arrays, those of one snapshot side by side and nearest first.

    `starts` holds the first place of each snapshot, `of_row` the snapshot of each expiry, `days` the calendar days to
    it; POINTS are annual volatilities, NaN = none.
    """

    starts: IntArray
    of_row: IntArray
    days: IntArray
    atm: FloatArray
    call_25: FloatArray
    put_25: FloatArray

    @classmethod
    def of(cls, points: pl.DataFrame, starts: IntArray, days: IntArray) -> Smiles:
        """From rows with the columns POINTS in that order, their days ahead and where each snapshot begins."""
        number = np.zeros(points.height, dtype=np.int64)
        number[starts[1:]] = 1
        smile = (points[name].fill_null(np.nan).to_numpy() for name in POINTS)
        return cls(starts, np.cumsum(number), days, *smile)

    @property
    def whole(self) -> Flags:
        """Expiries with all three points."""
        return np.isfinite(self.atm) & np.isfinite(self.call_25) & np.isfinite(self.put_25)

    def around(self, maturity: int, usable: Flags) -> tuple[IntArray, IntArray]:
        """Places of the usable expiries about a maturity of each snapshot: the last one not after it and the first
        one not before it, which may be the same; both -1 where one is missing.
        """
        there = usable & (self.days > 0)
        near = self._furthest(there & (self.days <= maturity))
        far = self._nearest(there & (self.days >= maturity))
        both = (near >= 0) & (far >= 0)
        return np.where(both, near, -1), np.where(both, far, -1)

    def nearest(self, first: int, last: int) -> IntArray:
        """Place of the whole expiry nearest the middle of a window of days, the earlier of two; -1 = none in it."""
        inside = self.whole & (self.days >= first) & (self.days <= last)
        away = np.where(inside, np.abs(self.days * 2 - (first + last)), _FAR)
        least = np.minimum.reduceat(away, self.starts) if len(away) else away
        return self._nearest(inside & (away == least[self.of_row]))

    def at(self, maturity: int, point: str, near: IntArray, far: IntArray) -> FloatArray:
        """A point at a maturity, linear in total variance between places of `around`; NaN where there are none."""
        values = getattr(self, point)
        t1, t2 = (_pick(self.days.astype(np.float64), rows) for rows in (near, far))
        return options.total_variance_volatility(t1, _pick(values, near), t2, _pick(values, far), maturity)

    def _nearest(self, mask: Flags) -> IntArray:
        """First true place of each snapshot, -1 where there is none."""
        if not len(mask):
            return self.starts
        places = np.minimum.reduceat(np.where(mask, np.arange(len(mask)), _FAR), self.starts)
        return np.where(places == _FAR, -1, places)

    def _furthest(self, mask: Flags) -> IntArray:
        """Last true place of each snapshot, -1 where there is none."""
        if not len(mask):
            return self.starts
        return np.maximum.reduceat(np.where(mask, np.arange(len(mask)), -1), self.starts)


def days_ahead() -> pl.Expr:
    """Calendar days from a snapshot's New York day to the expiry."""
    return (pl.col("expiry") - NEW_YORK_DAY).dt.total_days()
