"""The command line against real servers: what it prints, its exit codes, and that errors are one clear line."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import polars as pl
import psycopg2
import pytest

from qgtm_core.errors import ConfigError, DataError, GateClosed, TransientError
from qgtm_core.types import BookState, KillTier
from qgtm_jobs import cli, doctor
from qgtm_jobs.cli_support import day_of, exit_code_of, plain, settings_from
from qgtm_jobs.cli_up import only_one, up_runs
from qgtm_jobs.doctor import Verdict, examine
from qgtm_resources.clients.ledger import PostgresLedger
from qgtm_resources.migrations import migrate
from qgtm_resources.settings import load_settings, plain_postgres_url

ROOT = Path(__file__).parents[2]
SESSION = dt.date(2024, 6, 28)
NOW = dt.datetime(2024, 6, 28, 19, 30, tzinfo=dt.UTC)
COMMANDS = (
    *("run", "ingest", "backfill", "backtest", "flatten", "strategies", "status", "up", "doctor", "feeds", "parity"),
    *("evidence", "sweep", "trials", "lookahead", "parity"),
    *("kill status", "kill raise", "kill request-reset", "kill approve", "audit verify", "audit search"),
)


@pytest.fixture
def servers(home, postgres_url, redis_url, monkeypatch):
    """Addresses in the environment, as an operator with servers of his own would set them."""
    monkeypatch.setenv("QGTM_POSTGRES_URL", postgres_url)
    monkeypatch.setenv("QGTM_REDIS_URL", redis_url)
    return postgres_url


@pytest.fixture
def ledger(servers):
    migrate(servers)
    with PostgresLedger(servers) as opened:
        opened.open_book("demo", Decimal(1_000_000), "simulated")
        opened.record_opening(
            SESSION,
            BookState("demo", Decimal(900_000), {"GLD": Decimal(400)}, SESSION, 1_000_100.0, 1_000_200.0),
        )
        opened.record("NOTE", "c-1", {"text": "hello"}, NOW)
        yield opened


@pytest.fixture
def qgtm(capsys):
    """Run one command in this process; returns exit code, standard output and standard error."""

    def call(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main(arguments)
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return call


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_and_offers_json(qgtm, command):
    code, out, _ = qgtm(*command.split(), "--help")

    assert code == 0
    assert "--json" in out


def test_help_imports_nothing_heavy():
    text = "import sys; from qgtm_jobs import cli; print(*sys.modules)"
    answer = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, cwd=ROOT, check=True)

    assert {"dagster", "polars", "sqlalchemy", "pandas", "numpy"}.isdisjoint(answer.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--feed", "archive"], "QGTM_FEED=archive needs QGTM_ARCHIVE"),
        (["run", "--archive", "nowhere"], "is not a folder"),
        (["run", "--as-of", "2024-06-30"], "is not a NYSE session"),
        (["backtest", "--from", "June"], "--from: 'June' is not a date"),
        (["backtest", "--from", "2024-06-28", "--to", "2024-06-03"], "lies after"),
        (["backfill", "--group", "execution"], "execution cannot be backfilled"),
        (["strategies", "--category", "astrology"], "there is no 'astrology'"),
        (["kill", "raise", "PANIC", "--reason", "x"], "not a tier"),
        (["kill", "raise", "NORMAL", "--reason", "x"], "not a tier"),
        (["kill", "raise", "WARN", "--reason", " "], "say why"),
        (["audit", "verify", "--head", "12:zz"], "is not SIZE:ROOT"),
        (["status"], "nothing is kept in"),
    ],
)
def test_bad_input_is_one_line_on_standard_error_and_code_2(qgtm, home, arguments, words):
    code, out, err = qgtm(*arguments)

    assert code == 2
    assert out == ""
    assert words in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("arguments", [["nonsense"], ["run", "--nonsense"], ["kill", "raise"], ["audit", "search"]])
def test_bad_usage_is_code_2(qgtm, home, arguments):
    assert qgtm(*arguments)[0] == 2


def test_errors_are_sorted_by_who_must_act():
    assert exit_code_of(ConfigError("x")) == exit_code_of(DataError("file", "x")) == 2
    assert exit_code_of(GateClosed("x")) == exit_code_of(TransientError("x")) == 1


def test_an_interrupt_ends_with_130(qgtm, monkeypatch):
    def interrupted(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "app", interrupted)

    assert qgtm("status")[0] == 130


def test_status_shows_books_positions_and_the_audit_head(qgtm, ledger):
    code, out, _ = qgtm("status", "--json")
    document = json.loads(out)

    assert code == 0
    (book,) = document["books"]
    assert book["book"] == "demo"
    assert Decimal(book["start_cash_usd"]) == 1_000_000
    assert book["tier"] == "NORMAL"
    assert book["last_session"] == "2024-06-28"
    assert document["audit"]["leaves"] == ledger.audit_head().size
    assert "demo" in qgtm("status")[1]


def test_status_of_an_unknown_book_names_the_known_ones(qgtm, ledger):
    code, _, err = qgtm("status", "--book", "other")

    assert code == 2
    assert "there are: demo" in err


def test_status_says_when_there_is_no_book_yet(qgtm, servers):
    assert "No book is open yet" in qgtm("status")[1]


def test_raising_a_tier_latches_it_and_closes_the_gate(qgtm, ledger):
    assert qgtm("kill", "status")[0] == 0

    code, out, _ = qgtm("kill", "raise", "no_new", "--reason", "drill", "--by", "ann", "--json")

    assert (code, json.loads(out)["tier"]) == (0, "NO_NEW")
    assert ledger.gate("demo").tier is KillTier.NO_NEW
    code, out, _ = qgtm("kill", "status", "--json")
    assert code == 1
    assert json.loads(out)["history"][0]["actor"] == "ann"


def test_flatten_says_who_closes_the_positions(qgtm, ledger):
    assert "qgtm flatten" in qgtm("kill", "raise", "FLATTEN", "--reason", "drill", "--by", "ann")[1]


def test_a_reset_needs_a_second_person(qgtm, ledger):
    qgtm("kill", "raise", "WARN", "--reason", "drill", "--by", "ann")
    assert qgtm("kill", "request-reset", "--by", "ann", "--reason", "drill over")[0] == 0

    code, _, err = qgtm("kill", "approve", "--by", "ann")

    assert code == 1
    assert "refused" in err
    assert ledger.gate("demo").tier is KillTier.WARN


def test_nothing_to_reset_is_a_refusal(qgtm, ledger):
    code, _, err = qgtm("kill", "request-reset", "--by", "ann", "--reason", "why not")

    assert code == 1
    assert "NORMAL already" in err


def test_the_audit_log_verifies_against_a_head_noted_outside(qgtm, ledger):
    code, out, _ = qgtm("audit", "verify", "--json")
    document = json.loads(out)

    assert code == 0
    assert document["ok"]
    ledger.record("NOTE", "c-2", {}, NOW)
    assert qgtm("audit", "verify", "--head", f"{document['size']}:{document['root']}")[0] == 0
    assert qgtm("audit", "verify", "--head", f"{document['size']}:{'00' * 32}")[0] == 1


def test_a_changed_leaf_is_found_and_ends_with_code_1(qgtm, ledger, servers):
    connection = psycopg2.connect(plain_postgres_url(servers))
    with connection, connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # the way past the append-only trigger
        cursor.execute(
            "UPDATE ledger.audit_leaves SET leaf = replace(leaf::text, 'hello', 'hullo') WHERE correlation_id = 'c-1'"
        )
        assert cursor.rowcount == 1
    connection.close()

    code, out, _ = qgtm("audit", "verify", "--json")

    assert code == 1
    assert json.loads(out)["first_bad_index"] is not None


def test_the_audit_log_is_searched_by_correlation_id(qgtm, ledger):
    code, out, _ = qgtm("audit", "search", "c-1", "--json")

    assert code == 0
    assert [leaf["body"] for leaf in json.loads(out)["leaves"]] == [{"text": "hello"}]
    assert "hello" in qgtm("audit", "search", "c-1")[1]
    assert qgtm("audit", "search", "nothing")[0] == 1


def test_strategies_are_listed_with_their_reason(qgtm, home):
    code, out, _ = qgtm("strategies", "--json")
    listed = json.loads(out)["strategies"]

    assert code == 0
    assert all(entry["rationale"] for entry in listed)
    assert listed[0]["id"] in qgtm("strategies", "--category", listed[0]["category"])[1]


def test_feeds_shows_the_simulated_market_as_simulated(qgtm, home):
    code, out, _ = qgtm("feeds")

    assert code == 0
    assert "SIMULATED" in out


def test_feeds_says_that_live_is_not_there_yet(qgtm, home):
    assert qgtm("feeds", "--feed", "live")[0] == 1


@pytest.mark.archive
def test_feeds_shows_every_file_of_the_archive_with_rows_and_dates(qgtm, home, archive_path):
    code, out, _ = qgtm("feeds", "--archive", str(archive_path), "--json")
    files = {file["table"]: file for file in json.loads(out)["files"]}

    assert code == 0
    assert files["bars_daily"]["rows"] == 182_769
    assert files["bars_daily"]["last"] == "2024-06-30"


def test_a_broken_archive_file_is_named(qgtm, home, tmp_path):
    pl.DataFrame({"symbol": ["GLD"]}).write_parquet(tmp_path / "bars_daily.parquet")
    (tmp_path / "macro.parquet").write_bytes(b"")

    code, out, _ = qgtm("feeds", "--archive", str(tmp_path), "--json")
    states = {file["table"]: file["state"] for file in json.loads(out)["files"]}

    assert code == 1
    assert "column is missing" in states["bars_daily"]
    assert "the file is empty" in states["macro"]
    assert states["cot"] == "missing"


def test_the_doctor_finds_a_sound_installation_sound(qgtm, ledger):
    code, out, _ = qgtm("doctor", "--json")
    document = json.loads(out)
    findings = {finding["what"]: finding for finding in document["findings"]}

    assert code == 0
    assert document["ok"]
    assert {"PostgreSQL", "Redis", "ledger", "audit log", "feed", "disk"} <= set(findings)
    assert "demo" in findings["ledger"]["detail"]
    assert document["settings"]["QGTM_POSTGRES_URL"] == "********"
    assert "doctor" in qgtm("doctor")[1]


@pytest.mark.parametrize(
    ("given", "what", "words"),
    [
        ({"feed": "live"}, "feed", "not part of this release"),
        ({"redis_url": "redis://127.0.0.1:1/0"}, "Redis", "does not answer"),
        ({"postgres_url": "postgresql://u:p@127.0.0.1:1/d"}, "servers", "does not answer"),
    ],
)
def test_the_doctor_names_what_is_wrong(servers, given, what, words):
    findings = {finding.what: finding for finding in examine(load_settings(**given))}

    assert findings[what].verdict is Verdict.FAIL
    assert words in findings[what].detail


def test_the_doctor_calls_an_archive_without_prices_broken_and_one_with_gaps_incomplete(
    servers, tmp_path, archive_path
):
    empty, partly = tmp_path / "empty", tmp_path / "partly"
    empty.mkdir()
    partly.mkdir()
    (partly / "bars_daily.parquet").symlink_to(archive_path / "bars_daily.parquet")

    found = {
        folder.name: next(f for f in examine(load_settings(feed="archive", archive=folder)) if f.what == "feed")
        for folder in (empty, partly)
    }

    assert (found["empty"].verdict, found["partly"].verdict) == (Verdict.FAIL, Verdict.WARN)
    assert "missing: " in found["partly"].detail


def test_the_doctor_sees_a_full_disk_and_a_port_in_use(home, monkeypatch):
    monkeypatch.setattr(doctor, "TOO_LITTLE_DISK_GB", 1e9)
    monkeypatch.setattr("qgtm_resources.embedded.port_in_use", lambda port: True)

    assert doctor._disk(home).verdict is Verdict.FAIL
    assert doctor._port(load_settings()).verdict is Verdict.WARN
    with only_one(load_settings().home):
        assert doctor._port(load_settings()).verdict is Verdict.OK


def test_a_second_up_on_the_same_home_is_refused_by_name(home):
    with only_one(home):
        assert up_runs(home)
        with pytest.raises(ConfigError, match=r"is running on .* already"), only_one(home):
            pass
    assert not up_runs(home)


def test_an_archive_option_implies_its_feed(home, tmp_path):
    assert settings_from(archive=tmp_path).feed.value == "archive"


def test_values_become_plain_json():
    frame = pl.DataFrame({"session": [SESSION], "value": [float("nan")]})

    assert plain({"tier": KillTier.WARN, "cash": Decimal("1.50"), "root": b"\x01", "rows": frame, "at": NOW}) == {
        "tier": "WARN",
        "cash": "1.50",
        "root": "01",
        "rows": [{"session": "2024-06-28", "value": None}],
        "at": "2024-06-28 19:30:00+00:00",
    }
    assert day_of("2024-06-28", "--from") == SESSION
    assert day_of(None, "--from") is None
