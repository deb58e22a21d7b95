"""Keeps a handful of processes running: starts them, writes one log, restarts what crashes, leaves nothing behind.

Knows nothing of QGTM itself; which processes there are is said in `stack`.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0  # before a restart; doubled at every crash
STEADY_S = 60.0  # a process that ran this long is not crashing: the count begins anew
MOST_CRASHES = 5  # in a row; then the process is given up, and that is reported
STOP_S = 15.0
POLL_S = 0.2
LOG_LIMIT_BYTES = 20_000_000
_PR_SET_PDEATHSIG = 1
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class ProcessSpec:
    """One process: its command, how to see that it answers, and where a person finds it."""

    name: str
    command: Sequence[str]
    ready: Callable[[], bool]
    url: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    after: tuple[str, ...] = ()  # processes that must answer before this one is started for the first time


@dataclass
class _Child:
    spec: ProcessSpec
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    crashes: int = 0
    start_after: float = 0.0
    given_up: bool = False
    answered: bool = False
    reader: threading.Thread | None = None


class Supervisor:
    """Runs processes until `stop` is called; use as a context manager, so that they always end.

    `report` gets every line of every process, with its name; the same lines go to `<logs>/up.log`.
    """

    def __init__(
        self, specs: Sequence[ProcessSpec], logs: Path, state: Path, report: Callable[[str, str], None]
    ) -> None:
        self._children = [_Child(spec) for spec in specs]
        self._logs, self._state, self._report = logs, state, report
        self._stopping = threading.Event()
        self._writing = threading.Lock()
        logs.mkdir(parents=True, exist_ok=True)
        rotate(logs / "up.log")
        self._log = (logs / "up.log").open("a", encoding="utf-8")

    def __enter__(self) -> Supervisor:
        end_leftovers(self._state)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def stopping(self) -> bool:
        """True once it was told to stop."""
        return self._stopping.is_set()

    @property
    def given_up(self) -> list[str]:
        """Names of the processes that crashed too often."""
        return [child.spec.name for child in self._children if child.given_up]

    @property
    def processes(self) -> dict[str, int]:
        """Process number by name, of what runs now."""
        return {
            child.spec.name: child.process.pid
            for child in self._children
            if child.process is not None and child.process.poll() is None
        }

    def wait_until_ready(self, seconds: float) -> list[str]:
        """Start everything; return the names of what does not answer in time or was given up (empty = all is well)."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self._stopping.is_set() and not self.given_up:
            self.tick()
            for child in self._children:
                if child.process is not None and not child.answered and child.spec.ready():
                    child.answered = True
                    self.say("up", f"{child.spec.name} answers")
            if all(child.answered for child in self._children):
                return []
            self._stopping.wait(POLL_S)
        return [child.spec.name for child in self._children if not child.answered]

    def run(self) -> None:
        """Watch the processes until `stop_soon` is called."""
        while not self._stopping.wait(POLL_S):
            self.tick()

    def stop_soon(self) -> None:
        """Make `run` return; safe in a signal handler."""
        self._stopping.set()

    def tick(self) -> None:
        """Notice what has ended, and start what is due."""
        now = time.monotonic()
        changed = False
        for child in self._children:
            if child.process is not None and child.process.poll() is not None:
                self._note_end(child, now)
                changed = True
            if child.process is None and not child.given_up and now >= child.start_after and self._may_start(child):
                self._start(child, now)
                changed = True
        if changed:
            self._write_state()

    def stop(self) -> None:
        """End all processes in reverse order of starting: ask first, then insist."""
        self._stopping.set()
        running = [child for child in reversed(self._children) if child.process is not None]
        for child in running:
            _signal_group(child.process, signal.SIGTERM)
        deadline = time.monotonic() + STOP_S
        for child in running:
            if child.process is None:
                continue
            with suppress(subprocess.TimeoutExpired):
                child.process.wait(timeout=max(deadline - time.monotonic(), 0.1))
            _signal_group(child.process, signal.SIGKILL)  # the group: what it left behind goes too
            child.process.wait()
            if child.reader is not None:
                child.reader.join(timeout=2.0)
            if child.process.stdout is not None:
                child.process.stdout.close()
            child.process = None
        self._state.unlink(missing_ok=True)
        if not self._log.closed:
            self._log.close()

    def say(self, name: str, line: str) -> None:
        """Write one line to the log and to the terminal."""
        with self._writing:
            if not self._log.closed:
                stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
                self._log.write(f"{stamp} {name:<10} {line}\n")
                self._log.flush()
            self._report(name, line)

    def _may_start(self, child: _Child) -> bool:
        return all(other.answered for other in self._children if other.spec.name in child.spec.after)

    def _start(self, child: _Child, now: float) -> None:
        child.process = subprocess.Popen(
            with_parent_death(child.spec.command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **child.spec.environment, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,  # Ctrl-C reaches us alone, and a whole group can be ended at once
        )
        child.started_at = now
        child.reader = threading.Thread(target=self._read, args=(child.process, child.spec.name), daemon=True)
        child.reader.start()
        self.say("up", f"{child.spec.name} started, process {child.process.pid}")

    def _read(self, process: subprocess.Popen[bytes], name: str) -> None:
        if process.stdout is None:
            return
        rotate(self._logs / f"{name}.log")
        with suppress(ValueError), (self._logs / f"{name}.log").open("a", encoding="utf-8") as own:
            for raw in process.stdout:
                line = _COLOUR.sub("", raw.decode(errors="replace").rstrip())
                own.write(line + "\n")
                own.flush()
                self.say(name, line)

    def _note_end(self, child: _Child, now: float) -> None:
        if child.process is None:
            return
        code = child.process.returncode
        _signal_group(child.process, signal.SIGKILL)
        if child.reader is not None:
            child.reader.join(timeout=2.0)
        if child.process.stdout is not None:
            child.process.stdout.close()
        child.process = None
        child.crashes = 1 if now - child.started_at >= STEADY_S else child.crashes + 1
        if child.crashes >= MOST_CRASHES:
            child.given_up = True
            self.say("up", f"{child.spec.name} ended with code {code}, {child.crashes} times in a row: given up")
            return
        pause = min(FIRST_PAUSE_S * 2.0 ** (child.crashes - 1), LONGEST_PAUSE_S)
        child.start_after = now + pause
        self.say("up", f"{child.spec.name} ended with code {code}; starting it again in {pause:g} s")

    def _write_state(self) -> None:
        fresh = self._state.with_suffix(".new")
        fresh.write_text(
            json.dumps({name: [pid, birth_of(pid)] for name, pid in self.processes.items()}), encoding="utf-8"
        )
        fresh.replace(self._state)


def with_parent_death(command: Sequence[str]) -> list[str]:
    """Return the command so that it ends with its parent, even a killed one (on Linux; else the next start ends it)."""
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-I", str(Path(__file__)), str(os.getpid()), *command]


def end_leftovers(state: Path) -> list[str]:
    """End the processes of a supervisor that was killed; returns their names."""
    try:
        found: dict[str, list[str]] = json.loads(state.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return []
    # The birth is compared because numbers are used again: after a restart of the machine they mean other processes.
    groups = {name: int(pid) for name, (pid, birth) in found.items() if birth and birth_of(int(pid)) == birth}
    for number in (signal.SIGTERM, signal.SIGKILL):
        for group in groups.values():
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(group, number)
        deadline = time.monotonic() + STOP_S
        while time.monotonic() < deadline and any(birth_of(group) for group in groups.values()):
            time.sleep(POLL_S)
    state.unlink(missing_ok=True)
    return list(groups)


def birth_of(pid: int) -> str:
    """When a running process began, in the words of the system; empty when there is no such process."""
    if Path("/proc/self/stat").exists():
        try:
            after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        except OSError:
            return ""
        return "" if after_name[0] == "Z" else f"{boot}:{after_name[19]}"
    ps = subprocess.run(["/bin/ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return ps.stdout.strip()


def rotate(log: Path) -> None:
    """Put a log aside when it has grown large; one older piece is kept."""
    if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
        log.replace(log.with_suffix(".log.1"))


def _signal_group(process: subprocess.Popen[bytes] | None, number: signal.Signals) -> None:
    if process is not None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)


def _become(arguments: Sequence[str]) -> None:
    """Ask the kernel for SIGTERM at the parent's death, then become the command (run as a script, see above)."""
    parent, command = int(arguments[0]), list(arguments[1:])
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(1)  # it died in the meantime
    os.execvp(command[0], command)  # noqa: S606 - a command of our own, as a list


if __name__ == "__main__":
    _become(sys.argv[1:])
