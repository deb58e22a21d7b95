"""`qgtm strategies` and `qgtm strategies show ID`: what there is, what it needs, what it last said."""

from __future__ import annotations

from typing import Annotated

import typer

from qgtm_core.errors import ConfigError
from qgtm_jobs.cli_support import ArchiveOption, FeedOption, HomeOption, JsonOption, emit, settings_from

commands = typer.Typer(
    name="strategies", invoke_without_command=True, no_args_is_help=False, rich_markup_mode=None, add_completion=False
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(commands)


@commands.callback()
def listed(
    context: typer.Context,
    category: Annotated[str | None, typer.Option("--category", help="Show one category only.")] = None,
    status: Annotated[str | None, typer.Option("--status", help="PAPER, RESEARCH or DEAD only.")] = None,
    data: Annotated[str | None, typer.Option("--data", help="available or missing: by the data they need.")] = None,
    feed: FeedOption = None,
    archive: ArchiveOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List every strategy: status, the data it misses, its last signal and how old that is."""
    if context.invoked_subcommand is not None:
        return
    from qgtm_jobs import library, render
    from qgtm_resources.clients.warehouse import Warehouse

    if data not in {None, "available", "missing"}:
        raise ConfigError(f"--data: {data!r} is neither 'available' nor 'missing'")
    wanted = library.chosen(category, status)
    if not wanted:
        _refuse(category, status)
    settings = settings_from(home, feed, archive)
    entries = library.read(Warehouse(settings.warehouse_folder), wanted)
    if data is not None:
        entries = [entry for entry in entries if bool(entry.missing) == (data == "missing")]
    frame = library.listing(entries)
    title = f"{len(entries)} strategies, feed {settings.feed.value}; `qgtm strategies show ID` tells more"
    emit(
        {"strategies": [entry.document() for entry in entries]},
        render.table(title, frame, limit=len(entries)),
        as_json=as_json,
    )


@commands.command()
def show(
    strategy_id: Annotated[str, typer.Argument(metavar="ID", help="Its id, as `qgtm strategies` lists it.")],
    feed: FeedOption = None,
    archive: ArchiveOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one strategy: why, formula, parameters, its data with their newest rows, its last 20 signals."""
    from qgtm_core.strategies.registry import REGISTRY
    from qgtm_jobs import library
    from qgtm_resources.clients.warehouse import Warehouse

    if strategy_id not in REGISTRY:
        near = ", ".join(_near(strategy_id, tuple(REGISTRY))) or "see `qgtm strategies`"
        raise ConfigError(f"there is no strategy {strategy_id!r}; near it: {near}")
    settings = settings_from(home, feed, archive)
    warehouse = Warehouse(settings.warehouse_folder)
    (entry,) = library.read(warehouse, [REGISTRY[strategy_id]])
    signals = library.recent(warehouse, entry.strategy)
    emit(
        {**entry.document(), "signals": signals},
        *library.pages(entry, signals),
        as_json=as_json,
    )


@commands.command()
def shadow(
    fit: Annotated[
        bool, typer.Option("--fit", help="First make the fits that are due; the first time takes minutes.")
    ] = False,
    feed: FeedOption = None,
    archive: ArchiveOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compute the strategies that do not trade, for the newest session: research, options, order templates."""
    from qgtm_jobs import operations
    from qgtm_jobs.render import progress_to, stderr_console

    settings = settings_from(home, feed, archive)
    with progress_to(stderr_console(), quiet=as_json) as progress:
        report = operations.shadow(settings, progress, fit=fit)
    emit(report.document(), *report.shown(), as_json=as_json)


def _near(text: str, known: tuple[str, ...]) -> list[str]:
    import difflib

    return difflib.get_close_matches(text, known, n=3, cutoff=0.4)


def _refuse(category: str | None, status: str | None) -> None:
    from qgtm_core.strategies.registry import REGISTRY

    categories = {s.category for s in REGISTRY.values()}
    if category is not None and category not in categories:
        raise ConfigError(f"--category: there is no {category!r}; there are {', '.join(sorted(categories))}")
    statuses = sorted({s.status.value for s in REGISTRY.values()})
    raise ConfigError(f"--status: no strategy of that kind is {status!r}; there are {', '.join(statuses)}")
