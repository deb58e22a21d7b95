"""One tick of the intraday sleeve between ledger and broker: what it may do, its plan written once, its orders ended.

A tick that is run again finds its plan and the states of its orders; it decides nothing anew. Orders of earlier ticks
are never sent again: they are cancelled and brought home first.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from qgtm_core import calendar
from qgtm_core.intraday.sleeve import Tick, of_sleeve, sleeve_positions
from qgtm_core.ports import Broker, Clock
from qgtm_core.types import Algo, BookState, Gate, KillTier, OrderIntent, OrderState, OrderType, Side
from qgtm_resources.clients.ledger import PostgresLedger
from qgtm_resources.executor import Executor

SUPERSEDED = Gate(KillTier.NO_NEW, "a later tick has come")
AT_BROKER = frozenset({OrderState.ACCEPTED, OrderState.PARTIAL})


@dataclass(frozen=True, slots=True)
class Standing:
    """The book before a tick: its state, the sleeve's part of it, what is unsettled, and why the sleeve must rest."""

    state: BookState
    sleeve: dict[str, Decimal]
    busy: frozenset[str]
    rests: str  # empty = it may act


def settle(
    account: Broker,
    books: PostgresLedger,
    book: str,
    session: dt.date,
    tick: dt.datetime,
    clock: Clock,
    say: Callable[[str], None],
) -> None:
    """End the orders of earlier ticks: cancel what rests at the broker, book what came back, send nothing."""
    left = [(i, s) for i, s in books.orders(book, session) if of_sleeve(i) and i.decided_at < tick and not s.final]
    for intent, state in left:
        if state in AT_BROKER:
            account.cancel(intent.client_order_id)
    if left:
        Executor(account, books, clock, gate=lambda: SUPERSEDED, on_progress=say).run([i for i, _ in left], session)


def standing(books: PostgresLedger, book: str, session: dt.date, tick: dt.datetime) -> Standing:
    """Read the book before a tick."""
    orders = books.orders(book, session)
    sleeve = sleeve_positions([intent for intent, _ in orders], books.executions(book, session))
    busy = frozenset(i.symbol for i, state in orders if i.decided_at != tick and not state.final)
    return Standing(books.book_state(book), sleeve, busy, _rests(books, book, session, tick))


def _rests(books: PostgresLedger, book: str, session: dt.date, tick: dt.datetime) -> str:
    if books.opening_state(book, session) is not None:
        return "the daily sleeve has opened the session: its orders close the intraday sleeve"
    last = books.last_session(book)
    if last is not None and last > session:
        return f"the book is at {last} already"
    if any(kind > kind_of(tick) for kind in books.plan_kinds(book, session) if kind.startswith(KIND)):
        return "a later tick has been planned"
    opened = calendar.open_at(session)
    if any(at >= opened and gate.tier is KillTier.FLATTEN for at, gate, _ in books.kill_states(book)):
        return "the book was flattened in this session"
    return ""


KIND = "intraday "


def kind_of(tick: dt.datetime) -> str:
    """The kind of a tick's plan; kinds of a session sort by time."""
    return f"{KIND}{tick.astimezone(calendar.NEW_YORK):%H:%M:%S}"


def plan_of(books: PostgresLedger, book: str, session: dt.date, tick: dt.datetime) -> tuple[OrderIntent, ...] | None:
    """The recorded orders of a tick; None when it was not planned."""
    body = books.plan(book, session, kind_of(tick))
    return None if body is None else tuple(_intent(row, book, session, tick) for row in body["orders"])


def record_plan(
    books: PostgresLedger, book: str, session: dt.date, tick: dt.datetime, decided: Tick
) -> tuple[OrderIntent, ...]:
    """Write the orders of a tick down, once; the first record counts."""
    gate = decided.opened.gate
    body = {"tier": gate.tier.name, "reason": gate.reason, "orders": [_row(i) for i in decided.intents]}
    local = tick.astimezone(calendar.NEW_YORK)
    stored = books.save_plan(book, session, kind_of(tick), body, f"int-book-{book}-{local:%Y%m%d-%H%M%S}", tick)
    return tuple(_intent(row, book, session, tick) for row in stored["orders"])


def _row(intent: OrderIntent) -> dict[str, Any]:
    return {
        "client_order_id": intent.client_order_id,
        "symbol": intent.symbol,
        "side": intent.side.value,
        "quantity_shares": str(intent.quantity_shares),
        "order_type": intent.order_type.value,
        "limit_price": None if intent.limit_price is None else str(intent.limit_price),
        "decision_mid": str(intent.decision_mid),
        "algo": intent.algo.value,
        "correlation_id": intent.correlation_id,
    }


def _intent(row: dict[str, Any], book: str, session: dt.date, tick: dt.datetime) -> OrderIntent:
    return OrderIntent(
        client_order_id=row["client_order_id"],
        session=session,
        book=book,
        symbol=row["symbol"],
        side=Side(row["side"]),
        quantity_shares=Decimal(row["quantity_shares"]),
        order_type=OrderType(row["order_type"]),
        limit_price=None if row["limit_price"] is None else Decimal(row["limit_price"]),
        decision_mid=Decimal(row["decision_mid"]),
        algo=Algo(row["algo"]),
        correlation_id=row["correlation_id"],
        decided_at=tick,
    )
