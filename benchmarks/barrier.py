"""A point in a PostgreSQL database at which a process waits, so that it can be killed exactly there.

A trigger makes the insert of a chosen row wait for a lock that we hold. The program under test knows nothing of it; for
it the database is slow. Killed there, its transaction is rolled back, as after any death before a commit.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

import psycopg2

from qgtm_resources.settings import plain_postgres_url

LOCK = 741_203_955  # any number that nobody else locks
POLL_S = 0.005


def rows(url: str, query: str, *values: Any) -> list[tuple[Any, ...]]:
    """Rows of one query on a connection of its own."""
    connection = psycopg2.connect(plain_postgres_url(url))
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(query, values)
            return list(cursor.fetchall())
    finally:
        connection.close()


class Barrier:
    """While it stands, an insert into `table` of a row for which `condition` (SQL over NEW) holds waits."""

    def __init__(self, url: str, table: str, condition: str) -> None:
        self._table, self._condition = table, condition
        self._connection = psycopg2.connect(plain_postgres_url(url))
        self._connection.autocommit = True

    def _do(self, statement: str, values: tuple[Any, ...] | None = None) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(statement, values)
            return list(cursor.fetchall()) if cursor.description else []

    def __enter__(self) -> Barrier:
        self._do("SELECT pg_advisory_lock(%s)", (LOCK,))
        self._do(
            "CREATE OR REPLACE FUNCTION public.benchmark_wait() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN PERFORM pg_advisory_xact_lock({LOCK}); RETURN NEW; END $$"
        )
        self._do(
            f"CREATE TRIGGER aaa_benchmark_wait BEFORE INSERT ON {self._table} FOR EACH ROW "
            f"WHEN ({self._condition}) EXECUTE FUNCTION public.benchmark_wait()"
        )
        return self

    def waiting(self) -> list[int]:
        """Servers of the processes that wait."""
        found = self._do("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND NOT granted", (LOCK,))
        return [int(pid) for (pid,) in found]

    def open(self) -> None:
        """Let everybody through from now on."""
        self._do("SELECT pg_advisory_unlock_all()")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pid in self.waiting():
            self._do("SELECT pg_terminate_backend(%s)", (pid,))
        wait_for(lambda: not self.waiting(), 10.0, "the waiting server to end")
        self.open()
        self._do(f"DROP TRIGGER aaa_benchmark_wait ON {self._table}")
        self._do("DROP FUNCTION public.benchmark_wait()")
        self._connection.close()


def wait_for(condition: Callable[[], Any], seconds: float, what: str) -> None:
    """Poll until the condition holds; raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        time.sleep(POLL_S)
