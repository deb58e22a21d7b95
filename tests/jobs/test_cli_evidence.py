"""`qgtm evidence`: the league table with failures in their place, one record in full, what to do without results."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from qgtm_core.schemas.results import EVIDENCE_TABLE, METRICS_TABLE, PORTFOLIO, VALIDATION_TABLE
from qgtm_jobs import backtests, cli, render
from qgtm_jobs.evidence import COLUMNS, SPARED, read_league
from qgtm_jobs.reports import EvidenceRun
from qgtm_resources.clients.warehouse import Warehouse
from qgtm_resources.pictures import HYPOTHETICAL
from qgtm_resources.settings import load_settings
from qgtm_resources.tearsheets.pages import write_tearsheets
from qgtm_resources.tearsheets.results import Results, sheet_folder
from tests.evidence_rows import BAD, BOOK, FIRST, GOOD, SILENT, results

OLDER = "backtest-older"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def made() -> Results:
    return results()


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory, made: Results) -> Path:
    """Two backtests; the newer one has a portfolio as well."""
    held = Warehouse(tmp_path_factory.mktemp("stored"))
    whole = made.evidence.filter(strategy_id=GOOD).with_columns(strategy_id=pl.lit(PORTFOLIO))
    older = made.evidence.with_columns(book=pl.lit(OLDER), session=pl.lit(FIRST))
    held.write(EVIDENCE_TABLE, pl.concat([made.evidence, whole, older]))
    held.write(VALIDATION_TABLE, made.validation)
    held.write(METRICS_TABLE, made.metrics)
    return held.folder


@pytest.fixture
def warehouse(home: Path, stored: Path) -> Warehouse:
    return Warehouse(Path(shutil.copytree(stored, load_settings().warehouse_folder)))


@pytest.fixture
def qgtm(home: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `qgtm evidence …` in this process; returns exit code, standard output and standard error."""

    def call(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main(("evidence", *arguments))
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return call


def test_the_table_shows_failing_rows_failing_and_rows_without_data_last(warehouse, qgtm):
    code, out, _ = qgtm()
    assert code == 0
    assert HYPOTHETICAL in out
    assert "1 PASS, 1 FAIL, 1 NO_DATA" in out
    row = {name: next(line for line in out.splitlines() if name in line) for name in (GOOD, BAD, SILENT)}
    row[PORTFOLIO] = next(line for line in out.splitlines() if line.split()[1:2] == [PORTFOLIO])
    assert row[BAD].split()[:5] == ["2", BAD, "FAIL", "PAPER", "−0.40"]
    assert row[BAD].split()[-4:] == ["oos", "dsr", "lib", "pbo"]
    assert row[PORTFOLIO].split()[:3] == ["–", PORTFOLIO, "PASS"]
    assert row[GOOD].split()[:5] == ["1", GOOD, "PASS", "PAPER", "1.25"]
    assert "no rows of <withdrawals>.tonnes" in row[SILENT]
    assert out.index(GOOD) < out.index(BAD) < out.index(row[PORTFOLIO]) < out.index(SILENT)
    assert "deflated Sharpe ≥ 0.950" in out


def test_json_has_every_column_of_the_evidence(warehouse, qgtm):
    code, out, _ = qgtm("--json")
    told = json.loads(out)
    assert (code, told["book"], told["sorted_by"], told["page"]) == (0, BOOK, "oos_sharpe", None)
    assert [row["strategy_id"] for row in told["strategies"]] == [GOOD, BAD, SILENT]
    assert set(told["strategies"][0]) == {"rank", *EVIDENCE_TABLE.columns}
    assert [row["strategy_id"] for row in told["portfolio"]] == [PORTFOLIO]


@pytest.mark.parametrize(
    ("sort", "order"), [("trials", [GOOD, BAD]), ("sharpe", [BAD, GOOD]), ("id", [BAD, GOOD]), ("oos", [GOOD, BAD])]
)
def test_any_column_sorts_and_what_has_no_data_stays_last(warehouse, qgtm, sort, order):
    rows = json.loads(qgtm("--json", "--sort", sort)[1])["strategies"]
    assert [row["strategy_id"] for row in rows] == [*order, SILENT]


@pytest.mark.parametrize(("verdict", "kept"), [("pass", GOOD), ("FAIL", BAD), ("no-data", SILENT)])
def test_one_verdict_alone(warehouse, qgtm, verdict, kept):
    assert [row["strategy_id"] for row in json.loads(qgtm("--json", "--verdict", verdict)[1])["strategies"]] == [kept]
    assert kept in qgtm("--verdict", verdict)[1]


def test_another_book_is_shown_on_request(warehouse, qgtm):
    assert json.loads(qgtm("--json", "--book", OLDER)[1])["book"] == OLDER


def test_the_book_whose_pages_were_written_last_is_the_newest(warehouse, made):
    older = made.evidence.with_columns(book=pl.lit(OLDER))
    write_tearsheets(sheet_folder(warehouse.folder, OLDER), Results(evidence=older))
    found = read_league(warehouse, None, "oos_sharpe", None)
    assert (found.book, found.page) == (OLDER, sheet_folder(warehouse.folder, OLDER) / "index.html")


def test_one_record_shows_gates_figures_and_what_stands_behind_it(warehouse, qgtm):
    code, out, _ = qgtm(BAD)
    assert code == 0
    assert [word for word in ("FAIL", "NOT PASSED", "Could it be luck?", "gold calm", "path 02", "2.5 bp of turnover")
            if word not in out] == []  # fmt: skip
    capital = [out.index(f"│ {usd} ") for usd in ("100000", "300000", "1000000")]
    assert capital == sorted(capital)
    told = json.loads(qgtm(BAD, "--json")[1])
    assert [gate["passed"] for gate in told["gates"]] == [True, False, False, False, False]
    assert {row["method"] for row in told["validation"]} >= {"EXPANDING", "CPCV", "REGIME"}


def test_a_record_without_data_says_what_is_missing_and_shows_no_figures(warehouse, qgtm):
    _, out, _ = qgtm(SILENT)
    assert "no rows of <withdrawals>.tonnes" in out
    assert "Gates" not in out


def test_the_path_of_a_page_alone(warehouse, made, qgtm):
    code, _, err = qgtm(GOOD, "--open-path")
    assert (code, "no page was written" in err) == (2, True)
    written = write_tearsheets(sheet_folder(warehouse.folder, BOOK), made)
    assert qgtm(GOOD, "--open-path")[:2] == (0, f"{written[GOOD]}\n")
    assert qgtm("--open-path")[1] == f"{written[GOOD].with_name('index.html')}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--sort", "sharp"), "near it: sharpe"),
        (("--verdict", "maybe"), "none of pass, fail, no-data"),
        (("--book", "other"), f"there is of {OLDER}, {BOOK}"),
        (("xsmon",), f"near it: {GOOD}"),
        (("zzz",), "`qgtm evidence` lists them"),
        (("--from", "2020-01-02"), "without --run they say nothing"),
        (("--run", "--from", "2020-01-02", "--to", "2019-01-02"), "lies after"),
    ],
)
def test_a_wrong_name_is_one_line_with_the_remedy(warehouse, qgtm, arguments, said):
    code, out, err = qgtm(*arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_without_results_it_says_what_to_run(qgtm):
    code, _, err = qgtm()
    assert code == 2
    assert "qgtm evidence --run" in err


def test_run_makes_the_evidence_and_shows_that_book(warehouse, qgtm, monkeypatch):
    asked = []

    def evidence(settings, first, last, progress):
        asked.append((str(first), str(last)))
        return EvidenceRun(OLDER, first, last, {})

    monkeypatch.setattr(backtests, "evidence", evidence)
    _, out, _ = qgtm("--run", "--from", "2019-01-02", "--to", "2020-01-02", "--json")
    assert (asked, json.loads(out)["book"]) == ([("2019-01-02", "2020-01-02")], OLDER)


def test_columns_that_do_not_fit_are_left_out_and_said_to_be(warehouse, monkeypatch):
    wide = [*read_league(warehouse, None, "oos_sharpe", None).shown()][1]
    monkeypatch.setattr(render, "stdout_console", lambda: Console(width=90))
    narrow = [*read_league(warehouse, None, "oos_sharpe", None).shown()][1]
    assert set(SPARED) < set(COLUMNS)
    assert len(wide.columns) == len(COLUMNS) + 4
    assert 6 <= len(narrow.columns) < len(wide.columns)
    assert "Left out for lack of room: training" in str(narrow.caption)
