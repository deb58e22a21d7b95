"""When a tick of the intraday sleeve runs: every five minutes of a live session, once each, never late."""

import datetime as dt

import dagster as dg

from qgtm_assets.intraday import TICK_TAG
from qgtm_core import calendar
from qgtm_core.intraday import clock
from qgtm_core.types import FeedMode
from qgtm_jobs.jobs import intraday
from qgtm_resources.clock import SystemClock
from qgtm_resources.resources import DeskResource, LedgerResource

START_WITHIN = dt.timedelta(minutes=2)


@dg.sensor(
    job=intraday,
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Starts one run a 5-minute tick of the session; switch it on where the feed has intraday bars",
)
def intraday_sensor(desk: DeskResource, ledger: LedgerResource) -> dg.RunRequest | dg.SkipReason:
    """Request the newest tick; say why not otherwise."""
    return due(SystemClock().now(), desk, ledger)


def due(now: dt.datetime, desk: DeskResource, ledger: LedgerResource) -> dg.RunRequest | dg.SkipReason:
    """What to do at `now`."""
    if FeedMode(desk.mode) is not FeedMode.LIVE:
        return dg.SkipReason("ticks follow the clock of a live feed; on history launch the job `intraday` with its tag")
    tick, session = clock.newest_tick(now), calendar.session_at(now)
    if tick is None or session is None:
        return dg.SkipReason("no tick of a session yet, or none any more")
    if now - tick > START_WITHIN:
        return dg.SkipReason(f"the tick of {tick.astimezone(calendar.NEW_YORK):%H:%M:%S} New York is over")
    books = ledger.ledger
    if desk.book in {name for name, _, _ in books.books()}:
        gate = books.gate(desk.book)
        if not gate.open:
            return dg.SkipReason(f"kill switch at {gate.tier.name}: {gate.reason}")
    return dg.RunRequest(
        run_key=f"intraday:{tick.isoformat()}",
        partition_key=session.isoformat(),
        tags={"session": str(session), TICK_TAG: tick.isoformat()},
    )
