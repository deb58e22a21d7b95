"""Starting, watching and ending a server process. Knows no server in particular."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from qgtm_core.errors import ConfigError

STOP_SECONDS = 20.0
UNPRIVILEGED_USER = "nobody"  # PostgreSQL refuses to run as root


def spawn(
    command: Sequence[str], log: Path, *, unprivileged: bool = False, stdin: str | None = None
) -> subprocess.Popen[bytes]:
    """Start a server in a session of its own, so that Ctrl-C in the terminal does not reach it before us."""
    command, user, group = as_unprivileged(command) if unprivileged else (list(command), None, None)
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd="/",
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
            user=user,
            group=group,
            extra_groups=None if group is None else [],
        )
    if stdin is not None and process.stdin is not None:
        process.stdin.write(stdin.encode())
        process.stdin.close()
    return process


def as_unprivileged(command: Sequence[str]) -> tuple[list[str], int | None, int | None]:
    """Return the command, user and group that make it run as an ordinary user when we are root."""
    if os.geteuid() != 0:
        return list(command), None, None
    user = pwd.getpwnam(UNPRIVILEGED_USER)
    group = grp.getgrgid(user.pw_gid).gr_name
    if all(_others_may_enter(Path(part)) for part in command if part.startswith("/")):
        return list(command), user.pw_uid, user.pw_gid
    # The folder lies somewhere only root may enter, such as /root. Rather than open that to everybody,
    # let this one process pass.
    setpriv = shutil.which("setpriv")
    if setpriv is None or sys.platform != "linux":
        raise ConfigError(
            "PostgreSQL does not run as root and other users cannot enter this folder; "
            "work as an ordinary user, move the project, or set QGTM_POSTGRES_URL"
        )
    capability = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
    identity = [f"--reuid={UNPRIVILEGED_USER}", f"--regid={group}", "--clear-groups"]
    return [setpriv, *identity, *capability, "--", *command], None, None


def _others_may_enter(path: Path) -> bool:
    return all(parent.stat().st_mode & 0o001 for parent in path.resolve().parents if parent.exists())


def wait_until(ready: Callable[[], bool], ended: Callable[[], int | None], seconds: float) -> bool:
    """Wait for `ready`; False when `ended` returns a code or the time is over."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if ended() is not None:
            return False
        if ready():
            return True
        time.sleep(0.02)
    return False


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill the process if it still runs."""
    if process.poll() is None:
        process.kill()
    process.wait(timeout=STOP_SECONDS)


def alive(pid: int) -> bool:
    """True while a process with this number runs."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # our own child would stay a zombie otherwise
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def is_program(pid: int, name: str) -> bool:
    """True when the process runs and is the named program (its number may have been used again)."""
    try:
        return name in Path(f"/proc/{pid}/comm").read_text(encoding="utf-8")
    except OSError:
        if Path("/proc/self").exists():
            return False
    ps = shutil.which("ps")
    if ps is None:
        return alive(pid)
    answer = subprocess.run([ps, "-o", "comm=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return name in answer.stdout


def signal_and_wait(pid: int, first: signal.Signals, last: signal.Signals) -> None:
    """Send the first signal, and the last one if the process is still there after a while."""
    for number in (first, last):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        if wait_until(lambda: not alive(pid), lambda: None, STOP_SECONDS):
            return


def tail(log: Path) -> str:
    """The last lines of a log, as one."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    return " | ".join(lines[-3:])
