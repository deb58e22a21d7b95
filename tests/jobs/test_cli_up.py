"""`qgtm up` as a whole, with the real processes: it comes up, refuses a second start, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

from qgtm_jobs.supervisor import birth_of
from qgtm_resources.embedded import free_port
from qgtm_resources.keeper import read_state

ROOT = Path(__file__).parents[2]
LOCATIONS = "{workspaceOrError{... on Workspace{locationEntries{name locationOrLoadError{__typename}}}}}"


def loaded_locations(port: int) -> dict[str, str]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql",
        data=json.dumps({"query": LOCATIONS}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as reply:
        entries = json.load(reply)["data"]["workspaceOrError"]["locationEntries"]
    return {entry["name"]: entry["locationOrLoadError"]["__typename"] for entry in entries}


def read_document(stream) -> dict:
    text = ""
    for line in stream:
        text += line
        if line.rstrip() == "}":
            break
    return json.loads(text)


def test_everything_comes_up_once_and_nothing_is_left_behind(home):
    port = free_port()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "QGTM_WEBSERVER_PORT": str(port), "QGTM_YEARS": "2"}
    command = [sys.executable, "-m", "qgtm_jobs.cli", "up", "--json"]
    with (
        (home.parent / "log").open("w") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment) as up,
    ):
        try:
            document = read_document(up.stdout)
            servers = [server["pid"] for server in read_state(home / "services")["servers"].values()]
            second = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=60)
            locations = loaded_locations(port)
        finally:
            up.send_signal(signal.SIGTERM)
            up.communicate(timeout=60)

    numbers = [entry["number"] for entry in document["processes"]] + servers
    assert [entry["process"] for entry in document["processes"]] == ["venue", "live", "research", "daemon", "webserver"]
    assert locations == {"live": "RepositoryLocation", "research": "RepositoryLocation"}
    assert second.returncode == 2
    assert f"is running on {home} already (process {up.pid})" in second.stderr
    assert up.returncode == 0
    assert [number for number in numbers if birth_of(number)] == []
    assert not (home / "up.json").exists()
