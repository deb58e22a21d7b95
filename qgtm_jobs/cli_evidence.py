"""`qgtm evidence [ID]`: the league table of a backtest's evidence, one record in full, and the run that makes them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qgtm_core.errors import ConfigError
from qgtm_jobs.cli_support import (
    ArchiveOption,
    FeedOption,
    FromOption,
    HomeOption,
    JsonOption,
    ToOption,
    emit,
    range_of,
    settings_from,
)

if TYPE_CHECKING:
    from qgtm_resources.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(evidence)


def evidence(
    strategy_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="One strategy, or `portfolio`.")] = None,
    sort: Annotated[str, typer.Option("--sort", metavar="COLUMN", help="Column to rank by.")] = "oos_sharpe",
    verdict: Annotated[str | None, typer.Option("--verdict", help="pass, fail or no-data only.")] = None,
    book: Annotated[str | None, typer.Option("--book", metavar="ID", help="Backtest (default: the newest).")] = None,
    open_path: Annotated[
        bool, typer.Option("--open-path", help="Print the path of the page and nothing else.")
    ] = False,
    run: Annotated[bool, typer.Option("--run", help="First make the evidence: try, validate, judge, write.")] = False,
    first: FromOption = None,
    last: ToOption = None,
    feed: FeedOption = None,
    archive: ArchiveOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what may be believed of every strategy: out of sample, deflated, with the gates it does not pass."""
    if not run and (first or last):
        raise ConfigError("--from and --to choose what --run computes; without --run they say nothing")
    settings = settings_from(home, feed, archive)
    if run:
        made = _make(settings, first, last, quiet=as_json)
        book = book or made
    from qgtm_jobs.evidence import read_league, read_record
    from qgtm_resources.clients.warehouse import Warehouse
    from qgtm_resources.pictures import SOURCES

    held = Warehouse(settings.warehouse_folder)
    found = read_league(held, book, sort, verdict) if strategy_id is None else read_record(held, book, strategy_id)
    if open_path:
        sys.stdout.write(f"{_required(found.page, settings.warehouse_folder)}\n")
        return
    source = SOURCES.get(settings.feed.value, "")
    emit({**found.document(), "source": source}, f"\n{source}", *found.shown(), as_json=as_json)


def _make(settings: Settings, first: str | None, last: str | None, *, quiet: bool) -> str:
    """Make the evidence; returns the id of its book."""
    from qgtm_jobs import backtests
    from qgtm_jobs.render import progress_to, stderr_console

    begin, end = range_of(first, last)
    with progress_to(stderr_console(), quiet=quiet) as progress:
        made = backtests.evidence(settings, begin, end, progress)
    if not quiet:
        stderr_console().print(", ".join(f"{name} {value:.1f} s" for name, value in made.seconds.items()))
    return made.book


def _required(page: Path | None, folder: Path) -> Path:
    if page is None:
        raise ConfigError(f"no page was written under {folder}: make it with `qgtm evidence --run`")
    return page
