"""PostgreSQL and Redis for whoever needs them: the addresses in the settings, or embedded servers under the home.

`services(settings)` gives settings with both addresses filled in. Any number of processes may use one home at the
same time: the first one starts the servers, the last one to leave stops them (how: see `keeper`).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit

import psycopg2
from pydantic import SecretStr

from qgtm_core.errors import ConfigError, TransientError
from qgtm_resources.embedded import create_database
from qgtm_resources.keeper import ERROR_FILE, KEEPER_LOCK, USERS_LOCK, lock_file, read_state, try_lock
from qgtm_resources.settings import Settings, plain_postgres_url, settings_environment

START_SECONDS = 90.0
STOP_SECONDS = 45.0
START_ATTEMPTS = 3  # of a keeper that ends without a word
_PROJECT = Path(__file__).resolve().parent.parent

# What makes range runs cheap: one row for all planned partitions, and events written in batches.
DAGSTER_ENVIRONMENT = {
    "DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS": "1",
    "DAGSTER_EVENT_BATCH_SIZE": "2000",
    "DAGSTER_DISABLE_TELEMETRY": "1",
}


@dataclass(frozen=True, slots=True)
class Services:
    """Where the two servers answer, and the settings that say so."""

    settings: Settings
    postgres_url: str
    redis_url: str

    @property
    def environment(self) -> dict[str, str]:
        """Variables for this and for child processes: settings, PG*, DAGSTER_*. Holds secrets."""
        return {
            **settings_environment(self.settings),
            **_libpq_environment(self.postgres_url),
            **DAGSTER_ENVIRONMENT,
            "DAGSTER_HOME": str(self.settings.dagster_home),
            "QGTM_DAGSTER_DATABASE": self.settings.dagster_database,
        }


@contextmanager
def services(settings: Settings, *, durable: bool = True) -> Iterator[Services]:
    """Give the two servers, starting what is missing; the environment of this process is set meanwhile.

    Raises ConfigError when an embedded server is not to be had on this platform (the message names the variable to
    set) and TransientError when one does not start.
    """
    wanted = _wanted(settings)
    with ExitStack() as stack:
        state = stack.enter_context(_embedded(settings.home / "services", wanted, durable)) if wanted else {}
        postgres = _address(settings.postgres_url, state, "postgres")
        found = Services(
            settings.model_copy(
                update={
                    "postgres_url": SecretStr(postgres),
                    "redis_url": SecretStr(_address(settings.redis_url, state, "valkey")),
                }
            ),
            postgres,
            _address(settings.redis_url, state, "valkey"),
        )
        _ensure_dagster_database(postgres, settings.dagster_database)
        prepare_dagster_home(settings)
        stack.enter_context(process_environment(found.environment))
        yield found


def prepare_dagster_home(settings: Settings) -> None:
    """Put the project's dagster.yaml where Dagster looks for it."""
    home = settings.dagster_home
    home.mkdir(parents=True, exist_ok=True)
    source, target = _PROJECT / "dagster.yaml", home / "dagster.yaml"
    if source.exists() and (not target.exists() or target.read_bytes() != source.read_bytes()):
        fresh = target.with_suffix(f".{os.getpid()}.new")
        shutil.copyfile(source, fresh)
        fresh.replace(target)


def _ensure_dagster_database(url: str, name: str) -> None:
    """Dagster's own tables live beside ours on the same server, in a database of their own."""
    try:
        create_database(url, name)
    except psycopg2.OperationalError as error:
        raise TransientError(f"QGTM_POSTGRES_URL: the server does not answer: {_first_line(error)}") from None
    except psycopg2.errors.InsufficientPrivilege:
        raise ConfigError(
            f"QGTM_POSTGRES_URL: this user may not create the database `{name}`; create it once"
        ) from None


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _wanted(settings: Settings) -> list[str]:
    addresses = {"postgres": settings.postgres_url, "valkey": settings.redis_url}
    return [name for name, url in addresses.items() if url is None]


def _address(given: SecretStr | None, state: Mapping[str, Any], name: str) -> str:
    if given is not None:
        return given.get_secret_value()
    url: str = state["servers"][name]["url"]
    return url.removesuffix("/postgres") + "/qgtm" if name == "postgres" else url


@contextmanager
def _embedded(folder: Path, wanted: list[str], durable: bool) -> Iterator[dict[str, Any]]:
    _make_private_folder(folder)
    with lock_file(folder / USERS_LOCK) as users:
        # Waits only while a keeper is stopping its servers; then ours will start them afresh.
        fcntl.flock(users, fcntl.LOCK_SH)
        state = _ready_state(folder, wanted, durable)
        missing = [name for name in wanted if name not in state["servers"]]
        if missing:
            raise ConfigError(
                f"another process uses {folder.parent} with other settings and runs no {', '.join(missing)}; "
                "end it first or give both the same settings"
            )
        try:
            yield state
        finally:
            _leave(folder, users)


def _make_private_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"QGTM_HOME: {folder.parent} cannot be written: {error.strerror}") from None
    folder.chmod(0o711)  # the data folders and the files with passwords below are the owner's alone


def _ready_state(folder: Path, wanted: list[str], durable: bool) -> dict[str, Any]:
    """Return the state of the running keeper, after starting one if there is none."""
    deadline = time.monotonic() + START_SECONDS
    started = 0
    while time.monotonic() < deadline and started <= START_ATTEMPTS:
        if _keeper_runs(folder):
            state = read_state(folder)
            if state.get("ready"):
                return state
        elif started and (folder / ERROR_FILE).exists():
            raise _keeper_error(folder)
        else:
            (folder / ERROR_FILE).unlink(missing_ok=True)
            _start_keeper(folder, wanted, durable)
            started += 1
        time.sleep(0.05)
    raise TransientError(f"the embedded servers of {folder.parent} did not start; see {folder / 'keeper.log'}")


def _keeper_runs(folder: Path) -> bool:
    with lock_file(folder / KEEPER_LOCK) as keeper:
        return not try_lock(keeper, fcntl.LOCK_SH)


def _start_keeper(folder: Path, wanted: list[str], durable: bool) -> None:
    """Start the keeper; the command ends at once and leaves it behind, holding its lock."""
    command = [sys.executable, "-m", "qgtm_resources.keeper", str(folder), *wanted]
    if not durable:
        command.append("--not-durable")
    with (folder / "keeper.log").open("ab") as log:
        subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd=_PROJECT,
            timeout=START_SECONDS,
            check=True,
        )


def _keeper_error(folder: Path) -> Exception:
    name, _, message = (folder / ERROR_FILE).read_text(encoding="utf-8").partition(": ")
    return ConfigError(message) if name == "ConfigError" else TransientError(message)


def _leave(folder: Path, users: IO[str]) -> None:
    """Give up the servers; when nobody else uses them, wait until the keeper has stopped them."""
    last = try_lock(users, fcntl.LOCK_EX)
    fcntl.flock(users, fcntl.LOCK_UN)
    deadline = time.monotonic() + (STOP_SECONDS if last else 0.0)
    while time.monotonic() < deadline and _keeper_runs(folder):
        time.sleep(0.05)


def _libpq_environment(url: str) -> dict[str, str]:
    """Return the PG* variables of the address, with which dagster.yaml finds its own database on the same server."""
    parts = urlsplit(plain_postgres_url(url))
    return {
        "PGHOST": parts.hostname or "localhost",
        "PGPORT": str(parts.port or 5432),
        "PGUSER": unquote(parts.username or ""),
        "PGPASSWORD": unquote(parts.password or ""),
    }


@contextmanager
def process_environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set variables of this process, and put the old ones back at the end."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
