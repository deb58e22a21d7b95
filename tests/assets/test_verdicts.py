"""The gates asked of stored evidence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from qgtm_assets.verdicts import check_name, verdicts
from qgtm_core.backtest.evidence.gates import GATES
from qgtm_core.schemas.results import EVIDENCE_TABLE
from qgtm_resources.clients.warehouse import Warehouse
from qgtm_resources.resources import WarehouseResource
from tests.evidence_rows import evidence, frame, sessions


def asked(folder: Path) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [verdicts], resources={"warehouse": WarehouseResource(folder=str(folder))}, raise_on_error=False
    )


def stored(folder: Path, *rows: dict[str, Any]) -> None:
    usual = evidence(sessions(900)).row(0, named=True)
    Warehouse(folder).write(EVIDENCE_TABLE, frame(EVIDENCE_TABLE, [{**usual, **row} for row in rows]))


GOOD = {"verdict": "PASS", "oos_low": 0.2, "dsr": 0.97, "dsr_library": 0.96, "pbo": 0.2, "sessions": 2000}


def test_each_gate_names_the_strategies_that_trade_and_do_not_pass(tmp_path: Path) -> None:
    stored(
        tmp_path,
        dict(strategy_id="tsmom", status="PAPER", **GOOD),
        dict(strategy_id="xsmom", status="PAPER", **{**GOOD, "verdict": "FAIL", "dsr": 0.4, "pbo": None}),
        dict(strategy_id="overnight_gold", status="DEAD", **{**GOOD, "verdict": "FAIL", "pbo": 0.9}),
        dict(strategy_id="carver_carry", status="PAPER", **{**GOOD, "verdict": "NO_DATA", "oos_low": None}),
    )
    found = {each.check_name: each for each in asked(tmp_path).get_asset_check_evaluations()}
    assert set(found) == {check_name(gate) for gate in GATES}
    assert {name for name, each in found.items() if not each.passed} == {"strategies_pass_dsr"}
    failing = found["strategies_pass_dsr"]
    assert failing.severity is dg.AssetCheckSeverity.WARN
    assert failing.metadata["failing"].value == "xsmom"
    assert (failing.metadata["judged"].value, failing.metadata["passing"].value) == (2, 1)


def test_where_nothing_that_trades_was_judged_no_gate_is_passed(tmp_path: Path) -> None:
    stored(tmp_path, dict(strategy_id="overnight_gold", status="DEAD", **GOOD))
    assert not any(each.passed for each in asked(tmp_path).get_asset_check_evaluations())


def test_without_evidence_it_says_what_makes_it(tmp_path: Path) -> None:
    result = asked(tmp_path)
    assert not result.success
    error = result.failure_data_for_node("evidence__verdicts")
    assert error is not None
    assert "qgtm evidence --run" in str(error.error)


@pytest.mark.parametrize("verdict", ["PASS", "FAIL", "NO_DATA"])
def test_the_counts_of_verdicts_stand_in_the_metadata(tmp_path: Path, verdict: str) -> None:
    stored(tmp_path, dict(strategy_id="tsmom", status="PAPER", **{**GOOD, "verdict": verdict}))
    (made,) = asked(tmp_path).asset_materializations_for_node("evidence__verdicts")
    assert {made.metadata[v].value for v in ("PASS", "FAIL", "NO_DATA") if v != verdict} == {0}
    assert made.metadata[verdict].value == 1
    assert "tsmom" in str(made.metadata["records"].value)
