"""Showing frames and progress to a person at a terminal. No figures are computed here."""

from __future__ import annotations

import datetime as dt
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    import polars as pl

ProgressCallback = Callable[[str, int, int], None]
"""Called as `progress(text, done, total)`; total 0 = length not known."""

NOTHING = "–"
PIPE_WIDTH = 160
PLAIN_SECONDS = 5.0  # between two plain lines about the same step


def usd(value: float | Decimal) -> str:
    """Dollars with thousands separators and no cents."""
    return f"{value:,.0f}"


def cents(value: float | Decimal) -> str:
    """Dollars and cents."""
    return f"{value:,.2f}"


def percent(value: float) -> str:
    """A decimal fraction as percent, two places."""
    return f"{value * 100.0:.2f} %"


def basis_points(value: float) -> str:
    """Basis points, one place."""
    return f"{value:.1f}"


def text_of(value: Any) -> str:
    """One cell: null as a dash, instants in UTC without microseconds, floats to six significant digits."""
    if value is None:
        return NOTHING
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)


def table(
    title: str, frame: pl.DataFrame, formats: Mapping[str, Callable[[Any], str]] | None = None, *, limit: int = 60
) -> Table:
    """Return a Rich table of the frame: numbers to the right, at most `limit` rows, the rest counted below."""
    chosen = formats or {}
    shown = Table(title=title, title_justify="left", title_style="bold", header_style="bold", caption_justify="left")
    for name, dtype in frame.schema.items():
        shown.add_column(name.replace("_", " "), justify="right" if dtype.is_numeric() else "left", overflow="fold")
    for row in frame.head(limit).iter_rows(named=True):
        shown.add_row(
            *(
                Text(chosen[name](value) if name in chosen and value is not None else text_of(value))
                for name, value in row.items()
            )
        )
    if frame.height > limit:
        shown.caption = f"and {frame.height - limit} more rows"
    if frame.height == 0:
        shown.caption = "no rows"
    return shown


def pairs(title: str, values: Mapping[str, Any]) -> Table:
    """Return a two-column table without a header."""
    shown = Table(title=title, title_justify="left", title_style="bold", show_header=False)
    shown.add_column(style="bold")
    shown.add_column(overflow="fold")
    for name, value in values.items():
        shown.add_row(name, text_of(value))
    return shown


@contextmanager
def progress_to(console: Console, *, quiet: bool = False) -> Iterator[ProgressCallback]:
    """Give a callback that draws bars on a terminal and writes plain lines elsewhere; `quiet` shows nothing."""
    if quiet:
        yield lambda _text, _done, _total: None
    elif console.is_terminal:
        with Progress(
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
        ) as bars:
            yield _Bars(bars)
    else:
        yield _Lines(console)


class _Bars:
    """One bar a step; a new text ends the step before."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, Any] = {}

    def __call__(self, text: str, done: int, total: int) -> None:
        if text not in self._tasks:
            for task in self._tasks.values():
                self._finish(task)
            self._tasks[text] = self._bars.add_task(text, total=total or None)
        self._bars.update(self._tasks[text], completed=done, total=total or None)

    def _finish(self, task: Any) -> None:
        total = self._bars.tasks[task].total or 1
        self._bars.update(task, total=total, completed=total)


class _Lines:
    """A line when a step begins, when it ends, and now and then between."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._text, self._written = "", 0.0

    def __call__(self, text: str, done: int, total: int) -> None:
        ended = total > 0 and done >= total
        if text == self._text and not ended and time.monotonic() - self._written < PLAIN_SECONDS:
            return
        self._text, self._written = text, time.monotonic()
        self._console.print(f"{text} {done}/{total}" if total else text, highlight=False)


def stdout_console() -> Console:
    """Console for results; a file or pipe has no width of its own and gets a wide one."""
    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else PIPE_WIDTH)


def stderr_console() -> Console:
    """Console for progress and errors, so that standard output holds results only."""
    return Console(file=sys.stderr)
