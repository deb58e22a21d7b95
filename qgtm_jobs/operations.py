"""What the commands do: run the jobs in this process and read back what happened."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import polars as pl

from qgtm_core import calendar
from qgtm_core.errors import ConfigError, GateClosed
from qgtm_core.schemas.results import DQ_TABLE
from qgtm_core.strategies.registry import DAILY, SHADOW
from qgtm_jobs import library
from qgtm_jobs.progress import Progress
from qgtm_jobs.reports import BackfillReport, FlattenReport, RunReport, ShadowReport
from qgtm_jobs.workshop import RunFailedError, Workshop, event_rows, execute, ledger_of, workshop
from qgtm_resources.settings import Settings

if TYPE_CHECKING:
    from qgtm_resources.clients.ledger import PostgresLedger

GROUPS = ("raw", "pit", "features", "signals")


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
        seconds["rebalance"] = rebalance(shop, session, progress)
        progress("reading back", 0, 0)
        report = report_of(shop, session)
    seconds["total"] = time.perf_counter() - begun
    report.seconds.update({name: round(value, 2) for name, value in seconds.items()})
    return report


def rebalance(shop: Workshop, session: dt.date, progress: Progress) -> float:
    """Run the rebalance; a run that a closed gate ended is told as such."""
    try:
        return execute(shop, "rebalance", progress, session, session)
    except RunFailedError as failed:
        gate = ledger_of(shop).gate(shop.settings.book_name)
        if gate.open:
            raise
        raise GateClosed(
            f"kill switch at {gate.tier.name} ({gate.reason}): no order was sent. Two persons lower it: "
            "qgtm kill request-reset, then qgtm kill approve"
        ) from failed


def require_forward(shop: Workshop, session: dt.date) -> None:
    """A book never goes back in time."""
    book, ledger = shop.settings.book_name, ledger_of(shop)
    newest = ledger.last_session(book) if book in {name for name, _, _ in ledger.books()} else None
    if newest is not None and session < newest:
        raise ConfigError(f"book {book} is at {newest}, after {session}: use another book (QGTM_BOOK or --book)")


def report_of(shop: Workshop, session: dt.date) -> RunReport:
    """Read one session back from warehouse and ledger."""
    from qgtm_assets.desk import signals_of

    book, ledger, warehouse = shop.settings.book_name, ledger_of(shop), shop.resources["warehouse"]

    def rows(group: str, name: str) -> pl.DataFrame:
        frame: pl.DataFrame = warehouse.read(group, name, session, session, where={"book": book})
        return frame

    gate, newest = ledger.gate(book), ledger.reconciliations(book, limit=1)
    verified = ledger.audit_verify()
    return RunReport(
        session=session,
        book=book,
        feed=shop.settings.feed.value,
        signals=signals_of(warehouse, session),
        target=rows("portfolio", "target"),
        approved=rows("risk", "approved_orders"),
        orders=orders_of(ledger, book, session),
        fills=rows("execution", "fills"),
        tca=rows("tca", "orders"),
        positions=rows("execution", "positions"),
        gates={
            "kill switch": f"{gate.tier.name} {gate.reason}".strip(),
            "reconciliation": "books match" if newest and newest[0]["ok"] else "books differ",
            "rows quarantined": f"{len(warehouse.client.read(DQ_TABLE))} (table ops/dq_results)",
        },
        audit={"leaves": verified.size, "head": verified.root.hex(), "verified": verified.ok},
        where={
            "explain an order": "qgtm audit search CORRELATION_ID   (ids: qgtm run --json)",
            "keep it running": "make up, then http://127.0.0.1:3000",
            "test the past": "qgtm backtest --from 2016-01-04",
            "health": "qgtm doctor",
        },
    )


def orders_of(ledger: PostgresLedger, book: str, session: dt.date) -> pl.DataFrame:
    """Orders of a session with their present state."""
    columns = ("client_order_id", "correlation_id", "symbol", "side", "order_type", "algo", "state")
    return pl.DataFrame(
        [
            {
                "client_order_id": intent.client_order_id,
                "correlation_id": intent.correlation_id,
                "symbol": intent.symbol,
                "side": intent.side.value,
                "order_type": intent.order_type.value,
                "algo": intent.algo.value,
                "state": state.value,
                "quantity_shares": int(intent.quantity_shares),
            }
            for intent, state in ledger.orders(book, session)
        ],
        schema={**dict.fromkeys(columns, pl.String), "quantity_shares": pl.Int64},
    )


def ingest(settings: Settings, first: dt.date | None, last: dt.date | None, progress: Progress) -> BackfillReport:
    """Bring raw, PIT and feature tables in for a range of sessions; by default the newest one with its history."""
    return backfill(settings, ("raw", "pit", "features"), first, last, progress)


def backfill(
    settings: Settings, groups: Sequence[str], first: dt.date | None, last: dt.date | None, progress: Progress
) -> BackfillReport:
    """Materialize groups over sessions first..last, one run a group, in the order of the graph."""
    begun = time.perf_counter()
    with workshop(settings, progress, venue=False) as shop:
        end = calendar.session_on_or_before(min(last or shop.session, shop.session))
        begin = calendar.session_on_or_after(first or end)
        if begin > end:
            raise ConfigError(f"nothing to do between {begin} and {end}, the last session of the data")
        rows = [_backfill_group(shop, group, begin, end, progress) for group in GROUPS if group in groups]
    return BackfillReport(begin, end, pl.DataFrame(rows), round(time.perf_counter() - begun, 2))


def _backfill_group(
    shop: Workshop, group: str, first: dt.date, last: dt.date, progress: Progress
) -> dict[str, str | int | float]:
    import dagster as dg

    before = event_rows(shop)
    seconds = execute(shop, "history", progress, first, last, groups=[group], place="history")
    wanted = {str(day) for day in calendar.schedule(first, last)["session"]}
    keys = dg.AssetSelection.groups(group).resolve(shop.history.resolve_asset_graph())
    storage = shop.instance.event_log_storage
    missing = sum(len(wanted - set(storage.get_materialized_partitions(key))) for key in keys)
    return {"group": group, "assets": len(keys), "sessions": len(wanted), "missing": missing,
            "seconds": round(seconds, 2), "event_rows": event_rows(shop) - before}  # fmt: skip


def shadow(settings: Settings, progress: Progress, *, fit: bool) -> ShadowReport:
    """Compute what does not trade for the newest session: research and options signals, with fits that are due."""
    begun = time.perf_counter()
    with workshop(settings, progress, venue=False) as shop:
        session = shop.session
        bring_history(shop, session, progress)
        if fit:
            fit_models(shop, session, progress)
        execute(shop, "shadow", progress, session, session)
        entries = library.read(shop.resources["warehouse"].client, SHADOW.values())
    return ShadowReport(session, library.listing(entries), round(time.perf_counter() - begun, 2))


def fit_models(shop: Workshop, last: dt.date, progress: Progress) -> None:
    """Make the fits that are due and the features of all history that use them, the judge of the others at the end.

    The judge learns from features of the other fits, so those are computed in between.
    """
    held = shop.resources["warehouse"].read("features", "prices", None, last, columns=["session"])["session"]
    first = held.min()
    assert isinstance(first, dt.date)
    for _ in ("the market", "the judge"):
        execute(shop, "models", progress, last, last, groups=["pit"], place="history")
        execute(shop, "models", progress, first, last, groups=["features"], place="history")


def bring_history(shop: Workshop, last: dt.date, progress: Progress) -> None:
    """Make sure quotes and signals reach `last`: the first delivery of a table brings all its history."""
    warehouse = shop.resources["warehouse"]
    needed = (("raw", "decision_quotes"), ("features", "prices"), *(("signals", name) for name in DAILY))
    if any(warehouse.read(group, name, last, last, columns=["session"]).is_empty() for group, name in needed):
        execute(shop, "history", progress, last, last, place="history")


def flatten(settings: Settings, reason: str, by: str, progress: Progress) -> FlattenReport:
    """Latch FLATTEN, cancel every order and close every position of the book."""
    config = {"ops": {"ops__flatten": {"config": {"actor": by, "reason": reason, "raise_tier": True}}}}
    with workshop(settings, progress, venue=True) as shop:
        book, session = shop.settings.book_name, shop.session
        if book not in {name for name, _, _ in ledger_of(shop).books()}:
            raise ConfigError(f"no book named {book!r}: nothing to flatten")
        execute(shop, "flatten", progress, session, session, config=config)
        held = ledger_of(shop).book_state(book).positions
    return FlattenReport(session, book, {symbol: str(quantity) for symbol, quantity in held.items()})
