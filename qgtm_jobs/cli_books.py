"""Commands about the books: status, kill, audit."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qgtm_core.errors import ConfigError
from qgtm_core.risk.killswitch import RESET_WINDOW
from qgtm_jobs.cli_support import (
    BookOption,
    HomeOption,
    JsonOption,
    emit,
    finish,
    open_ledger,
    require_book,
    require_home,
    settings_from,
)

if TYPE_CHECKING:
    import datetime as dt

    from qgtm_core.audit import AuditHead
    from qgtm_resources.clients.ledger import PostgresLedger
    from qgtm_resources.settings import Settings

HASH_BYTES = 32

kill = typer.Typer(help="The kill switch: show it, raise it, lower it with two persons.", no_args_is_help=True)
audit = typer.Typer(help="The audit log: verify it, search it.", no_args_is_help=True)

ByOption = Annotated[str, typer.Option("--by", help="Who does this; recorded in the audit log.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; recorded in the audit log.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(status)
    app.add_typer(kill, name="kill")
    app.add_typer(audit, name="audit")


def status(home: HomeOption = None, book: BookOption = None, as_json: JsonOption = False) -> None:
    """Show the books: cash, positions, kill switch, newest orders, runs and signs of life."""
    import polars as pl

    from qgtm_jobs import render

    settings = settings_from(home, book=book)
    require_home(settings)
    with open_ledger(settings) as (ledger, _):
        if book is not None:
            require_book(ledger, book)
        document = _status(ledger, settings, book)
    shown = [render.pairs(f"book {entry['book']}", _book_lines(entry)) for entry in document["books"]]
    frames = (("positions", "positions"), ("runs", "newest runs"), ("heartbeats", "signs of life"))
    tables = [
        render.table(title, pl.DataFrame(document[key], infer_schema_length=None))
        for key, title in frames
        if document[key]
    ]
    nothing = [] if document["books"] else ["No book is open yet; `qgtm run` opens one."]
    emit(document, *shown, *tables, *nothing, as_json=as_json)


def _status(ledger: PostgresLedger, settings: Settings, only: str | None) -> dict[str, Any]:
    books, positions = [], []
    for name, cash, feed in ledger.books():
        if only not in {None, name}:
            continue
        state, session = ledger.book_state(name), ledger.last_session(name)
        orders = ledger.orders(name, session) if session is not None else []
        books.append(
            {
                "book": name,
                "feed": feed,
                "start_cash_usd": cash,
                "cash_usd": state.cash_usd,
                "equity_usd": state.equity_usd,
                "peak_equity_usd": state.peak_equity_usd,
                "last_session": session,
                "orders": len(orders),
                "orders_unfinished": sum(not order_state.final for _, order_state in orders),
                "tier": state.latched.name,
                "reason": state.latched_reason,
            }
        )
        positions += [
            {"book": name, "symbol": symbol, "quantity_shares": quantity}
            for symbol, quantity in sorted(state.positions.items())
        ]
    head = ledger.audit_head()
    runs = [
        {key: run[key] for key in ("run_id", "name", "status", "started_at", "ended_at")} for run in ledger.runs(10)
    ]
    beats = [{"process": name, "at": beat.at, "beats": beat.beats} for name, beat in ledger.heartbeats().items()]
    return {
        "home": settings.home,
        "books": books,
        "positions": positions,
        "runs": runs,
        "heartbeats": beats,
        "audit": {"leaves": head.size, "root": head.root},
    }


def _book_lines(entry: dict[str, Any]) -> dict[str, Any]:
    from qgtm_jobs import render

    money = ("start_cash_usd", "cash_usd", "equity_usd", "peak_equity_usd")
    return {
        name.replace("_", " "): render.cents(value) if name in money and value is not None else value
        for name, value in entry.items()
        if name != "book"
    }


@kill.command("status")
def kill_status(home: HomeOption = None, book: BookOption = None, as_json: JsonOption = False) -> None:
    """Show the tier in force and its history; exit code 1 while the gate is closed to new risk."""
    import polars as pl

    from qgtm_jobs import render

    settings = settings_from(home, book=book)
    require_home(settings)
    with open_ledger(settings) as (ledger, _):
        name = _book(ledger, settings, book)
        gate, history = ledger.gate(name), ledger.kill_states(name)
    rows = [{"at": at, "tier": past.tier.name, "reason": past.reason, "actor": actor} for at, past, actor in history]
    document = {"book": name, "tier": gate.tier, "open": gate.open, "reason": gate.reason, "history": rows}
    shown = render.pairs(
        "kill switch", {"book": name, "tier": gate.tier.name, "reason": gate.reason, "open": gate.open}
    )
    emit(document, shown, *([render.table("history", pl.DataFrame(rows))] if rows else []), as_json=as_json)
    finish(ok=gate.open)


@kill.command("raise")
def kill_raise(
    tier: Annotated[str, typer.Argument(help="WARN, THROTTLE, NO_NEW or FLATTEN.")],
    reason: ReasonOption,
    by: ByOption = "",
    home: HomeOption = None,
    book: BookOption = None,
    as_json: JsonOption = False,
) -> None:
    """Latch a higher tier at once; one person is enough. The tier falls only by a reset of two persons."""
    from qgtm_core.calendar import session_on_or_before
    from qgtm_core.types import KillTier
    from qgtm_resources.clock import SystemClock

    if tier.upper() not in KillTier.__members__ or tier.upper() == KillTier.NORMAL.name:
        raise ConfigError(f"{tier!r} is not a tier that can be raised; choose WARN, THROTTLE, NO_NEW or FLATTEN")
    if not reason.strip():
        raise ConfigError("--reason: say why, in a few words")
    settings, now = settings_from(home, book=book), SystemClock().now()
    require_home(settings)
    with open_ledger(settings) as (ledger, _):
        name = _book(ledger, settings, book)
        session = ledger.last_session(name) or session_on_or_before(now.date())
        gate = ledger.raise_tier(name, KillTier[tier.upper()], reason, session, now, by or getpass.getuser())
    note = f"{name}: {gate.tier.name} is in force ({gate.reason})"
    if gate.tier is KillTier.FLATTEN:
        note += "; positions are closed by `qgtm flatten`, or by the kill-switch sensor while `qgtm up` runs"
    emit({"book": name, "tier": gate.tier, "reason": gate.reason, "open": gate.open}, note, as_json=as_json)


@kill.command("request-reset")
def kill_request_reset(
    reason: ReasonOption,
    by: ByOption,
    home: HomeOption = None,
    book: BookOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask that the tier return to NORMAL; another person must approve within 15 minutes."""
    from qgtm_resources.clock import SystemClock

    settings = settings_from(home, book=book)
    require_home(settings)
    with open_ledger(settings) as (ledger, _):
        name = _book(ledger, settings, book)
        request = ledger.request_reset(name, by, reason, SystemClock().now())
    note = f"{name}: request {request} waits 15 minutes for another person: qgtm kill approve --book {name} --by NAME"
    emit({"book": name, "request": request, "by": by}, note, as_json=as_json)


