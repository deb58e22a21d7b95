"""The long-running processes of `qgtm up`: which there are, how they are started and when they answer."""

from __future__ import annotations

import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from qgtm_core.errors import ConfigError
from qgtm_jobs.supervisor import ProcessSpec
from qgtm_jobs.venue_process import secret_of, venue_command
from qgtm_resources.embedded import LOOPBACK, free_port, port_in_use
from qgtm_resources.services import Services
from qgtm_resources.settings import Settings

CODE_SERVERS = ("live", "research")  # attributes of definitions.py
PROJECT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Stack:
    """Processes, the variables they all share, and the workspace file that names the code servers."""

    specs: list[ProcessSpec]
    environment: dict[str, str]
    workspace: Path


def build_stack(running: Services, *, started_at: float) -> Stack:
    """Return everything `qgtm up` runs. Raises ConfigError when the webserver's port is taken."""
    settings = running.settings
    if port_in_use(settings.webserver_port):
        raise ConfigError(f"port {settings.webserver_port} is in use; set QGTM_WEBSERVER_PORT to another one")
    venue = _venue(settings)
    ports = {name: free_port() for name in CODE_SERVERS}
    workspace = settings.dagster_home / "workspace.yaml"
    workspace.write_text(_workspace_text(ports), encoding="utf-8")
    environment = {**running.environment, **(venue.environment if venue else {})}
    specs = [venue] if venue else []
    specs += [_code_server(name, port) for name, port in ports.items()]
    specs += [_daemon(workspace, running, started_at), _webserver(workspace, settings.webserver_port)]
    return Stack(specs, environment, workspace)


def needs_venue(settings: Settings) -> bool:
    """True when orders go to our own paper venue: no broker's keys and no other venue's address are set."""
    return settings.venue_url is None and settings.alpaca_key is None and not settings.live_trading


def _venue(settings: Settings) -> ProcessSpec | None:
    if not needs_venue(settings):
        return None
    # The same port file and secret as a venue that `qgtm run` starts: while this one answers, it is used by all.
    port = settings.venue_port or free_port()
    url = f"http://{LOOPBACK}:{port}"
    command = [*venue_command(settings), "--port", str(port)]
    secret = settings.venue_secret.get_secret_value() if settings.venue_secret else secret_of(settings.home)
    return ProcessSpec(
        "venue",
        command,
        lambda: answers(f"{url}/venue/health"),
        url=url,
        environment={"QGTM_VENUE_URL": url, "QGTM_VENUE_SECRET": secret},
    )


def _code_server(name: str, port: int) -> ProcessSpec:
    return ProcessSpec(
        name,
        [
            *(sys.executable, "-m", "dagster", "api", "grpc", "--host", LOOPBACK, "--port", str(port)),
            *("--python-file", str(PROJECT / "definitions.py"), "--attribute", name),
            *("--working-directory", str(PROJECT), "--location-name", name, "--use-python-environment-entry-point"),
        ],
        lambda: _listens(port),
        url=f"grpc://{LOOPBACK}:{port}",
    )


def _daemon(workspace: Path, running: Services, started_at: float) -> ProcessSpec:
    return ProcessSpec(
        "daemon",
        [sys.executable, "-m", "dagster._daemon", "run", "--workspace", str(workspace)],
        lambda: _daemon_beats(running.environment, started_at),
        after=CODE_SERVERS,
    )


def _webserver(workspace: Path, port: int) -> ProcessSpec:
    url = f"http://{LOOPBACK}:{port}"
    return ProcessSpec(
        "webserver",
        [
            *(sys.executable, "-m", "dagster_webserver", "--host", LOOPBACK, "--port", str(port)),
            *("--workspace", str(workspace)),
        ],
        lambda: answers(f"{url}/server_info"),
        url=url,
        after=CODE_SERVERS,
    )


def _workspace_text(ports: Mapping[str, int]) -> str:
    servers = "".join(
        f"  - grpc_server: {{host: {LOOPBACK}, port: {port}, location_name: {name}}}\n" for name, port in ports.items()
    )
    return f"# Written by `qgtm up` at every start.\nload_from:\n{servers}"


def answers(url: str) -> bool:
    """True when the address answers a GET with success."""
    try:
        with urllib.request.urlopen(url, timeout=2.0) as reply:  # noqa: S310 - our own loopback address
            return bool(reply.status < 400)
    except (urllib.error.URLError, OSError):
        return False


def _listens(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((LOOPBACK, port)) == 0


def _daemon_beats(environment: Mapping[str, str], since: float) -> bool:
    """True when the daemon has written a heartbeat to Dagster's own database since the given instant (epoch, s)."""
    import psycopg2

    try:
        connection = psycopg2.connect(
            host=environment["PGHOST"],
            port=environment["PGPORT"],
            user=environment["PGUSER"],
            password=environment["PGPASSWORD"],
            dbname=environment["QGTM_DAGSTER_DATABASE"],
            connect_timeout=2,
        )
    except psycopg2.OperationalError:
        return False
    try:
        with connection.cursor() as cursor:
            # Dagster stores UTC without a zone.
            cursor.execute(
                "SELECT count(*) FROM daemon_heartbeats WHERE timestamp >= to_timestamp(%s) AT TIME ZONE 'UTC'",
                (since,),
            )
            row = cursor.fetchone()
            return row is not None and row[0] > 0
    except psycopg2.errors.UndefinedTable:
        return False
    finally:
        connection.close()
