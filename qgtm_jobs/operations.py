"""What the commands do: start what is needed, run the jobs in this process, read back what happened."""

from __future__ import annotations

import datetime as dt
import json
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from qgtm_core import calendar
from qgtm_core.errors import ConfigError, QgtmError
from qgtm_core.types import FeedMode
from qgtm_jobs.progress import Progress, steps_reported
from qgtm_jobs.venue_process import paper_venue
from qgtm_resources.services import Services, services
from qgtm_resources.settings import Settings

if TYPE_CHECKING:
    import dagster as dg

QUIET = {"loggers": {"progress": {}}}
RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


class RunFailed(QgtmError):
    """A run that ended in failure; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """An opened installation: servers up, migrated, definitions loaded."""

    settings: Settings
    services: Services
    instance: dg.DagsterInstance
    live: dg.Definitions
    research: dg.Definitions
    resources: Mapping[str, Any]

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

        from definitions import build_defs, resources_of
        from qgtm_resources.migrations import migrate

        warnings.filterwarnings("ignore", category=dg.BetaWarning)
        warnings.filterwarnings("ignore", message="Asset job .* materializes assets with varying")
        migrate(servers.postgres_url)
        defs = build_defs(servers.settings)
        instance = stack.enter_context(dg.DagsterInstance.get())
        yield Workshop(
            servers.settings, servers, instance, defs["live"], defs["research"], resources_of(servers.settings)
        )


def require_same_source(settings: Settings) -> None:
    """Refuse to mix two sources in one warehouse: the first one used is written down beside it."""
    source = {
        FeedMode.SIMULATED: {"feed": "simulated", "seed": settings.seed, "years": settings.years},
        FeedMode.ARCHIVE: {"feed": "archive", "archive": str(settings.archive)},
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
    research: bool = False,
    config: Mapping[str, Any] | None = None,
) -> float:
    """Run a job over sessions first..last in this process; returns seconds. Raises RunFailed naming the step."""
    import dagster as dg

    definitions = shop.research if research else shop.live
    definition = definitions.resolve_job_def(job)
    chosen = None
    if groups:
        graph = definitions.resolve_asset_graph()
        chosen = [
            key
            for key in dg.AssetSelection.groups(*groups).resolve(graph)
            if key in definition.asset_layer.selected_asset_keys
        ]
    started = time.perf_counter()
    single = first == last and not groups
    tags = {"dagster/partition": str(last)} if single else {RANGE[0]: str(first), RANGE[1]: str(last)}
    with steps_reported(progress, job, len(chosen) if chosen else len(definition.nodes)):
        result = definition.execute_in_process(
            instance=shop.instance,
            partition_key=str(last) if single else None,
            asset_selection=chosen,
            tags=tags if not single else None,
            run_config={**QUIET, **(config or {})},
            raise_on_error=False,
        )
    if not result.success:
        raise RunFailed(f"{job} of {last} failed (run {result.run_id[:8]}): {failure_of(result)}")
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


@dataclass(frozen=True, slots=True)
class RunReport:
    """What one session produced, read back from the stores."""

    session: dt.date
    book: str
    feed: str
    signals: pl.DataFrame
    target: pl.DataFrame
    approved: pl.DataFrame
    orders: list[dict[str, Any]]
    fills: pl.DataFrame
    tca: pl.DataFrame
    positions: pl.DataFrame
    gate: dict[str, str]
    reconciliation: dict[str, Any]
    quarantined: int
    audit: dict[str, Any]
    seconds: dict[str, float] = field(default_factory=dict)


def ingested(shop: Workshop, session: dt.date) -> bool:
    """True when an ingest of the session has succeeded before."""
    import dagster as dg

    found = shop.instance.get_runs(
        dg.RunsFilter(
            job_name="ingest", statuses=[dg.DagsterRunStatus.SUCCESS], tags={"dagster/partition": str(session)}
        ),
        limit=1,
    )
    held = shop.resources["warehouse"].read("features", "prices", session, session, columns=["session"])
    return bool(found) and not held.is_empty()


def run_session(settings: Settings, progress: Progress) -> RunReport:
    """Bring data in, rebalance once, and report. A second call for the same session sends nothing new."""
    begun = time.perf_counter()
    with workshop(settings, progress, venue=True) as shop:
        ready = time.perf_counter()
        progress("opening the feed", 0, 0)
        session = shop.session
        require_forward(shop, session)
        opened = time.perf_counter()
        seconds = {"start": ready - begun, "feed": opened - ready}
        if not ingested(shop, session):
            seconds["ingest"] = execute(shop, "ingest", progress, session, session)
        seconds["rebalance"] = execute(shop, "rebalance", progress, session, session)
        progress("reading back", 0, 0)
        report = report_of(shop, session)
    seconds["total"] = time.perf_counter() - begun
    report.seconds.update({name: round(value, 2) for name, value in seconds.items()})
    return report


def require_forward(shop: Workshop, session: dt.date) -> None:
    """A book never goes back in time."""
    books, book = shop.resources["ledger"], shop.settings.book_name
    ledger = books.model_copy(update={"url": shop.services.postgres_url}).ledger
    newest = ledger.last_session(book) if book in {name for name, _, _ in ledger.books()} else None
    if newest is not None and session < newest:
        raise ConfigError(f"book {book} is at {newest}, after {session}: use another book (QGTM_BOOK or --book)")


def report_of(shop: Workshop, session: dt.date) -> RunReport:
    """Read one session back from warehouse and ledger."""
    from qgtm_assets.desk import signals_of
    from qgtm_core.schemas.results import DQ_TABLE

    book = shop.settings.book_name
    ledger = shop.resources["ledger"].model_copy(update={"url": shop.services.postgres_url}).ledger
    warehouse = shop.resources["warehouse"]

    def rows(group: str, name: str) -> pl.DataFrame:
        frame: pl.DataFrame = warehouse.read(group, name, session, session, where={"book": book})
        return frame

    gate, head = ledger.gate(book), ledger.audit_head()
    newest = ledger.reconciliations(book, limit=1)
    return RunReport(
        session=session,
        book=book,
        feed=shop.settings.feed.value,
        signals=signals_of(warehouse, session),
        target=rows("portfolio", "target"),
        approved=rows("risk", "approved_orders"),
        orders=[
            {"client_order_id": i.client_order_id, "symbol": i.symbol, "side": i.side.value, "state": s.value,
             "quantity_shares": int(i.quantity_shares), "algo": i.algo.value, "order_type": i.order_type.value}
            for i, s in ledger.orders(book, session)
        ],
        fills=rows("execution", "fills"),
        tca=rows("tca", "orders"),
        positions=rows("execution", "positions"),
        gate={"tier": gate.tier.name, "reason": gate.reason},
        reconciliation={k: str(v) for k, v in newest[0].items()} if newest else {},
        quarantined=len(warehouse.client.read(DQ_TABLE)),
        audit={"leaves": head.size, "root": head.root.hex()},
    )  # fmt: skip


def backfill(
    settings: Settings, groups: Sequence[str], first: dt.date, last: dt.date, progress: Progress
) -> dict[str, Any]:
    """Materialize groups over sessions first..last, one run a group, in order of the graph."""
    order = [g for g in ("raw", "pit", "features", "signals") if g in groups]
    with workshop(settings, progress, venue=False) as shop:
        seconds = {g: round(execute(shop, "history", progress, first, last, groups=[g]), 2) for g in order}
        storage = shop.instance.event_log_storage
        missing = {group: sum(_missing(storage, shop, group, first, last)) for group in order}
    return {"first": str(first), "last": str(last), "seconds": seconds, "missing_partitions": missing}


def _missing(storage: Any, shop: Workshop, group: str, first: dt.date, last: dt.date) -> Iterator[int]:
    import dagster as dg

    wanted = {str(day) for day in calendar.schedule(first, last)["session"]}
    for key in dg.AssetSelection.groups(group).resolve(shop.live.resolve_asset_graph()):
        yield len(wanted - storage.get_materialized_partitions(key))


@dataclass(frozen=True, slots=True)
class BacktestReport:
    """Figures of a finished backtest, and where its picture is."""

    first: dt.date
    last: dt.date
    book: str
    feed: str
    metrics: pl.DataFrame
    sessions: pl.DataFrame
    resets: int
    seconds: dict[str, float]


def backtest(settings: Settings, first: dt.date, last: dt.date, progress: Progress) -> BacktestReport:
    """Run the engine over sessions first..last; history that is missing is brought in first."""
    from qgtm_core.schemas.results import METRICS_TABLE, SESSIONS_TABLE

    begun = time.perf_counter()
    with workshop(settings, progress, venue=False) as shop:
        session = calendar.session_on_or_before(min(last, shop.session))
        first = calendar.session_on_or_after(first)
        if first > session:
            raise ConfigError(f"nothing to test between {first} and {session}, the last session of the data")
        ready = time.perf_counter()
        bring_history(shop, session, progress)
        covered = time.perf_counter()
        execute(shop, "backtest", progress, first, session, groups=["backtest"], research=True)
        done = time.perf_counter()
        event = shop.instance.get_latest_materialization_event(dg_key("backtest", "sessions"))
        figures = {k: v.value for k, v in event.asset_materialization.metadata.items()} if event else {}
        warehouse, book = shop.resources["warehouse"], str(figures["backtest"])
        metrics = warehouse.client.read(METRICS_TABLE, where={"book": book})
        sessions = warehouse.client.read(SESSIONS_TABLE, first, session, where={"book": book}).sort("session")
    return BacktestReport(
        first, session, book, settings.feed.value, metrics, sessions, int(figures["resets"]),
        {"start": ready - begun, "history": covered - ready, "run": done - covered,
         "load": float(figures["load_s"]), "compute": float(figures["compute_s"]), "total": done - begun},
    )  # fmt: skip


def dg_key(*parts: str) -> dg.AssetKey:
    """An asset key; Dagster is imported late."""
    import dagster as dg

    return dg.AssetKey(list(parts))


def bring_history(shop: Workshop, last: dt.date, progress: Progress) -> None:
    """Make sure quotes and signals reach `last`: the first delivery of a table brings all its history."""
    warehouse = shop.resources["warehouse"]
    held = warehouse.read("signals", "tsmom", last, last, columns=["session"])
    quotes = warehouse.read("raw", "decision_quotes", last, last, columns=["session"])
    if held.is_empty() or quotes.is_empty():
        execute(shop, "history", progress, last, last)
