"""Beside public peers: the peer harness of a folder, with QGTM as one more peer, and what the goals ask of it.

The folder holds the harness (`run.py`, `common.py`, `compare.py`, a script a peer and workload). It is copied, never
written to. PEERS_HOME holds the peers' virtual environments (default FOLDER/.peers), BENCH_DATA the data
(FOLDER/.data).
Every round starts every peer once; ratios are formed inside a round, their median over rounds counts.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.tables import Result, Table
from qgtm_core.errors import ConfigError

WORKLOADS = ("w1", "w2", "w3", "w4", "w5", "w6")
COMPILED = ("w1", "w2", "w4", "w5", "w6")  # once more before the first round, so that no round waits for a compiler
SCRIPT = Path(__file__).with_name("peer_workloads.py")
PEER = "qgtm"
BUDGET_S = 5  # a process stops repeating a task after as long
# Of an equity curve from the reference's, as a share of it. The reference lets rounding decide where two averages are
# equal: books made from the definitions themselves, vectorbt's and QGTM's alike, are 1.1e-5 away from it in W2.
WORST_GAP = 1e-4
HARNESS = ("setup.sh", "run.py", "common.py", "compare.py", "signals_pandas.py", "w5_kernel.py", "w6_portfolio.py")

# What is started of the harness unless every peer is asked for: its line of the command, and peer if it has several.
STARTED = (
    "w1w2_ref.py * numba",
    "w1w2_ref.py w2 numba-*",
    "w1w2_vectorbt.py *",
    "w3_ref.py numba loop",
    "w3_nautilus.py *",
    "w4_kalman.py * numba scalar loop",
    "w5_pit.py numba two-pointer",
    "w5_pit.py polars pivot*",
    "w6_portfolio.py hrp skfolio",
    "w6_portfolio.py hrp hand*",
)


@dataclass(frozen=True, slots=True)
class Goal:
    """What a workload is to reach: `times` as fast as a library, or no slower than `times` a limit."""

    workload: str
    task: str
    peer: str
    times: float
    limit: bool = False

    def row(self, medians: Medians) -> dict[str, Any] | None:
        """Say whether it holds, from the rounds both were in; null when they were in none together."""
        own, other = (medians.get((self.workload, self.task, peer), {}) for peer in (PEER, self.peer))
        ratios = [other[r] / own[r] for r in own if r in other]
        if not ratios:
            return None
        ratio = statistics.median(ratios)
        return {
            "workload": f"{self.workload} {self.task}",
            "against": self.peer,
            "goal": f"at most {self.times:g} × its time" if self.limit else f"{self.times:g} × as fast",
            "peer ms": statistics.median(other.values()) * 1e3,
            "qgtm ms": statistics.median(own.values()) * 1e3,
            "measured": f"{1 / ratio:.2f} × its time" if self.limit else f"{ratio:.1f} × as fast",
            "kept": (1 / ratio <= self.times) if self.limit else (ratio >= self.times),
        }


Medians = dict[tuple[str, str, str], dict[str, float]]  # seconds by workload, task, peer; then by round
GOALS = (
    Goal("w1", "daily", "vectorbt", 8),
    Goal("w1", "daily", "numba", 4, limit=True),
    Goal("w1", "monthly", "vectorbt", 8),
    Goal("w1", "monthly", "numba", 4, limit=True),
    Goal("w2", "wf", "vectorbt", 10),
    Goal("w2", "wf", "numba-2t", 4, limit=True),
    Goal("w3", "sma", "nautilus", 20),
    Goal("w4", "daily", "numba scalar loop", 3, limit=True),
    Goal("w5", "pit", "numba two-pointer", 3, limit=True),
    Goal("w6", "hrp20", "skfolio", 5),
)


def run(folder: Path, rounds: int, *, every_peer: bool = False) -> Result:
    """Run the harness in a copy of its folder with QGTM in it; not ok when a goal or a curve is missed."""
    homes = Path(os.environ.get("PEERS_HOME", folder / ".peers")).resolve()
    data = Path(os.environ.get("BENCH_DATA", folder / ".data")).resolve()
    check(folder, homes, data)
    with tempfile.TemporaryDirectory(prefix="qgtm-peers-") as place:
        copy = Path(place, "bench")
        shutil.copytree(folder, copy, ignore=shutil.ignore_patterns(".*", "__pycache__", "results"))
        for part in (copy, *filter(Path.is_dir, copy.rglob("*"))):
            part.chmod(0o755)  # the folder may be read-only, and so its copy
        own = [[workload, sys.executable, str(SCRIPT), [workload], None] for workload in WORKLOADS]
        (copy / "extra.json").write_text(json.dumps(own), encoding="utf-8")
        absent = gates(Path(place, "peers"), homes, copy, every_peer=every_peer)
        environment = {
            **os.environ,
            "PEERS_HOME": str(Path(place, "peers")),
            "BENCH_DATA": str(data),
            "BENCH_HOME": str(copy),
            "BENCH_RESULTS": str(Path(place, "results")),
        }
        arguments = ["--rounds", str(rounds), "--budget", str(BUDGET_S), *WORKLOADS]
        compiling = {**environment, "BENCH_RESULTS": str(Path(place, "first"))}
        start(copy, "run.py", ["--rounds", "1", "--budget", "0", *COMPILED], compiling)
        said = start(copy, "run.py", arguments, environment)
        curves = start(copy, "compare.py", [], environment)
        lines = Path(place, "results", "raw.jsonl").read_text(encoding="utf-8").splitlines()
    result = report([json.loads(line) for line in lines], curves)
    result.notes += [line for line in said.splitlines() if "rc=" in line]
    if absent:
        result.notes.append(f"Not measured, no virtual environment in {homes}: {', '.join(absent)}.")
    return result


def check(folder: Path, homes: Path, data: Path) -> None:
    """Raise ConfigError, with what to do, where the harness, its data or its reference cannot be found."""
    lacking = [name for name in HARNESS if not (folder / name).is_file()]
    if lacking:
        raise ConfigError(f"{folder} is not the peer harness: {', '.join(lacking)} not there. Pass --peers FOLDER.")
    if not (homes / "venv-core" / "bin" / "python").exists():
        raise ConfigError(f"no virtual environments in {homes}: PEERS_HOME={homes} sh {folder / 'setup.sh'} makes them")
    if not (data / "close.npy").exists():
        raise ConfigError(
            f"no data in {data}: BENCH_DATA={data} {homes}/venv-core/bin/python {folder}/gen_data.py makes it"
        )


def gates(place: Path, homes: Path, copy: Path, *, every_peer: bool) -> list[str]:
    """Put a gate before each peer's Python that lets through what is to be started; names of those not there."""
    names = re.findall(r"^mk (\w+) ", (copy / "setup.sh").read_text(encoding="utf-8"), re.MULTILINE)
    quoted = (re.sub(r"[^*]+", lambda part: shlex.quote(part[0]), pattern) for pattern in STARTED)
    wanted = "*" if every_peer else "|".join(quoted)
    absent = []
    for name in names:
        python, gate = (home / f"venv-{name}" / "bin" / "python" for home in (homes, place))
        text = "#!/bin/sh\nexit 0\n"
        if python.exists():
            line = '"${script##*/} $*${*:+ }${BENCH_ONLY:-}"'
            passed = f'exec {shlex.quote(str(python))} "$script" "$@"'
            text = f"#!/bin/sh\nscript=$1; shift\ncase {line} in {wanted}) {passed};; esac\n"
        else:
            absent.append(name)
        gate.parent.mkdir(parents=True)
        gate.write_text(text, encoding="utf-8")
        gate.chmod(0o755)
    return absent


