"""The commands that do the work, end to end: embedded servers, the paper venue over HTTP, Dagster in-process.

One installation serves all tests of this file: bringing history in takes half a minute.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from qgtm_core.backtest.evidence.investigation import investigable
from qgtm_core.strategies.registry import REGISTRY
from qgtm_jobs import operations
from qgtm_jobs.cli import app
from qgtm_jobs.cli_support import plain
from qgtm_jobs.reports import RunReport

pytestmark = pytest.mark.timeout(280)


@dataclass(frozen=True)
class Journey:
    """What an operator's afternoon printed, command by command."""

    first: dict[str, Any]
    again: RunReport
    shown: str
    backtest_shown: str
    evidence: dict[str, Any]
    league: dict[str, Any]
    swept: dict[str, Any]
    policies: dict[str, Any]
    trials: dict[str, Any]
    backfill: dict[str, Any]
    files: list[str]
    flattened: dict[str, Any]
    refused: tuple[int, str]
    history: tuple[int, str]


@pytest.fixture(scope="session")  # random order may put other modules between the tests of this one
def journey(tmp_path_factory: pytest.TempPathFactory) -> Journey:
    folder = tmp_path_factory.mktemp("operator")
    runner = CliRunner()
    settings = {"QGTM_HOME": str(folder / "home"), "QGTM_YEARS": "4", "QGTM_FEED": "simulated"}

    def call(*words: str) -> tuple[int, str]:
        answer = runner.invoke(app, list(words))
        return answer.exit_code, answer.stdout if answer.exit_code == 0 else str(answer.exception or answer.output)

    def said(*words: str) -> dict[str, Any]:
        code, text = call(*words, "--json")
        assert code == 0, text
        found: dict[str, Any] = json.loads(text)
        return found

    before = dict(os.environ)
    os.environ.update(settings)
    try:
        first = said("run")
        with pytest.MonkeyPatch.context() as patch:
            reports: list[RunReport] = []
            report_of = operations.report_of
            patch.setattr(operations, "report_of", lambda *of: reports.append(report_of(*of)) or reports[-1])
            _, shown = call("run")
        span = ("--from", "2024-05-01", "--to", "2024-06-28")
        _, backtest_shown = call("backtest", *span, "--out", str(folder / "out"))
        evidence = said("evidence", "--run", *span)
        league = said("evidence")
        swept = said("sweep", "tsmom", "--set", "vol_target=0.1,0.2", *span)
        policies = said("sweep", "--set", "annual_vol_target=0.05,0.08", *span)
        backfill = said("backfill", "--group", "signals", "--from", "2024-06-20")
        flattened = said("flatten", "--reason", "drill", "--by", "ann")
        return Journey(
            first,
            reports[-1],
            shown,
            backtest_shown,
            evidence,
            league,
            swept,
            policies,
            said("trials"),
            backfill,
            sorted(path.name for path in Path(folder / "out").iterdir()),
            flattened,
            call("run"),
            call("run", "--as-of", "2024-06-27", "--book", first["book"]),
        )
    finally:
        os.environ.clear()
        os.environ.update(before)


def test_a_run_reaches_from_signals_to_costs(journey):
    report = journey.first

    assert {row["strategy_id"] for row in report["signals"]} >= {"tsmom", "cot_precious", "gold_silver_ratio"}
    assert report["orders"]
    assert all(order["state"] == "FILLED" for order in report["orders"])
    assert {fill["client_order_id"] for fill in report["fills"]} == {row["client_order_id"] for row in report["tca"]}
    assert report["audit"]["verified"] is True


def test_a_dead_strategy_says_that_it_is_quarantined(journey):
    silent = [row for row in journey.first["signals"] if row["strategy_id"] == "gold_silver_ratio"]

    assert {row["reason"] for row in silent} == {"QUARANTINED"}


def test_a_second_run_of_the_session_sends_nothing_new(journey):
    again = plain(journey.again)

    assert again["orders"] == journey.first["orders"]
    assert again["fills"] == journey.first["fills"]


def test_people_see_every_stage_of_the_session(journey):
    for heading in (
        "Signals",
        "Target against current",
        "Orders, and what risk changed",
        "Fills",
        "Gates",
        "SIMULATED",
    ):
        assert heading in journey.shown


def test_a_backtest_shows_the_portfolio_the_yardsticks_and_every_strategy(journey):
    shown = journey.backtest_shown

    for text in (
        "SIMULATED market",
        "Hypothetical",
        "portfolio",
        "yardstick: gold held",
        "tsmom",
        "never spoke",
        "kill switch",
        "41",
    ):
        assert text in shown


def test_a_backtest_leaves_its_picture_and_its_rows(journey):
    assert journey.files == ["equity.png", "metrics.csv", "portfolio.csv"]


def test_the_evidence_has_a_record_of_every_registered_strategy_and_of_the_portfolio(journey):
    records = {row["strategy_id"]: row for row in journey.evidence["strategies"]}

    assert set(records) == set(REGISTRY)
    assert [row["strategy_id"] for row in journey.evidence["portfolio"]] == ["portfolio"]
    assert records["tsmom"]["verdict"] == "FAIL"
    assert records["tsmom"]["failed"].startswith("sample 41, needs ≥ 756")
    assert records["mvg_v1"]["verdict"] == "NO_DATA"


def test_the_evidence_is_kept_with_a_page_for_each_record(journey):
    assert journey.league == journey.evidence
    assert journey.league["source"].startswith("SIMULATED")
    page = Path(journey.league["page"])
    assert page.is_file()
    assert {path.stem for path in page.parent.glob("*.html")} == {*REGISTRY, "portfolio", "index"}


def test_a_sweep_shows_every_parameter_set_and_counts_it(journey):
    rows = {row["parameters"]: row for row in journey.swept["rows"]}

    assert {"as registered", "vol_target 0.15 → 0.1", "vol_target 0.15 → 0.2"} <= set(rows)
    assert journey.swept["tried"] >= 5  # the neighbourhood of the evidence, and these


def test_a_sweep_of_the_policy_is_a_run_and_a_trial_for_each(journey):
    assert {row["parameters"] for row in journey.policies["rows"]} == {
        "as registered", "annual_vol_target 0.1 → 0.05", "annual_vol_target 0.1 → 0.08",
    }  # fmt: skip


def test_trials_of_every_strategy_are_counted(journey):
    counts = {row["strategy_id"]: row["trials"] for row in journey.trials["strategies"]}

    assert counts["portfolio"] == 3
    assert set(investigable()) < set(counts)


def test_a_backfill_leaves_no_partition_missing(journey):
    assert journey.backfill["ok"] is True
    assert [row["missing"] for row in journey.backfill["groups"]] == [0]


def test_flatten_leaves_nothing_held(journey):
    assert journey.flattened["still_held"] == {}


def test_a_latched_kill_switch_stops_the_next_run_and_says_how_to_lower_it(journey):
    code, text = journey.refused

    assert code != 0
    assert "FLATTEN" in text
    assert "kill request-reset" in text


def test_a_book_never_goes_back_in_time(journey):
    code, text = journey.history

    assert code != 0
    assert "use another book" in text
