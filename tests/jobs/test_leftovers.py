"""A run whose process died must not keep others waiting; a run that goes on must not be touched."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Iterator

import dagster as dg
import pytest

from qgtm_jobs.leftovers import LIFELINE_TAG, end_dead_runs, lifeline

POOL = "pool"
HOLDER = """
import sys, time
from qgtm_jobs.leftovers import lifeline
with lifeline(sys.argv[1]) as number:
    print(number, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        made.event_log_storage.set_concurrency_slots(POOL, 1)
        yield made


def started_run(instance: dg.DagsterInstance, tags: dict[str, str]) -> str:
    """A run that holds the only slot of the pool."""
    run_id = str(uuid.uuid4())
    instance.add_run(dg.DagsterRun(job_name="rebalance", run_id=run_id, status=dg.DagsterRunStatus.STARTED, tags=tags))
    instance.event_log_storage.claim_concurrency_slot(POOL, run_id, "step")
    return run_id


def slot_holders(instance: dg.DagsterInstance) -> set[str]:
    return {slot.run_id for slot in instance.event_log_storage.get_concurrency_info(POOL).claimed_slots}


def status_of(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


def test_a_run_of_a_killed_process_is_cancelled_and_gives_its_slot_back(
    instance: dg.DagsterInstance, postgres_url: str
) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, postgres_url], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    number = holder.stdout.readline().strip()
    dead = started_run(instance, {LIFELINE_TAG: number})
    assert end_dead_runs(instance, postgres_url) == []
    assert slot_holders(instance) == {dead}
    holder.kill()
    holder.communicate()
    for _ in range(100):  # the server notices the closed connection a moment later
        if ended := end_dead_runs(instance, postgres_url):
            break
    assert ended == [dead]
    assert status_of(instance, dead) is dg.DagsterRunStatus.CANCELED
    assert slot_holders(instance) == set()
    assert end_dead_runs(instance, postgres_url) == []


def test_a_run_of_a_living_process_goes_on(instance: dg.DagsterInstance, postgres_url: str) -> None:
    with lifeline(postgres_url) as number:
        alive = started_run(instance, {LIFELINE_TAG: number})
        assert end_dead_runs(instance, postgres_url) == []
        assert status_of(instance, alive) is dg.DagsterRunStatus.STARTED
        assert slot_holders(instance) == {alive}


def test_a_run_of_the_daemon_has_no_lifeline_and_is_left_alone(instance: dg.DagsterInstance, postgres_url: str) -> None:
    other = started_run(instance, {})
    assert end_dead_runs(instance, postgres_url) == []
    assert status_of(instance, other) is dg.DagsterRunStatus.STARTED


def test_runs_of_a_former_daemon_end_when_the_caller_knows_that_none_lives(
    instance: dg.DagsterInstance, postgres_url: str
) -> None:
    with lifeline(postgres_url) as number:
        alive = started_run(instance, {LIFELINE_TAG: number})
        left_behind = str(uuid.uuid4())
        instance.add_run(dg.DagsterRun(job_name="ingest", run_id=left_behind, status=dg.DagsterRunStatus.STARTED))

        assert end_dead_runs(instance, postgres_url, daemon_is_gone=True) == [left_behind]
        assert status_of(instance, alive) is dg.DagsterRunStatus.STARTED
