"""The keeper: a small process that owns the embedded servers of one home for as long as anybody uses them.

Every user of the servers (a `qgtm run`, a `qgtm up`, a test session) holds a shared lock on `users.lock`. The keeper
starts the servers, writes `services.json` and then waits until it can take that lock for itself, which means that
the last user has gone, in whatever way: a lock ends with its process, so even a killed user leaves nothing running.
It imports no Dagster and no data library, and is started by `services` only.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import psycopg2

from qgtm_core.errors import QgtmError
from qgtm_resources.embedded import Server, create_database, start_postgres, start_valkey, stop_postgres, stop_valkey

POLL_SECONDS = 0.1
STATE_FILE, USERS_LOCK, KEEPER_LOCK, ERROR_FILE = "services.json", "users.lock", "keeper.lock", "keeper.error"


def lock_file(path: Path) -> IO[str]:
    """Open a lock file, made with permissions for the owner alone."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    return os.fdopen(descriptor, "r+")


def try_lock(file: IO[str], kind: int) -> bool:
    """Take the lock if that is possible at once."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def read_state(folder: Path) -> dict[str, Any]:
    """Return what the last keeper wrote: passwords, servers and whether it was ready. Empty when there is none."""
    try:
        state: dict[str, Any] = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return state


def _write_state(folder: Path, state: dict[str, Any]) -> None:
    fresh = folder / f"{STATE_FILE}.new"
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(state, file, indent=1)
    fresh.replace(folder / STATE_FILE)


def _start(folder: Path, wanted: Sequence[str], *, durable: bool) -> list[Server]:
    state = read_state(folder)
    password = state.get("password") or secrets.token_hex(24)
    # Before the first server is made: a PostgreSQL whose password was not written down would be lost.
    _write_state(folder, {"password": password, "servers": state.get("servers", {}), "ready": False})
    servers: list[Server] = []
    if "postgres" in wanted:
        postgres = start_postgres(folder / "postgres", password, durable=durable)
        servers.append(postgres)
        create_database(postgres.url, "qgtm")
    if "valkey" in wanted:
        previous = state.get("servers", {}).get("valkey")
        servers.append(start_valkey(folder / "valkey", password, Server(**previous) if previous else None))
    _write_state(
        folder, {"password": password, "servers": {server.name: asdict(server) for server in servers}, "ready": True}
    )
    return servers


def _stop(folder: Path, servers: Sequence[Server]) -> None:
    for server in servers:
        (stop_postgres if server.name == "postgres" else stop_valkey)(server)
    _write_state(folder, {**read_state(folder), "servers": {}, "ready": False})


def keep(folder: Path, wanted: Sequence[str], *, durable: bool = True) -> int:
    """Own the servers until nobody uses them; returns the exit code."""
    stopping = False

    def stop_soon(_number: int, _frame: object) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, stop_soon)  # the machine is shutting down
    with lock_file(folder / KEEPER_LOCK) as keeper, lock_file(folder / USERS_LOCK) as users:
        if not try_lock(keeper, fcntl.LOCK_EX):
            return 0  # another keeper was quicker
        if os.fork() > 0:
            os._exit(0)  # the lock goes on with the child, which belongs to no user and so outlives the first one
        try:
            servers = _start(folder, wanted, durable=durable)
        except (QgtmError, OSError, subprocess.SubprocessError, psycopg2.Error) as error:
            (folder / ERROR_FILE).write_text(f"{type(error).__name__}: {error}", encoding="utf-8")
            return 1
        while not stopping and not try_lock(users, fcntl.LOCK_EX):
            time.sleep(POLL_SECONDS)
        _stop(folder, servers)
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `python -m qgtm_resources.keeper FOLDER postgres valkey [--not-durable]`."""
    parser = argparse.ArgumentParser(prog="qgtm_resources.keeper", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("wanted", nargs="+", choices=["postgres", "valkey"])
    parser.add_argument("--not-durable", action="store_true", help="give up safety against a power cut (tests)")
    given = parser.parse_args(arguments)
    with suppress(KeyboardInterrupt):
        return keep(given.folder, given.wanted, durable=not given.not_durable)
    return 1


if __name__ == "__main__":
    sys.exit(main())
