"""An opened installation: servers up, ledger migrated, graph loaded; and how a job runs in this process."""

from __future__ import annotations

import datetime as dt
import json
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qgtm_core.errors import ConfigError, QgtmError
from qgtm_core.types import FeedMode
from qgtm_jobs.leftovers import LIFELINE_TAG, end_dead_runs, lifeline
from qgtm_jobs.progress import Progress, steps_reported
from qgtm_jobs.venue_process import paper_venue
from qgtm_resources.services import Services, services
from qgtm_resources.settings import Settings

if TYPE_CHECKING:
    import dagster as dg

    from qgtm_resources.clients.ledger import PostgresLedger

QUIET: Mapping[str, Any] = {"loggers": {"progress": {}}}
RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


class RunFailedError(QgtmError):
    """A run that ended in failure; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """An opened installation: servers up, migrated, definitions loaded."""

    settings: Settings
    services: Services
    instance: dg.DagsterInstance
    live: dg.Definitions
    research: dg.Definitions
    history: dg.Definitions  # raw to signals, for long ranges
    resources: Mapping[str, Any]
    lifeline: str

    @property
    def session(self) -> dt.date:
        """The session this installation acts on."""
        current: dt.date = self.resources["desk"].current_session(self.resources["feed"].feed)
        return current


@contextmanager
def workshop(settings: Settings, progress: Progress, *, venue: bool) -> Iterator[Workshop]:
    """Open the installation; what was started here is stopped at the end."""
    with ExitStack() as stack:
        progress("starting PostgreSQL and Valkey", 0, 0)
        servers = stack.enter_context(services(settings))
        require_same_source(settings)
        if venue:
            progress("starting the paper venue", 0, 0)
            stack.enter_context(paper_venue(servers.settings))
        progress("loading the graph", 0, 0)
        import dagster as dg

        from definitions import build_defs, market_history, resources_of
        from qgtm_resources.migrations import migrate

        warnings.filterwarnings("ignore", category=dg.BetaWarning)
        warnings.filterwarnings("ignore", message="Asset job .* materializes assets with varying")
        migrate(servers.postgres_url)
        defs = build_defs(servers.settings)
        instance = stack.enter_context(dg.DagsterInstance.get())
        number = stack.enter_context(lifeline(servers.postgres_url))
        end_dead_runs(instance, servers.postgres_url)
        resources = resources_of(servers.settings)
        long_ranges = market_history(servers.settings)
        yield Workshop(
            servers.settings, servers, instance, defs["live"], defs["research"], long_ranges, resources, number
        )


def require_same_source(settings: Settings) -> None:
    """Refuse to mix two sources in one warehouse: the first one used is written down beside it."""
    source = {
        FeedMode.SIMULATED: {"feed": "simulated", "seed": settings.seed, "years": settings.years},
        FeedMode.ARCHIVE: {"feed": "archive", "archive": str(settings.archive.resolve() if settings.archive else "")},
        FeedMode.LIVE: {"feed": "live"},
    }[settings.feed]
    note = settings.warehouse_folder / "source.json"
    if not note.exists():
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(json.dumps(source))
    held = json.loads(note.read_text())
    if held != source:
        raise ConfigError(
            f"{note.parent} holds data of {held}, not of {source}: set QGTM_HOME to another folder or remove this one"
        )


def execute(
    shop: Workshop,
    job: str,
    progress: Progress,
    first: dt.date,
    last: dt.date,
    *,
    groups: Sequence[str] = (),
    only: Sequence[str] = (),
    place: str = "live",
    config: Mapping[str, Any] | None = None,
) -> float:
    """Run a job of a place (live, research, history) over first..last in this process; returns seconds.

    `groups`, and `only` some tables of them, are materialized as one range; without groups it is the last session.
    Raises RunFailedError naming the step.
    """
    import dagster as dg

    definitions: dg.Definitions = getattr(shop, place)
    definition = definitions.resolve_job_def(job)
    chosen = None
    if groups:
        graph = definitions.resolve_asset_graph()
        chosen = [
            key
            for key in dg.AssetSelection.groups(*groups).resolve(graph)
            if key in definition.asset_layer.selected_asset_keys and (not only or key.path[-1] in only)
        ]
    started = time.perf_counter()
    single = first == last and not groups and definition.partitions_def is not None
    ranged = {RANGE[0]: str(first), RANGE[1]: str(last)} if groups else {}
    with steps_reported(progress, job, len(chosen) if chosen else len(definition.nodes)):
        result = definition.execute_in_process(
            instance=shop.instance,
            partition_key=str(last) if single else None,
            asset_selection=chosen,
            tags={**ranged, LIFELINE_TAG: shop.lifeline},
            run_config={**QUIET, **(config or {})},
            raise_on_error=False,
        )
    if not result.success:
        raise RunFailedError(f"{job} of {last} failed (run {result.run_id[:8]}): {failure_of(result)}")
    return time.perf_counter() - started


def failure_of(result: dg.ExecuteInProcessResult) -> str:
    """The innermost message of the first failed step, or of the run."""
    for event in result.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            while error is not None and error.cause is not None:
                error = error.cause
            failed = event.step_failure_data.user_failure_data
            text = failed.description if failed and failed.description else (error.message if error else "")
            return f"{str(event.step_key).replace('__', '/')}: {str(text).strip()}"
    for event in result.all_events:
        if event.is_failure:
            return str(event.message).strip()
    return "no reason was recorded"


def ledger_of(shop: Workshop) -> PostgresLedger:
    """The ledger of an opened installation."""
    found: PostgresLedger = shop.resources["ledger"].model_copy(update={"url": shop.services.postgres_url}).ledger
    return found


def event_rows(shop: Workshop) -> int:
    """Rows of Dagster's event log."""
    import sqlalchemy as sa

    with shop.instance.event_log_storage.index_connection() as connection:  # type: ignore[attr-defined]
        return int(connection.execute(sa.text("select count(*) from event_logs")).scalar_one())
