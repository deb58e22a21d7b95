"""What all commands share: options, exit codes, JSON, and how settings, servers and ledger are opened.

Nothing heavy is imported here at module level: `qgtm --help` must answer at once.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import math
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qgtm_core.errors import ConfigError, DataError, QgtmError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from qgtm_resources.clients.ledger import PostgresLedger
    from qgtm_resources.services import Services
    from qgtm_resources.settings import Settings

EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED, EXIT_TERMINATED = 0, 1, 2, 130, 143

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")]
HomeOption = Annotated[Path | None, typer.Option("--home", help="Folder QGTM keeps everything in (QGTM_HOME).")]
FeedOption = Annotated[str | None, typer.Option("--feed", help="simulated, archive or live (QGTM_FEED).")]
ArchiveOption = Annotated[
    Path | None, typer.Option("--archive", help="Folder of Parquet files; implies --feed archive (QGTM_ARCHIVE).")
]
BookOption = Annotated[str | None, typer.Option("--book", help="Name of the book (QGTM_BOOK).")]
AsOfOption = Annotated[
    str | None, typer.Option("--as-of", metavar="YYYY-MM-DD", help="Session to act on (QGTM_AS_OF).")
]
FromOption = Annotated[str | None, typer.Option("--from", metavar="YYYY-MM-DD", help="First session.")]
ToOption = Annotated[str | None, typer.Option("--to", metavar="YYYY-MM-DD", help="Last session.")]


def settings_from(
    home: Path | None = None,
    feed: str | None = None,
    archive: Path | None = None,
    as_of: str | None = None,
    book: str | None = None,
) -> Settings:
    """Read the settings; options given on the command line win. An archive folder implies its feed."""
    from qgtm_resources.settings import load_settings

    if archive is not None and feed is None:
        feed = "archive"
    return load_settings(home=home, feed=feed, archive=archive, as_of=as_of or None, book=book)


def day_of(text: str | None, option: str) -> dt.date | None:
    """Read a date option. Raises ConfigError that names the option."""
    if not text:
        return None
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{option}: {text!r} is not a date; write it as 2024-06-28") from None


def range_of(first: str | None, last: str | None) -> tuple[dt.date | None, dt.date | None]:
    """The days of `--from` and `--to`, null where not given. Raises ConfigError when they are out of order."""
    begin, end = day_of(first, "--from"), day_of(last, "--to")
    if begin is not None and end is not None and begin > end:
        raise ConfigError(f"--from {begin} lies after --to {end}")
    return begin, end


@contextmanager
def open_ledger(settings: Settings) -> Iterator[tuple[PostgresLedger, Services]]:
    """Give the ledger in its newest form, starting the embedded servers if nobody runs them."""
    from qgtm_resources.clients.ledger import PostgresLedger
    from qgtm_resources.migrations import migrate
    from qgtm_resources.services import services

    with services(settings) as running:
        migrate(running.postgres_url)
        with PostgresLedger(running.postgres_url) as ledger:
            yield ledger, running


def require_home(settings: Settings) -> None:
    """Raise ConfigError when nothing was ever kept in this home, rather than making an empty one."""
    if settings.postgres_url is None and not (settings.home / "services" / "postgres").exists():
        raise ConfigError(f"nothing is kept in {settings.home} yet; begin with `qgtm run` or `qgtm up`")


def require_book(ledger: PostgresLedger, book: str) -> None:
    """Raise ConfigError, naming the books there are, when this one is not open."""
    known = [name for name, _, _ in ledger.books()]
    if book not in known:
        there = f"there are: {', '.join(known)}" if known else "there is none yet"
        raise ConfigError(f"no book named {book!r}; {there} (choose with --book)")


def plain(value: Any) -> Any:
    """Reduce a value to what JSON knows: decimals and dates as text, enums by name, frames as lists of rows."""
    if hasattr(value, "iter_rows"):
        value = list(value.iter_rows(named=True))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, str | bytes):
        return [plain(item) for item in value]
    return _scalar(value)


def _scalar(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float) and not math.isfinite(value):
        return None  # JSON has no spelling for it
    return str(value) if isinstance(value, Decimal | dt.date | Path) else value


def emit(document: Mapping[str, Any], *shown: RenderableType, as_json: bool) -> None:
    """Print the document as JSON, or what is shown to people instead."""
    if as_json:
        sys.stdout.write(json.dumps(plain(document), indent=2, ensure_ascii=False) + "\n")
        return
    from qgtm_jobs.render import stdout_console

    console = stdout_console()
    for item in shown:
        console.print(item)


def finish(*, ok: bool) -> None:
    """End the command with exit code 1 when its work failed."""
    if not ok:
        raise typer.Exit(EXIT_FAILED)


def exit_code_of(error: QgtmError) -> int:
    """Bad settings and bad data are for the operator to repair (2); anything else is work that failed (1)."""
    return EXIT_USAGE if isinstance(error, ConfigError | DataError) else EXIT_FAILED


def stop_on_sigterm() -> None:
    """Turn SIGTERM into SystemExit, so that everything that was started is stopped on the way out."""

    def leave(_number: int, _frame: object) -> None:
        raise SystemExit(EXIT_TERMINATED)

    signal.signal(signal.SIGTERM, leave)
