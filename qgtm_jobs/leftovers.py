"""Runs whose process died (SIGKILL, power): ended in Dagster's books, so that nothing waits for them.

Dagster keeps the pool slot of such a run for ever, and the next run would wait for it. A process therefore holds a
lock in PostgreSQL for as long as it lives and puts the lock's number on its runs: a number nobody holds is a dead run.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg2

from qgtm_resources.settings import plain_postgres_url

if TYPE_CHECKING:
    import dagster as dg

LIFELINE_TAG = "qgtm/lifeline"


@contextmanager
def lifeline(postgres_url: str) -> Iterator[str]:
    """Hold a lock of a new number until the end; the server frees it when this process dies."""
    connection = psycopg2.connect(plain_postgres_url(postgres_url))
    try:
        connection.autocommit = True
        number = secrets.randbits(62)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", (number,))
        yield str(number)
    finally:
        connection.close()


def end_dead_runs(instance: dg.DagsterInstance, postgres_url: str, *, daemon_is_gone: bool = False) -> list[str]:
    """Cancel unfinished runs whose process is gone and free what they hold; returns their ids.

    Runs that a daemon started carry no number. Only a caller who knows that no daemon lives (`qgtm up`, which holds
    the lock of its home) may say so, and then they count as dead too.
    """
    import dagster as dg

    unfinished = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.CANCELING]
    dead = []
    for run in instance.get_runs(dg.RunsFilter(statuses=unfinished)):
        number = run.tags.get(LIFELINE_TAG)
        if daemon_is_gone if number is None else not _held(postgres_url, int(number)):
            dead.append(run)
    for run in dead:
        # cancelled, not failed: the daemon starts a failed run again
        instance.report_run_canceled(run, message="its process ended without a word")
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
    return [run.run_id for run in dead]


def _held(postgres_url: str, number: int) -> bool:
    """True while some process holds the lock; the lock taken to find out goes with the connection."""
    connection = psycopg2.connect(plain_postgres_url(postgres_url))
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", (number,))
            row = cursor.fetchone()
            return row is not None and not row[0]
    finally:
        connection.close()