def start(copy: Path, script: str, arguments: list[str], environment: dict[str, str]) -> str:
    """Run one of the harness's scripts to its end and give what it said."""
    done = subprocess.run(
        [sys.executable, str(copy / script), *arguments],
        cwd=copy,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ConfigError(f"{script} of the peer harness failed: {done.stderr[-500:]}")
    return done.stdout


def report(records: list[dict[str, Any]], curves: str) -> Result:
    """Tables of goals, peers and curves from the harness's lines and what its comparison said."""
    times: dict[tuple[str, str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        times[record["w"], record["task"], record["peer"]][record["round"]] += record["times"]
    medians = {key: {r: statistics.median(t) for r, t in rounds.items()} for key, rounds in times.items()}
    goals = [row for goal in GOALS if (row := goal.row(medians)) is not None]
    gaps = curve_rows(curves)
    own_gaps = [float(row["worst gap"]) for row in gaps if row["peer"] == PEER]
    result = Result("peers", ok=bool(goals) and all(row["kept"] for row in goals))
    result.ok &= bool(own_gaps) and max(own_gaps) <= WORST_GAP
    result.tables = [
        Table("Goals: medians of a run, ratios formed inside a round", goals),
        Table("Peers beside QGTM", side_by_side(medians, records)),
        Table("Equity curves against the harness's reference (worst gap as a share of equity)", gaps),
    ]
    unmeasured = [f"{g.workload} {g.task} against {g.peer}" for g in GOALS if g.row(medians) is None]
    if unmeasured:
        result.notes.append(f"Goals that could not be measured: {'; '.join(unmeasured)}.")
    return result


def side_by_side(medians: Medians, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A line a peer and task that QGTM measured too, fastest first."""
    last = {(r["w"], r["task"], r["peer"]): r for r in records}
    rows = []
    for key, rounds in medians.items():
        own = medians.get((*key[:2], PEER), {})
        ratios = [rounds[r] / own[r] for r in rounds if r in own]
        if not ratios:
            continue
        rows.append(
            {
                "workload": f"{key[0]} {key[1]}",
                "peer": key[2],
                "version": last[key]["version"],
                "median ms": statistics.median(rounds.values()) * 1e3,
                "time over qgtm's": statistics.median(ratios),
                "peak MB": last[key]["rss_mb"],
                "check": "; ".join(f"{name}={value}" for name, value in last[key]["check"].items()),
            }
        )
    return sorted(rows, key=lambda row: (row["workload"], row["median ms"]))


def curve_rows(said: str) -> list[dict[str, Any]]:
    """Lines of the harness's comparison of curves."""
    found = re.findall(r"^(w\d) (\S+)\s+(.+?)\s+final (\S+)\s+worst gap (\S+)", said, re.MULTILINE)
    return [
        {"workload": f"{w} {task}", "peer": peer, "final": final, "worst gap": gap}
        for w, task, peer, final, gap in found
    ]
