"""Recorded sessions held against the same code run again: are the order intents the same bytes, and why not where not.

Sessions of real history are traded one after the other by the jobs of an installation (PostgreSQL, the paper venue, the
executor), each as the session of its day. Then `qgtm parity` runs all of them again from the recorded openings.
"""

from __future__ import annotations

import datetime as dt
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from benchmarks.history import Span
from benchmarks.tables import Result, Table
from definitions import build_defs
from qgtm_assets.parity_desk import ParityDesk
from qgtm_core import calendar
from qgtm_core.backtest.parity.report import ALLOWED_SHARE, Level, Report, unexplained_share
from qgtm_core.ports import Clock, Feed
from qgtm_core.strategies.registry import DAILY
from qgtm_jobs.operations import ledger_of
from qgtm_jobs.workshop import QUIET, RunFailedError, Workshop, execute, failure_of, workshop
from qgtm_resources.resources import DeskResource
from qgtm_resources.settings import load_settings

SESSIONS = 64
STAGES = (("portfolio", "target"), ("risk", "approved_orders"), ("execution", "fills"))


TODAY = [calendar.FIRST_SESSION]


class DeskOfTheDay(DeskResource):
    """A desk whose session moves on, so that one graph serves all sessions."""

    def current_session(self, feed: Feed, clock: Clock | None = None) -> dt.date:  # noqa: ARG002
        """The session that is being traded."""
        return TODAY[0]


def run(folder: Path, span: Span, sessions: int = SESSIONS) -> Result:
    """Trade the last `sessions` sessions of the span, then compare every one of them."""
    days = calendar.schedule(calendar.offset_session(span.last, 1 - sessions), span.last)["session"].to_list()
    with tempfile.TemporaryDirectory(prefix="qgtm-parity-") as home:
        settings = load_settings(
            home=Path(home), feed="archive", archive=folder, as_of=span.last, book="parity", allow_short=True
        )
        with workshop(settings, _silent, venue=True) as shop:
            begun = time.perf_counter()
            groups = ("raw", "pit", "features", "signals")
            execute(shop, "history", _silent, days[0], days[-1], groups=groups, place="history")
            traded_from = time.perf_counter()
            live = build_defs(shop.settings, desk=DeskOfTheDay(**dict(shop.resources["desk"])))["live"]
            for day in days:
                trade(live, day)
            compared_from = time.perf_counter()
            reports = compare(shop, days)
            ended = time.perf_counter()
    return result_of(reports, len(days), (traded_from - begun, compared_from - traded_from, ended - compared_from))


def trade(live: dg.Definitions, session: dt.date) -> None:
    """From target to fills in the live graph, on the day of the session."""
    TODAY[0] = session
    with dg.DagsterInstance.ephemeral() as instance:
        result = live.resolve_job_def("rebalance").execute_in_process(
            instance=instance,
            partition_key=str(session),
            asset_selection=[dg.AssetKey(list(key)) for key in STAGES],
            run_config=QUIET,
            raise_on_error=False,
        )
    if not result.success:
        raise RunFailedError(f"{session}: {failure_of(result)}")


def compare(shop: Workshop, days: Sequence[dt.date]) -> list[Report]:
    """The report of every session."""
    resources = shop.resources
    desk = ParityDesk(resources["warehouse"], ledger_of(shop), resources["desk"], resources["feed"].feed, DAILY)
    return list(desk.reports(days[0], days[-1]))


def result_of(reports: Sequence[Report], sessions: int, seconds: tuple[float, float, float]) -> Result:
    """Figures by level; every session must be there with the same intents, and enough orders must be explained."""
    identical, orders = sum(r.intents_identical for r in reports), sum(r.orders for r in reports)
    share = unexplained_share(reports)
    ok = len(reports) == sessions and identical == sessions and orders > 0 and share <= ALLOWED_SHARE
    result = Result("parity", ok=ok)
    result.tables = [Table(f"{sessions} recorded sessions against the same code run again", _levels(reports))]
    same = f"Order intents identical, byte for byte, in {identical} of {len(reports)} sessions ({orders} orders)"
    result.notes = [
        f"{same}; unexplained {share:.2%} of orders.",
        "history {:.0f} s, trading {:.0f} s, comparing {:.1f} s".format(*seconds),
    ]
    return result


def _levels(reports: Sequence[Report]) -> list[dict[str, Any]]:
    rows = []
    for level in Level:
        own = [count for report in reports for count in report.levels() if count.level == level.value]
        causes: Counter[str] = Counter()
        for count in own:
            causes.update(count.causes)
        rows.append(
            {
                "level": level.value,
                "compared": sum(count.compared for count in own),
                "equal": sum(count.equal for count in own),
                "different, by cause": ", ".join(f"{cause} {n}" for cause, n in sorted(causes.items())),
            }
        )
    return rows


def _silent(_text: str, _done: int, _total: int) -> None:
    """Tell nobody."""
