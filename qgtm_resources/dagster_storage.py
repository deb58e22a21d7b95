"""Dagster's PostgreSQL storage with connections that are kept: a run writes about a thousand small rows.

Dagster opens a connection for every one of them unless it serves its web pages. Its own setting for those, one
connection held and more on demand, is used here for every process.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dagster_postgres import DagsterPostgresStorage
from dagster_postgres.utils import pg_url_from_config

STATEMENT_TIMEOUT_MS = 600_000
RECYCLE_S = 1_800
MORE_CONNECTIONS = 20  # beside the one held, while several threads write


class KeptConnections(DagsterPostgresStorage):  # type: ignore[misc]  # the library ships no types
    """The storage of runs, events and schedules, each with one connection held open."""

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Mapping[str, Any]) -> KeptConnections:
        """Build from the section `storage` of dagster.yaml."""
        storage = cls(postgres_url=pg_url_from_config(config_value), inst_data=inst_data)
        for part in (storage.event_log_storage, storage.run_storage, storage.schedule_storage):
            part.optimize_for_webserver(STATEMENT_TIMEOUT_MS, RECYCLE_S, MORE_CONNECTIONS)
        return storage
