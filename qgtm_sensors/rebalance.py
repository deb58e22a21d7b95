"""When the rebalance runs: inside its window in live work, once per session of history otherwise. Never late."""

import datetime as dt

import dagster as dg

from qgtm_core import calendar
from qgtm_core.types import FeedMode
from qgtm_jobs.jobs import ingest, rebalance
from qgtm_resources.clock import SystemClock
from qgtm_resources.resources import DeskResource, FeedResource, WarehouseResource

ATTEMPT = "1"  # a run key is spent for ever; an operator who must run again launches the job by hand


@dg.sensor(
    jobs=[ingest, rebalance],
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Starts the rebalance at the decision time, 30 minutes before the close; closed ten minutes later",
)
def rebalance_sensor(
    desk: DeskResource, feed: FeedResource, warehouse: WarehouseResource
) -> dg.RunRequest | dg.SkipReason:
    """Request one rebalance a session; say what is missing otherwise."""
    return due(SystemClock().now(), desk, feed, warehouse)


def due(
    now: dt.datetime, desk: DeskResource, feed: FeedResource, warehouse: WarehouseResource
) -> dg.RunRequest | dg.SkipReason:
    """What to do at `now`. On history the session is given, so there is no window to wait for."""
    live = FeedMode(desk.mode) is FeedMode.LIVE
    session = calendar.session_at(now) if live else desk.current_session(feed.feed)
    if session is None:
        return dg.SkipReason("no session today")
    opens, shuts = calendar.rebalance_window(session)
    if live and now < opens:
        return dg.SkipReason(f"the window of {session} opens at {opens.astimezone(calendar.NEW_YORK):%H:%M} New York")
    if live and now > shuts:
        return dg.SkipReason(f"the window of {session} is shut; a late rebalance is worse than none")
    held = warehouse.read("features", "prices", session, session, columns=["session"])
    if held.is_empty():
        if live:
            return dg.SkipReason(f"features/prices holds nothing for {session}: ingest first")
        return _request("ingest", session)
    return _request("rebalance", session)


def _request(job: str, session: dt.date) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=f"{job}:{session}:{ATTEMPT}",
        job_name=job,
        partition_key=session.isoformat(),
        tags={"session": str(session)},
    )
