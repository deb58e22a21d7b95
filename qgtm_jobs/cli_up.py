"""`qgtm up`: everything that runs for long, under one supervisor, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import fcntl
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qgtm_core.errors import ConfigError, TransientError
from qgtm_jobs.cli_support import (
    ArchiveOption,
    AsOfOption,
    BookOption,
    FeedOption,
    HomeOption,
    JsonOption,
    emit,
    finish,
    settings_from,
)

if TYPE_CHECKING:
    from qgtm_jobs.stack import Stack
    from qgtm_jobs.supervisor import Supervisor
    from qgtm_resources.settings import Settings

READY_S = 180.0
NOTABLE = ("WARNING", "ERROR", "CRITICAL", "RUN_START", "RUN_SUCCESS", "RUN_FAILURE", "RUN_CANCELED")
STATE_FILE, LOCK_FILE = "up.json", "up.lock"


def up(
    feed: FeedOption = None,
    archive: ArchiveOption = None,
    as_of: AsOfOption = None,
    book: BookOption = None,
    home: HomeOption = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Print every line of every process.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Run everything until Ctrl-C: servers, paper venue, code servers, daemon, webserver.

    The terminal shows starts, ends, runs, warnings and errors; logs/up.log holds every line. With --json, one
    document is printed when everything answers, and the log goes to standard error.
    """
    settings = settings_from(home, feed, archive, as_of, book)
    with ExitStack() as stack:
        stack.enter_context(only_one(settings.home))
        finish(ok=_serve(settings, stack, verbose=verbose, as_json=as_json))


def up_runs(home: Path) -> bool:
    """True while a `qgtm up` uses this home."""
    lock = home / LOCK_FILE
    if not lock.exists():
        return False
    with lock.open("r+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@contextmanager
def only_one(home: Path) -> Iterator[None]:
    """Hold the lock of `qgtm up`. Raises ConfigError, naming the process, when another one holds it."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        file = os.fdopen(os.open(home / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+")
    except OSError as error:
        raise ConfigError(f"QGTM_HOME: {home} cannot be written: {error.strerror}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                f"`qgtm up` is running on {home} already (process {file.read().strip() or 'unknown'}); "
                "stop it first or choose another --home"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _serve(settings: Settings, stack: ExitStack, *, verbose: bool, as_json: bool) -> bool:
    from qgtm_jobs.render import stderr_console, stdout_console
    from qgtm_jobs.stack import build_stack
    from qgtm_jobs.supervisor import Supervisor
    from qgtm_resources.migrations import migrate
    from qgtm_resources.services import services

    console = stderr_console() if as_json else stdout_console()
    running = stack.enter_context(services(settings))
    migrate(running.postgres_url)
    _end_runs_of_a_former_daemon(running.postgres_url)
    plan = build_stack(running, started_at=time.time())
    os.environ.update(plan.environment)

    def report(name: str, line: str) -> None:
        if verbose or name == "up" or any(word in line for word in NOTABLE):
            console.print(f"{name:<10} {line}", markup=False, highlight=False, soft_wrap=True)

    supervisor = stack.enter_context(Supervisor(plan.specs, settings.log_folder, settings.home / STATE_FILE, report))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: supervisor.stop_soon())
    silent = supervisor.wait_until_ready(READY_S)
    if supervisor.stopping:
        return True
    if silent:
        raise TransientError(f"{', '.join(silent)} did not come up; see {settings.log_folder / 'up.log'}")
    _announce(settings, plan, supervisor, as_json=as_json)
    supervisor.run()
    report("up", "stopping")
    return not supervisor.given_up


def _end_runs_of_a_former_daemon(postgres_url: str) -> None:
    """A daemon that was killed leaves runs behind that hold pool slots; nobody else can have a daemon on this home."""
    import dagster as dg

    from qgtm_jobs.leftovers import end_dead_runs

    with dg.DagsterInstance.get() as instance:
        end_dead_runs(instance, postgres_url, daemon_is_gone=True)


def _announce(settings: Settings, plan: Stack, supervisor: Supervisor, *, as_json: bool) -> None:
    import polars as pl

    from qgtm_jobs import render

    numbers = supervisor.processes
    rows: list[dict[str, Any]] = [
        {"process": spec.name, "number": numbers.get(spec.name), "address": spec.url or None} for spec in plan.specs
    ]
    document = {"ready": True, "feed": settings.feed.value, "book": settings.book_name, "processes": rows}
    title = f"ready: feed {settings.feed.value}, book {settings.book_name}"
    address, log = f"http://127.0.0.1:{settings.webserver_port}", settings.log_folder / "up.log"
    note = f"Open {address}. Log: {log}. Ctrl-C stops everything."
    emit(document, render.table(title, pl.DataFrame(rows)), note, as_json=as_json)
