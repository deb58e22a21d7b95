"""Charts over time: growth, drawdown, rolling Sharpe ratio, exposure and costs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from qgtm_core.backtest.metrics import SD_NOISE, SESSIONS_A_YEAR
from qgtm_resources.tearsheets.svg import (
    Band,
    Chart,
    Floats,
    Key,
    Mark,
    Scale,
    Tick,
    area,
    line,
    scale_of,
    signed,
)

MAX_YEAR_TICKS = 7
Days = NDArray[np.datetime64]
Lines = Sequence[tuple[str, str, Floats]]  # css, name, values


@dataclass(frozen=True)
class Dates:
    """The horizontal axis of a sample, oldest session first, at least one."""

    sessions: pl.Series

    @cached_property
    def days(self) -> Days:
        """As datetime64[D]."""
        return self.sessions.to_numpy().astype("datetime64[D]")

    @cached_property
    def across(self) -> Floats:
        """Each session's place, in [0, 1]."""
        since = (self.days - self.days[0]).astype(float)
        share: Floats = since / max(float(since[-1]), 1.0)
        return share

    def percent(self, day: dt.date) -> float:
        """Place of any day, clipped to the axis."""
        begin, end = self.days[0], self.days[-1]
        share = (np.datetime64(day) - begin).astype(float) / max((end - begin).astype(float), 1.0)
        return round(float(np.clip(share, 0.0, 1.0)) * 100.0, 3)

    @cached_property
    def years(self) -> list[tuple[int, int, int]]:
        """Year, its first position, and the position after its last."""
        year = self.sessions.dt.year().to_numpy()
        edges = [0, *(np.flatnonzero(np.diff(year)) + 1).tolist(), len(year)]
        return [(int(year[a]), a, b) for a, b in pairwise(edges)]

    @cached_property
    def ticks(self) -> list[Tick]:
        """The first of January of some years, at most seven; the first session where no year begins."""
        begins = [(year, self.percent(dt.date(year, 1, 1))) for year, start, _ in self.years if start]
        if not begins:
            return [Tick(0.0, str(self.sessions[0]))]
        step = -(-len(begins) // MAX_YEAR_TICKS)
        offset = begins[0][0] % step
        return [Tick(place, str(year)) for year, place in begins if year % step == offset]

    def hits(self, text: Callable[[int, int, int], str]) -> list[Band]:
        """One stretch a year that shows `text(year, start, stop)` on hover."""
        ends = [*(float(self.across[start]) * 100.0 for _, start, _ in self.years), 100.0]
        return [
            Band(round(a, 2), round(b - a, 2), "hit", title=text(*year))
            for year, (a, b) in zip(self.years, pairwise(ends), strict=True)
        ]


def pct(value: float, places: int = 1) -> str:
    """A decimal as percent."""
    return f"{signed(value * 100.0, places)} %"


def shading(dates: Dates, oos_from: dt.date | None, *, named: bool = False) -> list[Band]:
    """In sample before the first walk-forward test, out of sample from it on."""
    if oos_from is None:
        return [Band(0.0, 100.0, "is", "in sample" if named else "")]
    cut = dates.percent(oos_from)
    both = [("is", "in sample", 0.0, cut), ("oos", "out of sample", cut, 100.0)]
    return [Band(a, round(b - a, 3), css, name if named else "") for css, name, a, b in both if b > a]


@dataclass(frozen=True, slots=True)
class Curve:
    """Wealth less one by session, NaN where the series says nothing; `level` is its value just before it begins."""

    css: str
    name: str
    values: Floats
    level: float = 0.0

    def earned(self, start: int, stop: int) -> str:
        """Return from the end of the session before `start` to the last one before `stop`."""
        own = self.values[start:stop]
        own = own[np.isfinite(own)]
        if not len(own):
            return "none"
        before = self.values[:start]
        before = before[np.isfinite(before)]
        base = float(before[-1]) if len(before) else self.level
        return pct((1.0 + float(own[-1])) / (1.0 + base) - 1.0)


def growth(dates: Dates, curves: Sequence[Curve], bands: Sequence[Band], note: str) -> Chart:
    """Cumulative return of several series, compounded."""
    scale = scale_of(*(curve.values for curve in curves), height=260)

    def told(year: int, start: int, stop: int) -> str:
        return f"{year}: {', '.join(f'{curve.name} {curve.earned(start, stop)}' for curve in curves)}"

    return Chart(
        id="growth", title="Cumulative return", unit="% of capital", note=note, wide=True, height=scale.height,
        marks=_lines(dates, [(c.css, c.name, c.values) for c in curves], scale), x_ticks=dates.ticks, bands=bands,
        y_ticks=scale.ticks(" %", 100.0), zero=scale.zero, hits=dates.hits(told),
        keys=[Key(c.css, c.name, c.earned(0, len(c.values))) for c in curves],
    )  # fmt: skip


def drawdown(dates: Dates, wealth: Floats, bands: Sequence[Band]) -> Chart:
    """Share below the running peak, the start included; `wealth` is growth of one unit."""
    depth = wealth / np.maximum.accumulate(np.maximum(wealth, 1.0)) - 1.0
    scale, worst = scale_of(depth), int(depth.argmin())
    marks = [Mark("area", "a-neg", path=area(dates.across, depth, 0.0, scale))]
    return Chart(
        id="drawdown", title="Drawdown", unit="% below the peak", bands=bands, marks=marks, x_ticks=dates.ticks,
        note="After costs, from the highest level before.",
        keys=[Key("a-neg", f"deepest, on {dates.sessions[worst]}", pct(float(depth[worst])))],
        y_ticks=scale.ticks(" %", 100.0), zero=scale.zero,
        hits=dates.hits(lambda year, a, b: f"{year}: deepest {pct(float(depth[a:b].min()))}"),
    )  # fmt: skip


def rolling_sharpe(dates: Dates, returns: pl.Series, bands: Sequence[Band]) -> Chart | None:
    """Annual Sharpe ratio of the last 252 sessions; null where they do not vary, and no chart below 252 sessions."""
    mean, sd = (getattr(returns, f"rolling_{name}")(SESSIONS_A_YEAR) for name in ("mean", "std"))
    size = returns.abs().rolling_max(SESSIONS_A_YEAR)
    moved = sd > size * SD_NOISE
    rolling = (mean / sd).zip_with(moved.fill_null(value=False), pl.Series([None], dtype=pl.Float64))
    values = (rolling * SESSIONS_A_YEAR**0.5).cast(pl.Float64).fill_null(np.nan).to_numpy()
    if not np.isfinite(values).any():
        return None
    scale = scale_of(values)

    def told(year: int, start: int, stop: int) -> str:
        own = values[start:stop][np.isfinite(values[start:stop])]
        return f"{year}: {signed(own.min(), 2)} to {signed(own.max(), 2)}" if len(own) else f"{year}: no value"

    return Chart(
        id="rolling", title="Rolling Sharpe ratio", unit="annual", bands=bands,
        note=f"After costs, over the last {SESSIONS_A_YEAR} sessions.",
        marks=_lines(dates, [("l1", "rolling Sharpe", values)], scale), x_ticks=dates.ticks, y_ticks=scale.ticks(),
        zero=scale.zero, hits=dates.hits(told), keys=[Key("l1", "newest", signed(_last(values), 2))],
    )  # fmt: skip


def exposure(dates: Dates, gross: Floats, net: Floats, unit: str) -> Chart:
    """Gross and net weight as means of each month, with the band from the month's lowest to its highest net weight."""
    months = pl.DataFrame({"day": dates.sessions, "place": dates.across, "gross": gross, "net": net}).group_by(
        pl.col("day").dt.truncate("1mo"), maintain_order=True
    )
    rows = months.agg(
        pl.col("place").mean(), pl.col("gross").mean(), pl.col("net").mean(), low=pl.col("net").min(),
        high=pl.col("net").max(),
    )  # fmt: skip
    across, low, high = (rows[name].to_numpy() for name in ("place", "low", "high"))
    held = [("l3", "gross", rows["gross"].to_numpy()), ("l2", "net", rows["net"].to_numpy())]
    scale = scale_of(low, high, held[0][2])

    def told(year: int, a: int, b: int) -> str:
        return f"{year}: gross {pct(gross[a:b].mean())}, net {pct(net[a:b].mean())} (means)"

    band = Mark("area", "a-band", path=area(across, high, low, scale))
    return Chart(
        id="exposure", title="Exposure", unit=unit, x_ticks=dates.ticks,
        marks=[band, *(Mark("line", css, name, line(across, values, scale)) for css, name, values in held)],
        note="Means of each month; the band is the net weight from lowest to highest, short positions negative.",
        y_ticks=scale.ticks(" %", 100.0), zero=scale.zero, hits=dates.hits(told),
        keys=[Key("l3", "gross, mean", pct(float(gross.mean()))), Key("l2", "net, mean", pct(float(net.mean())))],
    )  # fmt: skip


def stacked(dates: Dates, kinds: Lines, unit: str, note: str, show: Callable[[float], str], factor: float) -> Chart:
    """Cumulative costs, one kind on top of the other; values are paid a session."""
    sums = [(css, name, np.cumsum(values)) for css, name, values in kinds]
    tops = np.cumsum([values for _, _, values in sums], axis=0)
    scale = scale_of(tops[-1])
    floors = [np.zeros(len(dates.across)), *tops[:-1]]
    marks = [
        Mark("area", css, path=area(dates.across, top, floor, scale))
        for (css, _, total), top, floor in zip(sums, tops, floors, strict=True)
        if abs(total[-1]) > 0.0
    ]

    def told(year: int, start: int, stop: int) -> str:
        parts = [f"{name} {show(float(values[start:stop].sum()))}" for _, name, values in kinds]
        return f"{year}: {', '.join(parts)}"

    return Chart(
        id="costs", title="Costs paid", unit=unit, note=note, marks=marks, x_ticks=dates.ticks, zero=scale.zero,
        y_ticks=scale.ticks(" %" if factor == 100.0 else "", factor), hits=dates.hits(told),
        keys=[Key(css, name, show(float(values[-1]))) for css, name, values in sums],
    )  # fmt: skip


def _lines(dates: Dates, lines: Lines, scale: Scale) -> list[Mark]:
    drawn = [Mark("line", css, name, line(dates.across, values, scale)) for css, name, values in lines]
    return [mark for mark in drawn if mark.path]


def _last(values: Floats) -> float:
    finite = values[np.isfinite(values)]
    return float(finite[-1]) if len(finite) else float("nan")
