"""`qgtm run` killed with SIGKILL at chosen points and run again: each order once, each fill once, cash to the cent.

Servers and paper venue are those of an installation and stay up; the command is a child process on the simulated
market. An undisturbed run in another book says what the result must be. Takes minutes: part of `make bench`, not of the
tests.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.accounts import Books, at_ledger, at_venue, problems
from benchmarks.barrier import Barrier, rows, wait_for
from benchmarks.tables import Result, Table
from qgtm_core.errors import QgtmError
from qgtm_jobs.venue_process import paper_venue, secret_of
from qgtm_resources.services import services
from qgtm_resources.settings import Settings, load_settings
from qgtm_resources.venue.control import VenueControl

LIMIT_S = 300.0
CONTROL = "control"


@dataclass(frozen=True, slots=True)
class Desk:
    """The running servers, and how to reach one book of them."""

    settings: Settings
    ledger_url: str

    @property
    def dagster_url(self) -> str:
        """Address of Dagster's own tables."""
        return f"{self.ledger_url.rsplit('/', 1)[0]}/{self.settings.dagster_database}"

    def venue(self, book: str) -> VenueControl:
        """The venue's switches for the account of a book."""
        return VenueControl(os.environ["QGTM_VENUE_URL"], book, secret_of(self.settings.home))

    def count(self, query: str, book: str) -> int:
        """The number that a query over the ledger and the venue gives for a book."""
        return int(rows(self.ledger_url, query, book)[0][0])


@dataclass(frozen=True, slots=True)
class Point:
    """Where to kill: `reach` returns, inside its context, once the command stands there."""

    name: str
    reach: Callable[[Desk, str], Any]


# where to kill


def before_step(step: str) -> Callable[[Desk, str], Any]:
    """The step before this one is stored and this one has not begun."""

    @contextmanager
    def reach(desk: Desk, _book: str) -> Iterator[Callable[[], None]]:
        condition = f"NEW.step_key = '{step}' AND NEW.dagster_event_type = 'STEP_START'"
        with Barrier(desk.dagster_url, "event_logs", condition) as barrier:
            yield lambda: wait_for(barrier.waiting, LIMIT_S, f"the start of {step}")

    return reach


def at_insert(table: str, condition: str) -> Callable[[Desk, str], Any]:
    """A row is about to be written to the ledger."""

    @contextmanager
    def reach(desk: Desk, _book: str) -> Iterator[Callable[[], None]]:
        with Barrier(desk.ledger_url, table, condition) as barrier:
            yield lambda: wait_for(barrier.waiting, LIMIT_S, f"a row of {table} where {condition}")

    return reach


@contextmanager
def answer_lost(desk: Desk, book: str) -> Iterator[Callable[[], None]]:
    """The venue has taken the first order and has not answered."""
    venue = desk.venue(book)
    venue.set_faults(timeout_after_accept=1, timeout_s=60.0)
    query = "SELECT count(*) FROM venue.orders WHERE account = %s"
    yield lambda: wait_for(lambda: desk.count(query, book), LIMIT_S, "an order at the venue")
    venue.set_faults()


@contextmanager
def some_fills_booked(desk: Desk, book: str) -> Iterator[Callable[[], None]]:
    """The fills of the first order are booked; all others are open at the venue, which holds them."""
    venue = desk.venue(book)
    taken = "SELECT count(*) FROM venue.orders WHERE account = %s"
    booked = "SELECT count(*) FROM ledger.executions WHERE book = %s"
    with Barrier(desk.ledger_url, "ledger.order_events", "NEW.state = 'ACCEPTED'") as barrier:

        def reach() -> None:
            wait_for(barrier.waiting, LIMIT_S, "the first order")
            venue.set_faults(hold=True)
            barrier.open()
            wait_for(lambda: desk.count(booked, book), LIMIT_S, "a booked fill")
            wait_for(lambda: desk.count(taken, book) > 1, LIMIT_S, "a second order")

        yield reach
    venue.set_faults()


