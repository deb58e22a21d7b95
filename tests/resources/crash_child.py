"""A process that runs the executor and kills itself with SIGKILL at the n-th crossing between executor and outside.

Started once, it forks a fresh process for every line it reads (`{"url", "account", "ledger_url", "kill_at", …}`) and
answers with that process's exit status and the number of crossings. The executor itself knows nothing of this.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import sys
from typing import Any

from qgtm_core import calendar
from qgtm_resources.clients.alpaca import AlpacaBroker
from qgtm_resources.clients.alpaca_client import TimedClient
from qgtm_resources.clients.ledger import PostgresLedger
from qgtm_resources.clock import SessionClock
from qgtm_resources.executor import Executor, Pace
from tests.resources.venue_support import SECRET, SESSION, Account

assert TimedClient  # loaded before the fork: importing it takes seconds
QUICK = Pace(lookup_pause_s=0.01, first_poll_s=0.01, max_poll_s=0.02)


class Crossings:
    """Counts crossings; the process dies at the chosen one."""

    def __init__(self, kill_at: int) -> None:
        self.kill_at, self.count = kill_at, 0

    def cross(self) -> None:
        self.count += 1
        if self.count == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


class Killed:
    """Stands between the executor and the real broker or ledger: one crossing before each call and one after."""

    def __init__(self, inner: Any, crossings: Crossings) -> None:
        self._inner, self._crossings = inner, crossings

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)

        def call(*arguments: Any, **options: Any) -> Any:
            self._crossings.cross()
            answer = method(*arguments, **options)
            self._crossings.cross()
            return answer

        return call

    def book_executions(self, executions: Any) -> int:
        """Book one by one, so that a death between two fills is among the crossings."""
        booked = 0
        for execution in executions:
            self._crossings.cross()
            booked += self._inner.book_executions([execution])
        self._crossings.cross()
        return booked


def run(case: dict[str, Any]) -> int:
    """One run of the executor; returns the number of crossings."""
    account = Account(case["url"], case["account"], None)  # type: ignore[arg-type]
    intents = [account.intent(symbol, shares) for symbol, shares in case["orders"]]
    crossings = Crossings(case["kill_at"])
    broker = AlpacaBroker(account.name, SECRET, account.url, timeout_s=2.0, sleep=lambda seconds: None)
    with PostgresLedger(case["ledger_url"]) as ledger:
        runner = Executor(Killed(broker, crossings), Killed(ledger, crossings), SessionClock(SESSION), 20.0, pace=QUICK)
        report = runner.run(intents, dt.date.fromisoformat(case.get("session", SESSION.isoformat())))
    broker.close()
    assert report.settled, report
    return crossings.count


def serve() -> None:
    """Fork for every line of standard input, with all that is slow to load loaded before."""
    calendar.decision_time(SESSION)
    for line in sys.stdin:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            os.write(writing, str(run(json.loads(line))).encode())
            os._exit(0)  # an exception ends the loop instead: its traceback is printed and the code is 1
        os.close(writing)
        _, status = os.waitpid(child, 0)
        with os.fdopen(reading) as result:
            count = result.read()
        code = os.waitstatus_to_exitcode(status)
        sys.stdout.write(json.dumps({"code": code, "crossings": int(count or 0)}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
