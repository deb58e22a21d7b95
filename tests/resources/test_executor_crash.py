"""SIGKILL at every point of a run: real processes, real HTTP, real PostgreSQL on both sides.

The executor process is killed before and after each of its calls to broker and ledger, one point a case; then it is
run again, and venue and ledger must agree on every order, fill, position and cent.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from qgtm_core.types import OrderState
from qgtm_resources.clients.ledger import PostgresLedger
from tests.resources.venue_support import CASH, Account, RunningVenue, running_venue

PROJECT = Path(__file__).resolve().parents[2]
# Fills in two parts; fills in two parts and is cancelled for the rest; is refused at the door.
ORDERS = [("SLV", 22_000), ("AEM", -110_000), ("GLD", 900_000)]
BOOK_CASH = 10 * CASH
LOST_REPLIES = {"status_after": [500, 503]}


class Runner:
    """The forking process and what it needs to know."""

    def __init__(self, process: subprocess.Popen[str], venue: RunningVenue, ledger_url: str) -> None:
        self._process, self.venue, self._ledger_url = process, venue, ledger_url

    def run(self, account: Account, kill_at: int = 0) -> dict[str, int]:
        """Run the executor in a process of its own; `kill_at` 0 lets it live."""
        case = {"url": account.url, "account": account.name, "ledger_url": self._ledger_url}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({**case, "kill_at": kill_at, "orders": ORDERS}) + "\n")
        self._process.stdin.flush()
        answer: dict[str, int] = json.loads(self._process.stdout.readline())
        return answer


@pytest.fixture(scope="module")
def runner(ledger_url: str) -> Iterator[Runner]:
    with running_venue(ledger_url) as venue:
        command = [sys.executable, "-m", "tests.resources.crash_child"]
        process = subprocess.Popen(
            command, cwd=PROJECT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=None
        )
        yield Runner(process, venue, ledger_url)
        process.communicate()


def new_account(runner: Runner, ledger: PostgresLedger, **faults: Any) -> Account:
    account = runner.venue.account(cash=BOOK_CASH)
    ledger.open_book(account.name, BOOK_CASH, "simulated")
    if faults:
        account.control.set_faults(**faults)
    return account


def assert_nothing_lost_nothing_doubled(account: Account, ledger: PostgresLedger) -> None:
    book = ledger.book_state(account.name)
    orders = {o["client_order_id"]: o for o in account.get("/v2/orders", status="all")}
    states = {intent.symbol: state for intent, state in ledger.orders(account.name)}
    with account.broker() as broker:
        fills = broker.executions()
        held = {p.symbol: p.quantity_shares for p in broker.positions()}
        cash = broker.account().cash_usd

    assert states == {"SLV": OrderState.FILLED, "AEM": OrderState.CANCELLED, "GLD": OrderState.REJECTED}
    assert sorted(o["symbol"] for o in orders.values()) == ["AEM", "SLV"]
    assert held == book.positions == {"SLV": Decimal(22_000), "AEM": Decimal(-100_000)}
    assert cash == book.cash_usd
    assert ledger.executions(account.name) == fills
    assert len(fills) == 4


@pytest.mark.parametrize(("faults", "step"), [({}, 3), (LOST_REPLIES, 6)], ids=["replies arrive", "replies are lost"])
def test_a_death_at_any_point_loses_no_order_and_doubles_none(runner, postgres_ledger, faults, step):
    """Crossings in turn, until the run ends before the crossing is reached; every one of them if asked for."""
    step = 1 if os.environ.get("QGTM_TEST_EXHAUSTIVE") else step
    undisturbed = runner.run(new_account(runner, postgres_ledger, **faults))["crossings"]
    for point in range(1, undisturbed, step):
        account = new_account(runner, postgres_ledger, **faults)
        assert runner.run(account, kill_at=point)["code"] == -signal.SIGKILL
        assert runner.run(account)["code"] == 0
        assert_nothing_lost_nothing_doubled(account, postgres_ledger)
    assert undisturbed >= 39


def test_a_storm_of_deaths_on_one_book_ends_with_equal_books(runner, postgres_ledger):
    """Killed at the first, second, third … crossing of one and the same session until a run survives."""
    account = new_account(runner, postgres_ledger, **LOST_REPLIES)
    deaths = 0
    while runner.run(account, kill_at=deaths + 1)["code"] != 0:
        deaths += 1

    assert_nothing_lost_nothing_doubled(account, postgres_ledger)
    assert deaths >= 10
