"""`qgtm parity` against a real ledger: what it counts, lists and exits with."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from qgtm_core.types import BookState, Execution, Side
from qgtm_jobs import cli
from qgtm_resources.clients.ledger import PostgresLedger
from qgtm_resources.migrations import migrate

SESSION = dt.date(2024, 6, 26)
NOON = dt.datetime(2024, 6, 26, 16, tzinfo=dt.UTC)
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def qgtm(capsys: pytest.CaptureFixture[str]) -> Call:
    """Run one command in this process; returns exit code, standard output and standard error."""

    def call(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main(arguments)
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return call


@pytest.fixture
def opened(home: Path, postgres_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A book that was opened for two sessions in which nothing else was recorded but a trade by hand."""
    for name, value in {"POSTGRES_URL": postgres_url, "REDIS_URL": redis_url, "YEARS": "2"}.items():
        monkeypatch.setenv(f"QGTM_{name}", value)
    migrate(postgres_url)
    with PostgresLedger(postgres_url) as ledger:
        ledger.open_book("demo", Decimal(1_000_000), "simulated")
        for session in (SESSION, SESSION + dt.timedelta(days=1)):
            ledger.record_opening(session, BookState("demo", Decimal(1_000_000), session=session))
        ledger.book_external("demo", [Execution("x1", "hand", "GLD", Side.BUY, Decimal(3), Decimal(200), NOON)])


@pytest.mark.usefixtures("opened")
def test_differences_are_counted_by_level_and_cause(qgtm: Call) -> None:
    code, out, _ = qgtm("parity", "--book", "demo", "--json")
    told = json.loads(out)
    assert code == 0
    assert (told["sessions"], told["orders"], told["unexplained_orders"], told["ok"]) == (2, 0, 0, True)
    causes = {(level["session"], level["level"]): level["causes"] for level in told["levels"]}
    assert causes[str(SESSION), "TARGET"] == {"SESSION_NOT_RUN": 1}
    assert causes[str(SESSION), "FILL"] == {"OUTSIDE_ORDER": 1}
    assert {row["live"] for row in told["differences"] if row["level"] == "FILL"} == {"3.0"}


@pytest.mark.usefixtures("opened")
def test_a_range_leaves_the_other_sessions_out(qgtm: Call) -> None:
    later = str(SESSION + dt.timedelta(days=1))
    code, out, _ = qgtm("parity", "--book", "demo", "--from", later)
    assert code == 0
    assert later in out
    assert str(SESSION) not in out
    assert "1 of 1 sessions: order intents identical" in out


@pytest.mark.usefixtures("opened")
def test_a_book_that_is_not_there_is_bad_usage(qgtm: Call) -> None:
    code, _, err = qgtm("parity", "--book", "nobody")
    assert code == 2
    assert "no book named 'nobody'" in err
