"""Geometry of the charts: scales, ticks and thinned paths as plain values. The markup is in `templates/chart.html.j2`.

Paths live in a box of BOX_X × BOX_Y units that the page stretches; everything else is placed by percent across and
pixels down, so that text keeps its size on any screen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Positions = NDArray[np.int64]

BOX_X, BOX_Y = 2000, 1000
BUCKETS = 450  # a line keeps the lowest and the highest point of each
HEIGHT_PX = 190
STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
FLAT = 1e-12  # values closer than that are one value: below it ticks would drown in rounding


@dataclass(frozen=True, slots=True)
class Mark:
    """A line, area, bar, dot or whisker: its class names the colour; `title` is shown on hover."""

    kind: str  # line, area, bar, dot, whisker
    css: str
    title: str = ""
    path: str = ""  # of lines and areas
    x: float = 0.0  # percent: left of a bar, middle of a dot and a whisker
    width: float = 0.0  # percent
    y: float = 0.0  # px from the top
    height: float = 0.0  # px


@dataclass(frozen=True, slots=True)
class Tick:
    """A label on an axis, at percent across or px down."""

    at: float
    label: str
    below: str = ""  # a second line


@dataclass(frozen=True, slots=True)
class Band:
    """A shaded stretch of the horizontal axis, or (css `hit`) one that only shows its title on hover."""

    x: float
    width: float
    css: str
    label: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class Key:
    """One entry of the legend: colour, name, last value."""

    css: str
    label: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """A finished chart."""

    id: str
    title: str
    unit: str
    note: str
    marks: Sequence[Mark]
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]
    bands: Sequence[Band] = ()
    hits: Sequence[Band] = ()
    keys: Sequence[Key] = ()
    zero: float | None = None  # px
    height: int = HEIGHT_PX
    wide: bool = False
    box: tuple[int, int] = field(default=(BOX_X, BOX_Y))


@dataclass(frozen=True, slots=True)
class Scale:
    """The vertical axis: values low..high over `height` pixels, high at the top."""

    low: float
    high: float
    height: int = HEIGHT_PX

    def px(self, value: float) -> float:
        """Pixels from the top."""
        return round((self.high - value) / (self.high - self.low) * self.height, 2)

    def units(self, values: Floats) -> Floats:
        """Path units from the top."""
        placed: Floats = (self.high - values) / (self.high - self.low) * BOX_Y
        return placed

    @property
    def zero(self) -> float | None:
        """Where zero is, if it is within."""
        return self.px(0.0) if self.low <= 0.0 <= self.high else None

    def ticks(self, suffix: str = "", factor: float = 1.0) -> list[Tick]:
        """Round values, about five, in `factor` times the unit."""
        step = nice_step((self.high - self.low) * factor / 6.0)
        begin = math.ceil(self.low * factor / step - 1e-9)
        end = math.floor(self.high * factor / step + 1e-9)
        places = max(0, -math.floor(math.log10(step) + 1e-9))
        if not math.isclose(round(step, places), step, rel_tol=1e-6):
            places += 1
        values = [k * step for k in range(begin, end + 1)]
        return [Tick(self.px(v / factor), f"{signed(v, places)}{suffix}") for v in values]


def signed(value: float, places: int) -> str:
    """A number with a true minus sign and no negative zero."""
    return f"{round(value, places) + 0.0:,.{places}f}".replace("-", "−")


def nice_step(rough: float) -> float:
    """The next 1, 2, 2.5 or 5 times a power of ten."""
    if not math.isfinite(rough) or rough <= 0.0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    return next(step * power for step in STEPS if step * power >= rough * (1 - 1e-9))


def scale_of(*values: Floats | Sequence[float], zero: bool = True, height: int = HEIGHT_PX) -> Scale:
    """A scale with a little room around all finite values; `zero` has it reach zero."""
    every = np.concatenate([np.asarray(v, dtype=float).ravel() for v in values])
    every = every[np.isfinite(every)]
    low, high = (float(every.min()), float(every.max())) if len(every) else (0.0, 1.0)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    spread = high - low
    room = spread * 0.06 if spread > FLAT else 0.5 * max(abs(high), 1e-6)
    return Scale(low - room * (low != 0.0 or high == 0.0), high + room * (high != 0.0 or low == 0.0), height)


def extremes(values: Floats, buckets: int = BUCKETS) -> Positions:
    """Positions to draw: the lowest and highest of each bucket, first and last; NaN never. At most 2 × buckets + 2."""
    finite = np.flatnonzero(np.isfinite(values))
    if len(finite) <= 2 * buckets:
        return finite
    size = math.ceil(len(values) / buckets)
    padded = np.full(size * buckets, np.nan)
    padded[: len(values)] = values
    rows, offset = padded.reshape(buckets, size), np.arange(buckets) * size
    low = np.where(np.isnan(rows), np.inf, rows).argmin(axis=1) + offset
    high = np.where(np.isnan(rows), -np.inf, rows).argmax(axis=1) + offset
    kept = np.unique(np.concatenate([low, high, finite[[0, -1]]]))
    drawn: Positions = kept[np.isfinite(padded[kept])]
    return drawn


def line(across: Floats, values: Floats, scale: Scale, *, buckets: int = BUCKETS) -> str:
    """Path of a line; `across` in [0, 1], broken where `values` is NaN. Empty when nothing is finite."""
    kept = extremes(values, buckets)
    if not len(kept):
        return ""
    holes = np.cumsum(~np.isfinite(values))[kept]
    breaks = np.flatnonzero(np.diff(holes)) + 1
    x = np.rint(across[kept] * BOX_X).astype(int)
    y = np.rint(scale.units(values[kept])).astype(int)
    return "".join(_run(a, b) for a, b in zip(np.split(x, breaks), np.split(y, breaks), strict=True))


def _run(x: Positions, y: Positions) -> str:
    steps = np.column_stack([np.diff(x), np.diff(y)]).ravel().tolist()
    # a run of one point is a dot: a line of no length with round ends
    return f"M{x[0]} {y[0]}l{' '.join(map(str, steps or (0, 0)))}"


def area(across: Floats, upper: Floats, lower: Floats | float, scale: Scale, *, buckets: int = BUCKETS) -> str:
    """Closed path between two series without NaN; the kept points are the extremes of the upper one."""
    kept = extremes(upper, buckets)
    if not len(kept):
        return ""
    below = np.broadcast_to(np.asarray(lower, dtype=float), upper.shape)
    x = np.rint(np.concatenate([across[kept], across[kept][::-1]]) * BOX_X).astype(int)
    y = np.rint(scale.units(np.concatenate([upper[kept], below[kept][::-1]]))).astype(int)
    return f"{_run(x, y)}z"
