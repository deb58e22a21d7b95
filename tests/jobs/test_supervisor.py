"""The supervisor: one log, restarts with pauses, nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from qgtm_jobs import supervisor as module
from qgtm_jobs.supervisor import ProcessSpec, Supervisor, birth_of, end_leftovers, rotate

ROOT = Path(__file__).parents[2]
SLEEP = [sys.executable, "-c", "import time; print('here', flush=True); time.sleep(600)"]


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch):
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(module, "POLL_S", 0.02)


@pytest.fixture
def lines():
    return []


@pytest.fixture
def supervise(tmp_path, lines):
    def make(*specs: ProcessSpec) -> Supervisor:
        return Supervisor(
            specs, tmp_path / "logs", tmp_path / "up.json", lambda name, line: lines.append(f"{name}: {line}")
        )

    return make


def gone(number: int, seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not birth_of(number):
            return True
        time.sleep(0.02)
    return False


def wait_for(condition, seconds: float = 15.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_all_processes_run_until_the_end_and_write_one_log(supervise, lines, tmp_path):
    with supervise(*(ProcessSpec(name, SLEEP, lambda: True) for name in ("one", "two"))) as running:
        assert running.wait_until_ready(10) == []
        numbers = running.processes
        assert wait_for(lambda: {"one: here", "two: here"} <= set(lines))
        assert set(json.loads((tmp_path / "up.json").read_text())) == {"one", "two"}

    assert all(gone(number) for number in numbers.values())
    assert not (tmp_path / "up.json").exists()
    assert "here" in (tmp_path / "logs" / "up.log").read_text()
    assert (tmp_path / "logs" / "one.log").read_text() == "here\n"


def test_a_crashed_process_is_started_again(supervise, lines):
    with supervise(ProcessSpec("one", SLEEP, lambda: True)) as running:
        running.wait_until_ready(10)
        first = running.processes["one"]
        os.kill(first, signal.SIGKILL)

        assert wait_for(lambda: running.tick() or running.processes.get("one", first) != first)
        assert any("one ended with code -9; starting it again" in line for line in lines)
        assert running.given_up == []


def test_a_process_that_crashes_every_time_is_given_up_and_named(supervise, lines):
    broken = ProcessSpec("broken", [sys.executable, "-c", "raise SystemExit(3)"], lambda: False)

    with supervise(broken, ProcessSpec("fine", SLEEP, lambda: True)) as running:
        assert running.wait_until_ready(30) == ["broken"]
        assert running.given_up == ["broken"]
        assert "fine" in running.processes

    assert any("ended with code 3, 5 times in a row: given up" in line for line in lines)


def test_a_process_waits_for_those_it_comes_after(supervise, lines):
    answers = []
    first = ProcessSpec("first", SLEEP, lambda: bool(answers))

    with supervise(first, ProcessSpec("second", SLEEP, lambda: True, after=("first",))) as running:
        assert running.wait_until_ready(0.3) == ["first", "second"]
        assert set(running.processes) == {"first"}
        answers.append(True)
        assert running.wait_until_ready(10) == []
        assert set(running.processes) == {"first", "second"}


def test_a_process_that_ignores_the_request_to_stop_is_killed_with_its_children(supervise, monkeypatch, lines):
    monkeypatch.setattr(module, "STOP_S", 0.3)
    stubborn = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); "
        "print(child.pid, flush=True); time.sleep(600)"
    )
    with supervise(ProcessSpec("stubborn", [sys.executable, "-c", stubborn], lambda: True)) as running:
        running.wait_until_ready(10)
        assert wait_for(lambda: any(line.startswith("stubborn: ") for line in lines))
        child = int(next(line for line in lines if line.startswith("stubborn: ")).split()[1])
        parent = running.processes["stubborn"]

    assert gone(parent)
    assert gone(child)


OWNER = """
import sys, time
from pathlib import Path
from qgtm_jobs.supervisor import ProcessSpec, Supervisor
folder = Path(sys.argv[1])
command = [sys.executable, "-c", "import time; time.sleep(600)"]
one = ProcessSpec("one", command, lambda: True)
with Supervisor([one], folder / "logs", folder / "up.json", lambda *_: None) as running:
    running.wait_until_ready(30)
    print(running.processes["one"], flush=True)
    time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help exists on Linux only; see the next test")
def test_children_end_with_a_supervisor_that_is_killed(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE, env=environment
    ) as owner:
        number = int(owner.stdout.readline())
        owner.kill()

    assert gone(number)


def test_what_a_killed_supervisor_left_behind_is_ended_at_the_next_start(tmp_path):
    with subprocess.Popen(SLEEP, stdout=subprocess.DEVNULL, start_new_session=True) as left:
        state = tmp_path / "up.json"
        state.write_text(json.dumps({"one": [left.pid, birth_of(left.pid)]}))

        assert end_leftovers(state) == ["one"]

        assert left.wait(10) in {-signal.SIGTERM, -signal.SIGKILL}  # the latter where a busy machine was slow to obey
    assert not state.exists()


def test_a_number_that_now_belongs_to_another_process_is_left_alone(tmp_path):
    with subprocess.Popen(SLEEP, stdout=subprocess.DEVNULL, start_new_session=True) as other:
        (tmp_path / "up.json").write_text(json.dumps({"one": [other.pid, "an earlier birth"]}))

        assert end_leftovers(tmp_path / "up.json") == []

        assert other.poll() is None
        other.kill()


def test_a_large_log_is_put_aside(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LOG_LIMIT_BYTES", 3)
    log = tmp_path / "a.log"
    log.write_text("four")

    rotate(log)

    assert not log.exists()
    assert (tmp_path / "a.log.1").read_text() == "four"
