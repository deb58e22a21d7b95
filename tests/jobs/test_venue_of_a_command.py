"""The paper venue that a command starts for itself ends with it, whichever way it ends."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from qgtm_jobs.venue_process import running_venue
from qgtm_resources.services import Services

COMMAND = """
import time
from qgtm_jobs.venue_process import paper_venue
from qgtm_resources.settings import load_settings
with paper_venue(load_settings()):
    print("up", flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ending with a killed parent needs Linux")
def test_the_venue_of_a_killed_command_is_not_there_for_the_next_one(tmp_path: Path, shared_services: Services) -> None:
    environment = os.environ | {"QGTM_HOME": str(tmp_path), "QGTM_POSTGRES_URL": shared_services.postgres_url}
    environment = {name: value for name, value in environment.items() if name != "QGTM_VENUE_URL"}
    command = subprocess.Popen([sys.executable, "-c", COMMAND], env=environment, stdout=subprocess.PIPE, text=True)
    assert command.stdout is not None
    assert command.stdout.readline().strip() == "up"
    assert running_venue(tmp_path) is not None
    command.kill()
    command.communicate()
    deadline = time.monotonic() + 10.0
    while running_venue(tmp_path) is not None:
        assert time.monotonic() < deadline, "the venue goes on without its command"
        time.sleep(0.05)
