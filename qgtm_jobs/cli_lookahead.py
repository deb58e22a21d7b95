"""`qgtm lookahead [ID]`: does anything known later change what was said earlier?"""

from __future__ import annotations

from typing import Annotated

import typer

from qgtm_jobs.cli_support import (
    ArchiveOption,
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

DEFAULT_CUTS = 4


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(lookahead)


def lookahead(
    strategy_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="A strategy, as `qgtm strategies` lists it; all without one.")
    ] = None,
    cuts: Annotated[
        int, typer.Option("--cuts", min=1, max=100, help="Sessions after which the future is taken away and spoilt.")
    ] = DEFAULT_CUTS,
    first: FromOption = None,
    last: ToOption = None,
    feed: FeedOption = None,
    archive: ArchiveOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search for look-ahead: delete the future, replace it by noise, and compare every earlier row bit by bit.

    Names the first table, column and date that leak and what the leak reaches. Exit code 1 means that there is one.
    """
    from qgtm_jobs import lookahead as work
    from qgtm_jobs.render import progress_to, stderr_console

    begin, end = range_of(first, last)
    work.require_known(strategy_id)
    settings = settings_from(home, feed, archive)
    with progress_to(stderr_console(), quiet=as_json) as progress:
        report = work.search_stored(settings, strategy_id, begin, end, cuts, progress)
    emit(report.document(), *report.shown(), as_json=as_json)
    finish(ok=report.ok)
