"""`qgtm trials`: how many parameter sets were tried, and what that makes of the best."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from qgtm_core.backtest.evidence.trial_record import Evaluation
from qgtm_core.backtest.evidence.trials import Trial
from qgtm_jobs import cli
from qgtm_resources.clients.ledger_trials import TrialLedger
from qgtm_resources.migrations import migrate

AT = dt.datetime(2026, 3, 5, 20, 30, tzinfo=dt.UTC)
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def qgtm(capsys: pytest.CaptureFixture[str]) -> Call:
    """Run one command in this process; returns exit code, standard output and standard error."""

    def call(*arguments: str) -> tuple[int, str, str]:
        code = 0
        try:
            cli.main(list(arguments))
        except SystemExit as left:
            code = int(left.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


@pytest.fixture
def recorded(home: Path, postgres_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three sets of one strategy, one of them a fault, and one of another, by two versions of the code."""
    monkeypatch.setenv("QGTM_POSTGRES_URL", postgres_url)
    monkeypatch.setenv("QGTM_REDIS_URL", redis_url)
    migrate(postgres_url)
    v1 = Evaluation("v1", "data", dt.date(2006, 1, 3), dt.date(2024, 12, 31), 4_700, AT)
    v2 = Evaluation("v2", "data", dt.date(2006, 1, 3), dt.date(2025, 6, 30), 4_800, AT + dt.timedelta(days=1))
    registered = Trial.of("tsmom", {"vol_target": 0.15})
    low = Trial.of("tsmom", {"vol_target": 0.1125}, "vol_target 0.15 → 0.1125")
    zero = Trial.of("tsmom", {"vol_target": 0.0}, "vol_target 0.15 → 0")
    with TrialLedger(postgres_url) as ledger:
        ledger.record([v1.row(registered, 0.02), v1.row(low, 0.05), v1.row(zero, None, "ZeroDivisionError: by zero")])
        ledger.record([v2.row(registered, 0.03), v2.row(Trial.of("xsmom", {}), math.nan)])


@pytest.mark.usefixtures("recorded")
def test_the_list_counts_every_set_and_names_the_best(qgtm: Call) -> None:
    code, out, _ = qgtm("trials", "--json")
    document = json.loads(out)
    assert code == 0
    assert document["trials"] == {"tsmom": 3, "xsmom": 1}
    tsmom, xsmom = document["strategies"]
    assert (tsmom["trials"], tsmom["faults"], tsmom["code_versions"]) == (3, 1, "v1, v2")
    assert tsmom["best_changed"] == "vol_target 0.15 → 0.1125"
    assert tsmom["best"] == pytest.approx(0.05 * math.sqrt(252))
    assert tsmom["registered"] == pytest.approx(0.03 * math.sqrt(252))
    assert (xsmom["trials"], xsmom["best"], xsmom["registered"]) == (1, None, None)


@pytest.mark.usefixtures("recorded")
def test_one_strategy_lists_its_sets_best_first_and_faults_last(qgtm: Call) -> None:
    code, out, _ = qgtm("trials", "tsmom", "--json")
    sets = json.loads(out)["sets"]
    assert code == 0
    assert [each["changed"] for each in sets] == ["vol_target 0.15 → 0.1125", "as registered", "vol_target 0.15 → 0"]
    assert sets[-1]["fault"] == "ZeroDivisionError: by zero"


@pytest.mark.usefixtures("recorded")
def test_people_are_shown_a_table(qgtm: Call) -> None:
    code, out, _ = qgtm("trials")
    assert code == 0
    assert "4 parameter sets of 2 strategies" in out
    assert "+0.79" in out


@pytest.mark.usefixtures("recorded")
def test_a_strategy_never_tried_has_no_sets(qgtm: Call) -> None:
    code, out, _ = qgtm("trials", "portfolio")
    assert code == 0
    assert "0 parameter sets of portfolio" in out


def test_an_unknown_strategy_is_refused_with_what_is_near(home: Path, qgtm: Call) -> None:
    code, _, err = qgtm("trials", "tsmon")
    assert code == 2
    assert "there is no strategy 'tsmon'; near it: tsmom" in err


def test_a_home_without_a_ledger_is_not_made_into_one(home: Path, qgtm: Call) -> None:
    code, _, err = qgtm("trials")
    assert code == 2
    assert "nothing is kept" in err
    assert not home.exists()
