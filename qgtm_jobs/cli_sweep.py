"""`qgtm sweep [ID] --set name=value,value`: vary the portfolio's policy or a strategy's parameters."""

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
    range_of,
    settings_from,
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(sweep)


def sweep(
    strategy_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="One strategy; none = the policy.")] = None,
    values: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=V,V", help="Values of one parameter; may be repeated.")
    ] = None,
    first: FromOption = None,
    last: ToOption = None,
    feed: FeedOption = None,
    archive: ArchiveOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Try all combinations of the values given: the portfolio's policy, one run each, or a strategy's parameters.

    The policy can vary annual_vol_target, allow_short and simulated_reset_sessions. Every set tried is counted for ever
    and makes the deflated Sharpe ratio stricter.
    """
    from qgtm_jobs import sweeps
    from qgtm_jobs.render import progress_to, stderr_console

    settings, chosen = settings_from(home, feed, archive), sweeps.points_of(values or [])
    begin, end = range_of(first, last)
    with progress_to(stderr_console(), quiet=as_json) as progress:
        report = sweeps.sweep(settings, strategy_id, chosen, begin, end, progress)
    emit(report.document(), *report.shown(), as_json=as_json)
