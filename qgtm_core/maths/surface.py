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

CHAIN = ("underlying", "event_at")
EXPIRY = (*CHAIN, "expiry")
SKEW_DELTA = 0.25
NEW_YORK_DAY = pl.col("event_at").dt.convert_time_zone("America/New_York").dt.date()
POINTS = ("atm", "call_25", "put_25")


def passes() -> pl.Expr:
    """The quote filter of M22: a bid, and a spread of at most a quarter of the mid. Null counts as no."""
    bid, ask = pl.col("bid"), pl.col("ask")
    narrow = (ask - bid) <= options.MAX_SPREAD * 0.5 * (ask + bid)
    return ((bid > 0) & (ask >= bid) & narrow).fill_null(value=False)


def expiry_points(quotes: pl.DataFrame) -> pl.DataFrame:
    """Return one row an expiry of a snapshot: `underlying, event_at, expiry, atm, call_25, put_25, quotes, passed`.

    `quotes` has those keys and `right, strike, bid, ask, iv, delta`. atm is the mean volatility of call and put at the
    strike nearest the forward of put-call parity (rates are left out: at that strike they do not matter); NaN where a
    point cannot be had. `quotes` and `passed` count all quotes of the expiry and those that pass the filter.
    """
    priced = (pl.col("iv") > 0) & pl.col("iv").is_finite() & pl.col("delta").is_finite()
    rows = quotes.with_columns(
        usable=passes() & priced.fill_null(value=False), mid=(pl.col("bid") + pl.col("ask")) * 0.5
    )
    rows = rows.sort(*EXPIRY, "strike", "right")
    counts = rows.group_by(EXPIRY, maintain_order=True).agg(quotes=pl.len(), passed=pl.col("usable").sum())
    good = rows.filter("usable")
    if good.is_empty():
        return counts.with_columns(pl.lit(np.nan).alias(name) for name in POINTS)
    held = _Groups.of(good)
    points = held.keys.with_columns(
        atm=_at_the_money(good, held),
        call_25=_at_delta(good, held, "C", SKEW_DELTA),
        put_25=_at_delta(good, held, "P", -SKEW_DELTA),
    )
    return counts.join(points, on=EXPIRY, how="left", maintain_order="left").with_columns(
        pl.col(name).fill_null(np.nan) for name in POINTS
    )


@dataclass(frozen=True, slots=True)
class _Groups:
    """Runs of rows of one expiry of one snapshot, in sorted rows."""

    keys: pl.DataFrame
    starts: IntArray  # first row of each run
    of_row: IntArray  # run of each row

    @classmethod
    def of(cls, rows: pl.DataFrame) -> _Groups:
        changed = pl.any_horizontal((pl.col(name) != pl.col(name).shift(1)).fill_null(value=True) for name in EXPIRY)
        first = rows.select(changed.alias("first"))["first"].to_numpy()
        starts = np.flatnonzero(first)
        return cls(rows.select(EXPIRY)[starts], starts, np.cumsum(first) - 1)

    def lowest(self, measure: FloatArray) -> IntArray:
        """Row of the smallest finite measure of each run, the first of equals; -1 where there is none."""
        filled = np.where(np.isnan(measure), np.inf, measure)
        least = np.minimum.reduceat(filled, self.starts)
        hits = np.flatnonzero(np.isfinite(filled) & (filled == least[self.of_row]))
        found = np.full(len(self.starts), -1, dtype=np.int64)
        found[self.of_row[hits[::-1]]] = hits[::-1]  # the first row of a run is written last
        return found


def _pick(values: FloatArray, rows: IntArray) -> FloatArray:
    return np.where(rows >= 0, values[rows], np.nan)


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


def constant_maturity(points: pl.DataFrame, days: int, columns: Sequence[str], need: Sequence[str]) -> pl.DataFrame:
    """Read columns at a maturity of `days`: `underlying, event_at, <columns>, near, far`, one row a snapshot.

    `points` are those of `expiry_points` with `days` to expiry; expiries without one of the columns `need` are left
    out, then one at or before and one at or after the maturity must remain. `near` and `far` are their days.
    """
    ahead = pl.col("days")
    whole = points.filter(pl.all_horizontal(pl.col(name).is_finite() for name in need) & (ahead > 0))
    whole = whole.sort(*CHAIN, "days")
    near = whole.filter(ahead <= days).unique(CHAIN, keep="last", maintain_order=True)
    far = whole.filter(ahead >= days).unique(CHAIN, keep="first", maintain_order=True)
    both = near.join(far, on=CHAIN, how="inner", maintain_order="left", suffix="_far")
    t1, t2 = (both[name].to_numpy().astype(np.float64) for name in ("days", "days_far"))
    read = {
        name: options.total_variance_volatility(t1, both[name].to_numpy(), t2, both[f"{name}_far"].to_numpy(), days)
        for name in columns
    }
    return both.select(*CHAIN, near="days", far="days_far").with_columns(
        pl.Series(name, values, dtype=pl.Float64) for name, values in read.items()
    )


def nearest_expiry(points: pl.DataFrame, first: int, last: int) -> pl.DataFrame:
    """The row of `points` (with `days`) of each snapshot's expiry nearest the middle of a window of days.

    Only expiries with all three points count; of two equally near the earlier. No row where none lies in the window.
    """
    whole = pl.all_horizontal(pl.col(name).is_finite() for name in POINTS)
    inside = points.filter(whole & pl.col("days").is_between(first, last))
    away = (pl.col("days") * 2 - (first + last)).abs()
    return inside.sort(*CHAIN, away, "days").unique(CHAIN, keep="first", maintain_order=True)


def with_days(points: pl.DataFrame) -> pl.DataFrame:
    """Add `days`: calendar days from the snapshot's New York day to the expiry."""
    return points.with_columns(days=(pl.col("expiry") - NEW_YORK_DAY).dt.total_days().cast(pl.Int32))