POINTS = (
    Point("target stored", before_step("risk__approved_orders")),
    Point("orders approved", before_step("execution__fills")),
    Point("intents saved, none sent", at_insert("ledger.order_events", "NEW.state = 'SENDING'")),
    Point("first order taken, no answer yet", answer_lost),
    Point("first answer here, not written", at_insert("ledger.order_events", "NEW.state = 'ACCEPTED'")),
    Point("fills of one order booked, others open", some_fills_booked),
    Point("in the middle of booking fills", at_insert("ledger.executions", "true")),
    Point("fills stored, before the costs", before_step("tca__orders")),
)

# trials


def run(home: Path | None = None, points: tuple[Point, ...] = POINTS) -> Result:
    """One undisturbed run, then one trial a point, each in a book of its own."""
    with ExitStack() as stack:
        folder = home or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="qgtm-crash-")))
        settings = load_settings(home=folder, feed="simulated", allow_short=True)
        servers = stack.enter_context(services(settings))
        stack.enter_context(paper_venue(servers.settings))
        desk = Desk(servers.settings, servers.postgres_url)
        started = time.perf_counter()
        control_report = complete(desk, CONTROL)
        seconds = time.perf_counter() - started
        control = at_ledger(desk.ledger_url, CONTROL)
        wrong = problems(control, at_venue(desk.ledger_url, CONTROL), control)
        found = [trial(desk, point, f"trial-{n}", control, control_report) for n, point in enumerate(points, 1)]
    result = Result("crash", ok=not wrong and all(not row["wrong"] for row in found))
    result.tables = [Table(f"SIGKILL at {len(found)} points, then `qgtm run` again", found)]
    verdict = "; ".join(wrong) or "ledger and venue agree"
    result.notes = [
        f"Control: {len(control.orders)} orders, {len(control.fills)} fills, {seconds:.1f} s with history; {verdict}."
    ]
    return result


def trial(desk: Desk, point: Point, book: str, control: Books, expected: Mapping[str, Any]) -> dict[str, Any]:
    """Kill at the point, look at both sides, run again to the end, compare."""
    with point.reach(desk, book) as reached:
        process = start(desk, book)
        try:
            reached()
        finally:
            process.kill()
            process.wait()
    died = process.returncode == -signal.SIGKILL
    left, there = at_ledger(desk.ledger_url, book), at_venue(desk.ledger_url, book)
    states = Counter(str(row[6]) for row in left.orders)
    started = time.perf_counter()
    report = complete(desk, book)
    seconds = time.perf_counter() - started
    ledger, venue = at_ledger(desk.ledger_url, book), at_venue(desk.ledger_url, book)
    wrong = [*problems(ledger, venue, control), *_report_problems(report, expected)]
    return {
        "killed when": point.name,
        "ledger then": ", ".join(f"{n} {state}" for state, n in states.items()) or "no orders",
        "at venue then": len(there.orders),
        "booked then": len(left.fills),
        "orders": len(ledger.orders),
        "fills": len(ledger.fills),
        "cash off by USD": f"{ledger.cash_usd - control.cash_usd:.2f}",
        "second run s": seconds,
        "load": os.getloadavg()[0],
        "wrong": "; ".join([*wrong, *([] if died else ["the command had ended before the kill"])]),
    }


def _report_problems(report: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """What the second run says of itself: the audit log verifies and no row of fills or costs is missing."""
    found = [] if report["ok"] and report["audit"]["verified"] else ["the second run is not well"]
    return found + [
        f"{name} rows" for name in ("fills", "tca", "positions") if len(report[name]) != len(expected[name])
    ]


def start(desk: Desk, book: str) -> subprocess.Popen[bytes]:
    """`qgtm run` as a child process on the servers that are up; its output goes to files under the home."""
    command = [sys.executable, "-m", "qgtm_jobs.cli", "run", "--json", "--book", book]
    folder = desk.settings.log_folder
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{book}.json").open("wb") as out, (folder / f"{book}.log").open("ab") as log:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=log)


def complete(desk: Desk, book: str) -> dict[str, Any]:
    """A run that must succeed; its report."""
    process, folder = start(desk, book), desk.settings.log_folder
    if process.wait(LIMIT_S):
        raise QgtmError(f"the run of book {book} failed: {(folder / f'{book}.log').read_text()[-2000:]}")
    report: dict[str, Any] = json.loads((folder / f"{book}.json").read_text())
    return report