@kill.command("approve")
def kill_approve(by: ByOption, home: HomeOption = None, book: BookOption = None, as_json: JsonOption = False) -> None:
    """Approve the pending reset; refused for the same person, after 15 minutes, or while the books have breaks."""
    from qgtm_resources.clock import SystemClock

    settings = settings_from(home, book=book)
    require_home(settings)
    with open_ledger(settings) as (ledger, _):
        name = _book(ledger, settings, book)
        now = SystemClock().now()
        gate = ledger.approve_reset(name, by, now, reconciled=_reconciled_lately(ledger, name, now))
    emit({"book": name, "tier": gate.tier, "reason": gate.reason}, f"{name}: {gate.tier.name}", as_json=as_json)


def _reconciled_lately(ledger: PostgresLedger, book: str, now: dt.datetime) -> bool:
    """Whether the books matched the broker at a comparison young enough for a reset."""
    newest = ledger.reconciliations(book, limit=1)
    return bool(newest) and bool(newest[0]["ok"]) and now - newest[0]["at"] <= RESET_WINDOW


@audit.command("verify")
def audit_verify(
    head: Annotated[
        list[str] | None,
        typer.Option("--head", metavar="SIZE:ROOT", help="A head noted outside this database; may be repeated."),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Recompute every leaf and head of the audit log; exit code 1 when anything differs."""
    from qgtm_jobs import render

    known = [_head_of(text) for text in head or []]
    settings = settings_from(home)
    require_home(settings)
    with open_ledger(settings) as (ledger, _):
        report = ledger.audit_verify(known)
    lines = {
        "verified": report.ok,
        "leaves": report.size,
        "head": f"{report.size}:{report.root.hex()}",
        "first bad leaf": report.first_bad_index,
        "problem": report.problem or None,
    }
    document = {
        "ok": report.ok,
        "size": report.size,
        "root": report.root,
        "first_bad_index": report.first_bad_index,
        "problem": report.problem,
    }
    emit(document, render.pairs("audit log", lines), as_json=as_json)
    finish(ok=report.ok)


@audit.command("search")
def audit_search(
    correlation_id: Annotated[str, typer.Argument(help="Correlation id of a decision; every row of it carries one.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show everything recorded under one correlation id, oldest first; exit code 1 when there is nothing."""
    import polars as pl

    from qgtm_core.audit import canonical_json
    from qgtm_jobs import render

    settings = settings_from(home)
    require_home(settings)
    with open_ledger(settings) as (ledger, _):
        leaves = ledger.search(correlation_id)
    rows = [{"index": leaf.index, "at": leaf.at, "kind": leaf.kind, "body": leaf.body} for leaf in leaves]
    frame = pl.DataFrame(
        [{**row, "body": canonical_json(row["body"])} for row in rows], schema=["index", "at", "kind", "body"]
    )
    emit({"correlation_id": correlation_id, "leaves": rows}, render.table(correlation_id, frame), as_json=as_json)
    finish(ok=bool(rows))


def _book(ledger: PostgresLedger, settings: Settings, asked_for: str | None) -> str:
    """The book asked for; else the one of the settings; else the only one there is."""
    known = [name for name, _, _ in ledger.books()]
    if asked_for is None and settings.book_name not in known and len(known) == 1:
        return known[0]
    require_book(ledger, settings.book_name)
    return settings.book_name


def _head_of(text: str) -> AuditHead:
    from qgtm_core.audit import AuditHead

    size, _, root = text.partition(":")
    try:
        head = AuditHead(int(size), bytes.fromhex(root), None)
    except ValueError:
        head = AuditHead(-1, b"", None)
    if head.size < 0 or len(head.root) != HASH_BYTES:
        raise ConfigError(f"--head: {text!r} is not SIZE:ROOT as `qgtm audit verify` prints it")
    return head
