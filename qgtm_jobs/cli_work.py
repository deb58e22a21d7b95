"""Commands that do the platform's work: run, ingest, backfill, backtest, flatten.

Thin: options in, one call of `qgtm_jobs.operations`, its report out. A report has `ok` (bool), `document()` (what
--json prints) and `shown()` (Rich tables and lines for people).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from qgtm_core.errors import ConfigError
from qgtm_jobs.cli_support import (
    ArchiveOption,
    AsOfOption,
    BookOption,
    FeedOption,
    FromOption,
    HomeOption,
    JsonOption,
    ToOption,
    emit,
    finish,
    range_of,
    settings_from,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from rich.console import RenderableType

    from qgtm_jobs.render import ProgressCallback

GROUPS = ("raw", "pit", "features", "signals")


class Report(Protocol):
    """What an operation hands back."""

    @property
    def ok(self) -> bool:
        """Whether the work succeeded; decides the exit code."""
        ...

    def document(self) -> Mapping[str, Any]:
        """Everything, as plain values."""
        ...

    def shown(self) -> Iterable[RenderableType]:
        """Tables and lines for people."""
        ...


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (run, ingest, backfill, backtest, flatten):
        app.command()(command)


def run(
    as_of: AsOfOption = None,
    feed: FeedOption = None,
    archive: ArchiveOption = None,
    book: BookOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring history in and run one session: signals, target, risk gates, orders, fills, costs."""
    from qgtm_jobs import operations

    settings = settings_from(home, feed, archive, as_of, book)
    _perform(lambda progress: operations.run_session(settings, progress), as_json=as_json)


def ingest(
    first: FromOption = None,
    last: ToOption = None,
    feed: FeedOption = None,
    archive: ArchiveOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring raw rows in for a range of sessions (default: all the feed has)."""
    from qgtm_jobs import operations

    settings, (begin, end) = settings_from(home, feed, archive), range_of(first, last)
    _perform(lambda progress: operations.ingest(settings, begin, end, progress), as_json=as_json)


def backfill(
    group: Annotated[
        list[str] | None, typer.Option("--group", help="raw, pit, features or signals; may be repeated. Default: all.")
    ] = None,
    first: FromOption = None,
    last: ToOption = None,
    feed: FeedOption = None,
    archive: ArchiveOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compute asset groups again for a range of sessions, as one run. Never sends an order."""
    groups = tuple(group or GROUPS)
    unknown = [name for name in groups if name not in GROUPS]
    if unknown:
        raise ConfigError(f"--group: {', '.join(unknown)} cannot be backfilled; choose from {', '.join(GROUPS)}")
    from qgtm_jobs import operations

    settings, (begin, end) = settings_from(home, feed, archive), range_of(first, last)
    _perform(lambda progress: operations.backfill(settings, groups, begin, end, progress), as_json=as_json)


def backtest(
    first: FromOption = None,
    last: ToOption = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the report's files.")] = None,
    feed: FeedOption = None,
    archive: ArchiveOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Replay the very session code of live trading over history, with the same costs."""
    from qgtm_jobs import backtests

    settings, (begin, end) = settings_from(home, feed, archive), range_of(first, last)
    _perform(lambda progress: backtests.backtest(settings, begin, end, progress, out=out), as_json=as_json)


def flatten(
    reason: Annotated[str, typer.Option("--reason", help="Why; recorded in the audit log.")],
    by: Annotated[str, typer.Option("--by", help="Who does this; recorded in the audit log.")],
    feed: FeedOption = None,
    archive: ArchiveOption = None,
    as_of: AsOfOption = None,
    book: BookOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Latch FLATTEN, cancel all orders and close all positions of the book. Safe to repeat."""
    from qgtm_jobs import operations

    settings = settings_from(home, feed, archive, as_of, book)
    _perform(lambda progress: operations.flatten(settings, reason, by, progress), as_json=as_json)


def _perform(work: Callable[[ProgressCallback], Report], *, as_json: bool) -> None:
    from qgtm_jobs.render import progress_to, stderr_console

    with progress_to(stderr_console(), quiet=as_json) as progress:
        report = work(progress)
    emit(report.document(), *report.shown(), as_json=as_json)
    finish(ok=report.ok)
