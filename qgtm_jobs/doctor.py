"""Looks at everything an installation needs and says what is wrong and how to repair it. Changes nothing of value."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from qgtm_core.errors import ConfigError, QgtmError
from qgtm_core.types import FeedMode
from qgtm_resources.settings import Settings, plain_postgres_url

if TYPE_CHECKING:
    import polars as pl

    from qgtm_resources.services import Services

GIGABYTE = 1e9
LITTLE_DISK_GB, TOO_LITTLE_DISK_GB = 5.0, 0.5


class Verdict(StrEnum):
    """Outcome of one look."""

    OK = "ok"
    WARN = "warning"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; `detail` names the remedy unless all is well."""

    what: str
    verdict: Verdict
    detail: str


def examine(settings: Settings) -> Iterator[Finding]:
    """Yield the findings in order, each as soon as it is known; servers are started for the purpose if none run."""
    yield _python()
    yield _disk(settings.home)
    yield from _wheels(settings)
    yield _port(settings)
    with ExitStack() as stack:
        running: list[Services] = []
        yield _guarded("servers", lambda: _servers(settings, stack, running))
        if running:
            yield _guarded("PostgreSQL", lambda: _postgres(running[0]))
            yield _guarded("Redis", lambda: _redis(running[0]))
            yield _guarded("ledger", lambda: _ledger(running[0]))
            yield _guarded("audit log", lambda: _audit(running[0]))
    yield _guarded("feed", lambda: _feed(settings))
    yield _mode(settings)


def feed_files(settings: Settings) -> pl.DataFrame:
    """Return `table, file, state, rows, first, last` for every raw table of the archive; first and last are dates.

    `state` is `found`, `missing` or what is wrong with the file. Values are not checked here, structure is.
    """
    import polars as pl

    from qgtm_core.errors import DataError
    from qgtm_resources.feeds.archive_file import scan
    from qgtm_resources.feeds.archive_layout import FILES

    if settings.archive is None:
        raise ConfigError("there are files for QGTM_FEED=archive only; set QGTM_ARCHIVE or give --archive")
    rows = []
    for table, layout in FILES.items():
        row = {"table": table, "file": layout.file, "state": "missing", "rows": None, "first": None, "last": None}
        try:
            frame = scan(settings.archive, layout)
        except DataError as error:
            row["state"] = str(error)
            frame = None
        if frame is not None:
            names = frame.collect_schema().names()
            when = next((name for name in ("event_date", "event_at", "vintage_date") if name in names), None)
            column = pl.col(when).cast(pl.Date) if when else pl.lit(None, dtype=pl.Date)
            found = frame.select(rows=pl.len(), first=column.min(), last=column.max()).collect().row(0, named=True)
            row |= {"state": "found", **found}
        rows.append(row)
    schema = {
        "table": pl.String,
        "file": pl.String,
        "state": pl.String,
        "rows": pl.Int64,
        "first": pl.Date,
        "last": pl.Date,
    }
    return pl.DataFrame(rows, schema=schema)


def _guarded(what: str, look: Callable[[], Finding]) -> Finding:
    """Return what the look finds; an error of ours is a finding too."""
    try:
        return look()
    except QgtmError as error:
        return Finding(what, Verdict.FAIL, str(error))


def _python() -> Finding:
    version = sys.version.split()[0]
    fine = sys.version_info >= (3, 11)
    return Finding("Python", Verdict.OK if fine else Verdict.FAIL, version if fine else f"{version}; 3.11 is needed")


def _disk(home: Path) -> Finding:
    there = next(folder for folder in (home, *home.parents) if folder.exists())
    if not os.access(there, os.W_OK):
        return Finding("disk", Verdict.FAIL, f"QGTM_HOME: {there} cannot be written by this user")
    free = shutil.disk_usage(there).free / GIGABYTE
    verdict = Verdict.FAIL if free < TOO_LITTLE_DISK_GB else Verdict.WARN if free < LITTLE_DISK_GB else Verdict.OK
    remedy = "" if verdict is Verdict.OK else "; make room or set QGTM_HOME to another disk"
    return Finding("disk", verdict, f"{free:.1f} GB free at {there}{remedy}")


def _wheels(settings: Settings) -> Iterator[Finding]:
    from qgtm_resources.embedded import postgres_programs, valkey_program

    for what, url, find in (
        ("PostgreSQL programs", settings.postgres_url, postgres_programs),
        ("Valkey program", settings.redis_url, valkey_program),
    ):
        if url is not None:
            yield Finding(what, Verdict.OK, "not needed: an address is set")
        else:
            yield _guarded(what, lambda what=what, find=find: Finding(what, Verdict.OK, str(find())))  # type: ignore[misc]


