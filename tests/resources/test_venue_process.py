"""The paper venue as a process of its own: quick to answer, quiet to stop, whole after a SIGKILL."""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from qgtm_core.errors import ConfigError
from qgtm_resources.services import Services
from qgtm_resources.venue.__main__ import parse
from qgtm_resources.venue.control import VenueControl
from tests.resources.venue_support import Account, eventually, own_database

SESSION = dt.date(2024, 6, 28)  # in the simulated market, whichever seed


@contextmanager
def venue_process(folder: Path, postgres_url: str, end: int = signal.SIGTERM) -> Iterator[tuple[str, str, float]]:
    """Address, secret and seconds to the first answer; ended by the signal."""
    port_file = folder / "port"
    port_file.unlink(missing_ok=True)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("QGTM_")} | {
        "QGTM_POSTGRES_URL": postgres_url,
        "QGTM_YEARS": "2",
        "QGTM_START_CASH_USD": "500000",
    }
    started = time.monotonic()
    command = [sys.executable, "-m", "qgtm_resources.venue", "--port-file", str(port_file)]
    process = subprocess.Popen(command, env=environment, cwd=Path(__file__).parents[2])
    try:
        assert eventually(port_file.exists, 30.0)
        url = f"http://127.0.0.1:{port_file.read_text()}"
        assert eventually(lambda: _answers(url), 30.0)
        yield url, (folder / "port.secret").read_text(), time.monotonic() - started
    finally:
        process.send_signal(end)
        process.wait(15)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url + "/venue/health", timeout=2.0, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def test_the_process_answers_before_its_market_is_loaded_and_survives_a_kill(
    tmp_path: Path, shared_services: Services, monkeypatch: pytest.MonkeyPatch
):
    database = own_database(shared_services)
    with venue_process(tmp_path, database, end=signal.SIGKILL) as (url, secret, answered_s):
        monkeypatch.setattr("tests.resources.venue_support.SECRET", secret)
        account = Account(url, "sim", VenueControl(url, "sim", secret, timeout_s=60.0))
        account.control.move_session(SESSION)
        assert Decimal(account.get("/v2/account")["cash"]) == 500_000
        account.order("GLD", "10", client_order_id="before the kill")
        before = account.get("/v2/account")
    with venue_process(tmp_path, database) as (url, secret_again, _):
        monkeypatch.setattr("tests.resources.venue_support.SECRET", secret_again)
        account = Account(url, "sim", VenueControl(url, "sim", secret_again))

        assert account.get("/v2/account") == before
        assert account.get("/v2/positions/GLD")["qty"] == "10"
        assert account.order(client_order_id="before the kill").status_code == 422
    assert answered_s < 10.0  # 0.9 s on a quiet machine; the bound is for a crowded one
    assert (tmp_path / "port.secret").stat().st_mode & 0o077 == 0


def test_a_venue_without_a_database_or_a_secret_says_what_to_set(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("QGTM_POSTGRES_URL", raising=False)
    monkeypatch.delenv("QGTM_VENUE_SECRET", raising=False)
    with pytest.raises(ConfigError, match="QGTM_POSTGRES_URL"):
        parse([])
    with pytest.raises(ConfigError, match="QGTM_VENUE_SECRET"):
        parse(["--postgres-url", "postgresql://x/y"])
    options = parse(["--postgres-url", "postgresql://x/y", "--secret", "s", "--port", "8123"])
    assert (options.port, options.feed, options.seed) == (8123, "simulated", 7)
