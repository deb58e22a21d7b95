"""The comparison with public peers: which are started, how goals are judged, what a user without them is told."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from benchmarks.__main__ import parse
from benchmarks.peers import GOALS, HARNESS, PEER, WORKLOADS, check, gates, report
from qgtm_core.errors import ConfigError

CURVES = "w1 daily    qgtm    final 1.541351  worst gap 2.00e-15  (vs size-at-decision 1.6e-02)\n"


def line(workload: str, task: str, peer: str, seconds: float, run: str = "1.0") -> dict[str, object]:
    known = {"w": workload, "task": task, "peer": peer, "version": "1", "rss_mb": 1.0, "check": {"final": 1.5}}
    return {**known, "times": [seconds], "round": run}


def test_a_goal_is_the_median_over_rounds_of_ratios_within_a_round() -> None:
    pairs = {"1.0": (0.10, 0.01), "1.1": (0.50, 0.05), "1.2": (0.01, 0.01)}
    records = [
        line("w1", "daily", peer, seconds, run)
        for run, both in pairs.items()
        for peer, seconds in zip(("vectorbt", PEER), both, strict=True)
    ]
    [goal] = report(records, CURVES).tables[0].rows
    assert (goal["measured"], goal["kept"]) == ("10.0 × as fast", True)


@pytest.mark.parametrize(("own", "curves", "ok"), [(0.003, CURVES, True), (0.03, CURVES, False), (0.003, "", False)])
def test_a_missed_limit_or_a_curve_that_is_not_there_fails(own: float, curves: str, ok: bool) -> None:
    result = report([line("w1", "daily", "numba", 0.001), line("w1", "daily", PEER, own)], curves)
    assert result.ok is ok
    assert len(result.tables[1].rows) == 2
    assert "w3 sma against nautilus" in result.notes[0]


def test_a_curve_apart_from_the_reference_fails() -> None:
    both = [line("w1", "daily", "numba", 0.001), line("w1", "daily", PEER, 0.001)]
    assert not report(both, CURVES.replace("2.00e-15", "2.00e-03")).ok


def test_every_workload_has_a_goal() -> None:
    assert {goal.workload for goal in GOALS} == set(WORKLOADS)


@pytest.mark.parametrize("every", [False, True])
def test_gates_let_through_what_the_goals_need_and_nothing_that_is_not_there(tmp_path: Path, every: bool) -> None:
    copy, homes = tmp_path / "bench", tmp_path / "homes"
    copy.mkdir()
    (copy / "setup.sh").write_text("mk core numpy\nmk vbt vectorbt\n")
    python = homes / "venv-core" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho started "$@"\n')
    python.chmod(0o755)
    assert gates(tmp_path / "gates", homes, copy, every_peer=every) == ["vbt"]

    def started(name: str, *arguments: str, only: str = "") -> bool:
        command = [str(tmp_path / "gates" / f"venv-{name}" / "bin" / "python"), *arguments]
        environment = {"PATH": os.environ["PATH"], **({"BENCH_ONLY": only} if only else {})}
        return "started" in subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    assert started("core", "/x/w1w2_ref.py", "w1_daily", only="numba")
    assert started("core", "/x/w3_ref.py", only="numba loop")
    assert started("core", "/x/w3_ref.py", only="python loop") is every
    assert started("core", "/x/w4_kalman.py", "daily", only="pandas iterrows") is every
    assert not started("vbt", "/x/w1w2_vectorbt.py", "w2")


def test_a_user_without_harness_environments_or_data_is_told_what_to_do(tmp_path: Path) -> None:
    homes, data = tmp_path / "homes", tmp_path / "data"
    with pytest.raises(ConfigError, match="is not the peer harness"):
        check(tmp_path, homes, data)
    for name in HARNESS:
        (tmp_path / name).touch()
    with pytest.raises(ConfigError, match=r"setup.sh makes them"):
        check(tmp_path, homes, data)
    python = homes / "venv-core" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    with pytest.raises(ConfigError, match=r"gen_data.py makes it"):
        check(tmp_path, homes, data)
    data.mkdir()
    (data / "close.npy").touch()
    check(tmp_path, homes, data)


def test_peers_need_a_folder_and_no_archive(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["peers"])
    assert "--peers FOLDER" in capsys.readouterr().err
    assert parse(["peers", "--peers", "x", "--rounds", "2"]).rounds == 2


def test_the_document_of_a_result_is_json() -> None:
    records = [line("w1", "daily", "numba", 0.001), line("w1", "daily", PEER, 0.001)]
    assert json.loads(json.dumps(report(records, CURVES).document()))["benchmark"] == "peers"