def _port(settings: Settings) -> Finding:
    from qgtm_jobs.cli_up import up_runs
    from qgtm_resources.embedded import port_in_use

    port, what = settings.webserver_port, "webserver port"
    if not port_in_use(port):
        return Finding(what, Verdict.OK, f"{port} is free")
    if up_runs(settings.home):
        return Finding(what, Verdict.OK, f"{port} is used by `qgtm up` of this home")
    return Finding(what, Verdict.WARN, f"{port} is in use; set QGTM_WEBSERVER_PORT before `qgtm up`")


def _servers(settings: Settings, stack: ExitStack, running: list[Services]) -> Finding:
    from qgtm_resources.services import services

    running.append(stack.enter_context(services(settings)))
    embedded = [
        name for name, url in (("PostgreSQL", settings.postgres_url), ("Valkey", settings.redis_url)) if url is None
    ]
    return Finding("servers", Verdict.OK, f"embedded: {', '.join(embedded)}" if embedded else "as set by addresses")


def _postgres(running: Services) -> Finding:
    import psycopg2

    try:
        connection = psycopg2.connect(plain_postgres_url(running.postgres_url), connect_timeout=5)
    except psycopg2.OperationalError as error:
        return Finding("PostgreSQL", Verdict.FAIL, f"does not answer: {str(error).strip().splitlines()[0]}")
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version'), current_setting('fsync')")
        version, fsync = cursor.fetchone() or ("?", "?")
    connection.close()
    if fsync != "on":
        return Finding("PostgreSQL", Verdict.WARN, f"{version}, fsync is {fsync}: a power cut may lose the ledger")
    return Finding("PostgreSQL", Verdict.OK, f"{version}, fsync on")


def _redis(running: Services) -> Finding:
    import redis

    client = redis.Redis.from_url(running.redis_url, socket_timeout=5, socket_connect_timeout=5)
    try:
        client.ping()
    except redis.RedisError as error:
        return Finding("Redis", Verdict.FAIL, f"does not answer: {error}")
    finally:
        client.close()
    return Finding("Redis", Verdict.OK, "answers")


def _ledger(running: Services) -> Finding:
    from qgtm_resources.clients.ledger import PostgresLedger
    from qgtm_resources.migrations import migrate

    migrate(running.postgres_url)
    with PostgresLedger(running.postgres_url) as ledger:
        books = [name for name, _, _ in ledger.books()]
    return Finding("ledger", Verdict.OK, f"newest form; books: {', '.join(books) or 'none yet'}")


def _audit(running: Services) -> Finding:
    from qgtm_resources.clients.ledger import PostgresLedger

    with PostgresLedger(running.postgres_url) as ledger:
        report = ledger.audit_verify()
    if report.ok:
        return Finding("audit log", Verdict.OK, f"{report.size} leaves verified")
    return Finding("audit log", Verdict.FAIL, f"leaf {report.first_bad_index}: {report.problem}")


def _feed(settings: Settings) -> Finding:
    if settings.feed is FeedMode.SIMULATED:
        return Finding("feed", Verdict.OK, f"simulated market, seed {settings.seed}, {settings.years} years")
    if settings.feed is FeedMode.LIVE:
        return Finding(
            "feed", Verdict.FAIL, "live provider clients are not part of this release; use archive or simulated"
        )
    files = feed_files(settings)
    broken = files.filter(~files["state"].is_in(["found", "missing"]))
    if broken.height:
        return Finding("feed", Verdict.FAIL, "; ".join(broken["state"]))
    found = files.filter(files["state"] == "found")
    if "bars_daily" not in found["table"]:
        return Finding("feed", Verdict.FAIL, f"QGTM_ARCHIVE: {settings.archive} holds no bars_daily.parquet")
    missing = files.filter(files["state"] == "missing")["table"].to_list()
    detail = f"{found.height} files, {found['rows'].sum():,} rows"
    return Finding(
        "feed",
        Verdict.WARN if missing else Verdict.OK,
        detail + (f"; missing: {', '.join(missing)}" if missing else ""),
    )


def _mode(settings: Settings) -> Finding:
    if settings.live_trading:
        return Finding("orders", Verdict.WARN, "REAL MONEY: QGTM_LIVE_TRADING is set")
    where = "Alpaca paper account" if settings.alpaca_key else settings.venue_url or "our own paper venue"
    return Finding("orders", Verdict.OK, f"paper only: {where}, book {settings.book_name}")
