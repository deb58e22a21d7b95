"""The paper venue as a child process of a command, or the one that already runs for this home."""

from __future__ import annotations

import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from qgtm_core.errors import TransientError
from qgtm_jobs.supervisor import with_parent_death
from qgtm_resources.services import process_environment
from qgtm_resources.settings import Settings
from qgtm_resources.venue.control import wait_until_up

STOP_S = 5.0


def secret_of(home: Path) -> str:
    """The venue's key for this home, made once; it guards loopback only."""
    path = home / "venue" / "secret"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(16))
    return path.read_text().strip()


def running_venue(home: Path) -> str | None:
    """Address of a venue that answers for this home, or None."""
    try:
        url = f"http://127.0.0.1:{int((home / 'venue' / 'port').read_text())}"
        return url if httpx.get(f"{url}/venue/health", timeout=1.0, trust_env=False).status_code == 200 else None
    except (OSError, ValueError, httpx.HTTPError):
        return None


@contextmanager
def paper_venue(settings: Settings) -> Iterator[None]:
    """Have QGTM_VENUE_URL and QGTM_VENUE_SECRET point at a venue; start one when none runs, and stop only that one."""
    if settings.alpaca_key is not None or settings.live_trading:
        with process_environment({"QGTM_VENUE_URL": "", "QGTM_VENUE_SECRET": ""}):
            yield
        return
    with process_environment({"QGTM_VENUE_SECRET": secret_of(settings.home)}), ExitStack() as stack:
        url = settings.venue_url or running_venue(settings.home) or stack.enter_context(_own_venue(settings))
        with process_environment({"QGTM_VENUE_URL": url}):
            yield


@contextmanager
def _own_venue(settings: Settings) -> Iterator[str]:
    """Start a venue and give its address; stop it at the end."""
    process, url = _start(settings)
    try:
        yield url
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        (settings.home / "venue" / "port").unlink(missing_ok=True)


def venue_command(settings: Settings) -> list[str]:
    """How to start the venue of this home; addresses and secrets go through the environment."""
    folder = settings.home / "venue"
    folder.mkdir(parents=True, exist_ok=True)
    return [sys.executable, "-m", "qgtm_resources.venue", "--port-file", str(folder / "port")]


def _start(settings: Settings) -> tuple[subprocess.Popen[bytes], str]:
    settings.log_folder.mkdir(parents=True, exist_ok=True)
    (settings.home / "venue" / "port").unlink(missing_ok=True)
    with (settings.log_folder / "venue.log").open("ab") as log:
        # A venue that outlives a killed command would be found by the next one, and its database is gone.
        command = with_parent_death(venue_command(settings))
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    for _ in range(150):
        if (settings.home / "venue" / "port").exists():
            break
        if process.poll() is not None:
            raise TransientError(f"the paper venue did not start: see {settings.log_folder / 'venue.log'}")
        try:
            process.wait(0.1)
        except subprocess.TimeoutExpired:
            continue
    url = f"http://127.0.0.1:{int((settings.home / 'venue' / 'port').read_text())}"
    if not wait_until_up(url):
        process.kill()
        raise TransientError(f"the paper venue does not answer: see {settings.log_folder / 'venue.log'}")
    return process, url
