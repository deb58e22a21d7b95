"""From a latched FLATTEN tier to the job that closes the book. Checks report, this sensor acts."""

import dagster as dg

from qgtm_core.types import KillTier
from qgtm_jobs.jobs import flatten
from qgtm_resources.resources import DeskResource, LedgerResource


@dg.sensor(
    job=flatten,
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Starts flatten once for every time the kill switch latches FLATTEN",
)
def killswitch_sensor(desk: DeskResource, ledger: LedgerResource) -> dg.RunRequest | dg.SkipReason:
    """Request `flatten`, keyed by the instant the tier was latched."""
    books = ledger.ledger
    if desk.book not in {name for name, _, _ in books.books()}:
        return dg.SkipReason(f"book {desk.book} is not open yet")
    gate = books.gate(desk.book)
    if gate.tier is not KillTier.FLATTEN:
        return dg.SkipReason(f"tier is {gate.tier.name}")
    latched_at = books.kill_states(desk.book, limit=1)[0][0]
    return dg.RunRequest(run_key=f"flatten:{desk.book}:{latched_at.isoformat()}")
