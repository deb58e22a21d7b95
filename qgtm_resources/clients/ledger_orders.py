"""Orders and fills of the PostgreSQL ledger. Positions and cash are views over the fills: nothing else is updated."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, select, update
from sqlalchemy.dialects.postgresql import insert

from qgtm_core.errors import InvariantError
from qgtm_core.execution import leaves
from qgtm_core.execution.leaves import Leaf
from qgtm_core.execution.lifecycle import after_fills, next_state
from qgtm_core.types import Execution, OrderIntent, OrderState
from qgtm_resources.clients.ledger_base import LedgerBase, Transaction, lock_book, require_book
from qgtm_resources.clients.ledger_rows import execution_of, execution_row, intent_of, intent_row
from qgtm_resources.clients.ledger_tables import CASH_FLOWS, EXECUTIONS, INTENTS, ORDER_EVENTS, ORDERS


class LedgerOrders(LedgerBase):
    """Intents, life-cycle, fills and other cash flows."""

    def save_intents(self, intents: Sequence[OrderIntent]) -> list[OrderIntent]:
        """Store intents once by client order id; returns them as stored."""
        if not intents:
            return []
        with self._transaction() as transaction:
            connection = transaction.connection
            once = {each.client_order_id: each for each in reversed(intents)}
            wanted = [each for each in intents if once[each.client_order_id] is each]
            insertion = insert(INTENTS).on_conflict_do_nothing().returning(INTENTS.c.client_order_id)
            fresh = set(connection.execute(insertion, [intent_row(each) for each in wanted]).scalars())
            saved = [each for each in wanted if each.client_order_id in fresh]
            if saved:
                connection.execute(insert(ORDERS), [_order_row(each) for each in saved])
            transaction.leaves.extend([leaves.intent_saved(each) for each in saved])
            found = connection.execute(select(INTENTS).where(INTENTS.c.client_order_id.in_(once)))
            stored = {row.client_order_id: intent_of(row) for row in found}
            return [stored[each.client_order_id] for each in intents]

    def orders(self, book: str, session: dt.date | None = None) -> list[tuple[OrderIntent, OrderState]]:
        """Intents with their present state, in order of creation."""
        query = select(INTENTS, ORDERS.c.state).join(ORDERS).where(INTENTS.c.book == book).order_by(INTENTS.c.seq)
        if session is not None:
            query = query.where(INTENTS.c.session == session)
        with self._snapshot() as connection:
            require_book(connection, book)
            return [(intent_of(row), OrderState(row.state)) for row in connection.execute(query)]

    def order_details(self, book: str, session: dt.date | None = None) -> dict[str, tuple[Decimal, str, str]]:
        """By client order id: filled shares, the broker's own id, and why the order is in its present state."""
        newest = (
            select(ORDER_EVENTS.c.reason)
            .where(ORDER_EVENTS.c.client_order_id == ORDERS.c.client_order_id)
            .order_by(ORDER_EVENTS.c.seq.desc())
            .limit(1)
            .scalar_subquery()
        )
        query = select(ORDERS, newest.label("reason")).join(INTENTS).where(INTENTS.c.book == book)
        if session is not None:
            query = query.where(INTENTS.c.session == session)
        with self._snapshot() as connection:
            require_book(connection, book)
            return {
                row.client_order_id: (row.filled_shares, row.broker_order_id, row.reason or "")
                for row in connection.execute(query)
            }

    def set_order_state(
        self, client_order_id: str, state: OrderState, at: dt.datetime, *, reason: str = "", broker_order_id: str = ""
    ) -> None:
        """Move an order along its life-cycle (see `lifecycle`)."""
        with self._transaction() as transaction:
            row = _locked_orders(transaction.connection, [client_order_id])[client_order_id]
            current = OrderState(row.state)
            moved = next_state(current, state)
            if moved is not current:
                leaf = leaves.order_moved(intent_of(row), current, moved, at, reason, broker_order_id)
                transaction.connection.execute(insert(ORDER_EVENTS).values(**_event_row(leaf)))
                transaction.leaves.append(leaf)
            changed = {"state": moved.value, "updated_at": at} if moved is not current else {}
            if broker_order_id and not row.broker_order_id:
                changed["broker_order_id"] = broker_order_id
            if changed:
                key = ORDERS.c.client_order_id == client_order_id
                transaction.connection.execute(update(ORDERS).where(key).values(**changed))

    def book_executions(self, executions: Sequence[Execution]) -> int:
        """Book fills once each and move their orders; returns how many were new."""
        if not executions:
            return 0
        with self._transaction() as transaction:
            connection = transaction.connection
            rows = _locked_orders(connection, {fill.client_order_id for fill in executions})
            fresh = _new_fills(connection, executions)
            booking = _Booking(transaction, {key: _Progress.of(row) for key, row in rows.items()})
            for fill in fresh:
                booking.add(fill)
            booking.write()
            return len(fresh)

    def book_external(self, book: str, executions: Sequence[Execution], session: dt.date | None = None) -> int:
        """Book trades that are not ours (a manual trade at the broker), labelled EXTERNAL; returns how many are new."""
        with self._transaction() as transaction:
            lock_book(transaction.connection, book)
            require_book(transaction.connection, book)
            fresh = _new_fills(transaction.connection, executions)
            origin = {"book": book, "session": session, "origin": "EXTERNAL", "intent_id": None}
            if fresh:
                transaction.connection.execute(insert(EXECUTIONS), [execution_row(f) | origin for f in fresh])
            transaction.leaves.extend([leaves.fill_booked(fill, book, "", "EXTERNAL") for fill in fresh])
            return len(fresh)

    def executions(self, book: str, session: dt.date | None = None) -> list[Execution]:
        """Booked fills, oldest first."""
        table = EXECUTIONS
        query = select(table).where(table.c.book == book).order_by(table.c.executed_at, table.c.seq)
        if session is not None:
            query = query.where(table.c.session == session)
        with self._snapshot() as connection:
            require_book(connection, book)
            return [execution_of(row) for row in connection.execute(query)]

    def book_cash_flow(
        self, book: str, flow_id: str, amount_usd: Decimal, kind: str, at: dt.datetime, note: str = ""
    ) -> bool:
        """Book cash that is no trade (dividend, fee, interest, deposit), once by `flow_id`; True when it was new."""
        row = {"flow_id": flow_id, "book": book, "kind": kind, "amount_usd": amount_usd, "at": at, "note": note}
        with self._transaction() as transaction:
            insertion = insert(CASH_FLOWS).values(**row).on_conflict_do_nothing().returning(CASH_FLOWS.c.flow_id)
            if transaction.connection.execute(insertion).one_or_none() is None:
                return False
            transaction.leaves.append(Leaf("CASH_FLOW", "", at, {k: v for k, v in row.items() if k != "at"}))
            return True


def _order_row(intent: OrderIntent) -> dict[str, Any]:
    return {
        "client_order_id": intent.client_order_id,
        "state": OrderState.INTENT.value,
        "updated_at": intent.decided_at,
    }


def _locked_orders(connection: Connection, client_order_ids: Iterable[str]) -> dict[str, Row[Any]]:
    """Intents with their order rows, locked until commit in one order for everybody (no deadlocks)."""
    wanted = sorted(client_order_ids)
    query = (
        select(INTENTS, ORDERS.c.state, ORDERS.c.filled_shares, ORDERS.c.broker_order_id, ORDERS.c.updated_at)
        .join(ORDERS)
        .where(INTENTS.c.client_order_id.in_(wanted))
        .order_by(INTENTS.c.client_order_id)
        .with_for_update(of=ORDERS)
    )
    rows = {row.client_order_id: row for row in connection.execute(query)}
    missing = [key for key in wanted if key not in rows]
    if missing:
        raise InvariantError(f"there is no order {missing[0]!r}")
    return rows


def _new_fills(connection: Connection, executions: Sequence[Execution]) -> list[Execution]:
    ids = [fill.execution_id for fill in executions]
    found = connection.execute(select(EXECUTIONS).where(EXECUTIONS.c.execution_id.in_(ids)))
    stored = {row.execution_id: execution_of(row) for row in found}
    return leaves.new_fills(list(executions), stored.get)


def _event_row(leaf: Leaf) -> dict[str, Any]:
    """An ORDER_STATE leaf as a row of `order_events`."""
    body = leaf.body
    return {
        "client_order_id": body["client_order_id"],
        "previous": body["from"].value,
        "state": body["to"].value,
        "at": leaf.at,
        "reason": body["reason"],
        "broker_order_id": body["broker_order_id"],
    }


@dataclass(slots=True)
class _Progress:
    """Where an order stands while fills are being booked."""

    intent: OrderIntent
    state: OrderState
    filled_shares: Decimal
    updated_at: dt.datetime

    @classmethod
    def of(cls, row: Row[Any]) -> _Progress:
        """Progress from a locked row."""
        return cls(intent_of(row), OrderState(row.state), row.filled_shares, row.updated_at)


@dataclass(slots=True)
class _Booking:
    """Fills on their way into the books: three statements however many there are."""

    transaction: Transaction
    orders: dict[str, _Progress]
    fills: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)

    def add(self, fill: Execution) -> None:
        """Book one fill and follow its order's state."""
        key, order = fill.client_order_id, self.orders[fill.client_order_id]
        intent = order.intent
        leaves.check_fill(fill, intent)
        order.filled_shares = leaves.exact_sum([order.filled_shares, fill.quantity_shares])
        unusual = leaves.unusual_fill(order.state, order.filled_shares, intent.quantity_shares)
        origin = {"book": intent.book, "session": intent.session, "origin": "OWN", "intent_id": key}
        self.fills.append(execution_row(fill) | origin)
        self.transaction.leaves.append(
            leaves.fill_booked(fill, intent.book, intent.correlation_id, "OWN", unusual=unusual)
        )
        moved = after_fills(order.state, order.filled_shares, intent.quantity_shares)
        if moved is not order.state:
            leaf = leaves.order_moved(intent, order.state, moved, fill.executed_at, "fill")
            self.transaction.leaves.append(leaf)
            self.events.append(_event_row(leaf))
            order.state, order.updated_at = moved, fill.executed_at
        self.touched.add(key)

    def write(self) -> None:
        """Send everything to the database."""
        connection = self.transaction.connection
        if self.fills:
            connection.execute(insert(EXECUTIONS), self.fills)
        if self.events:
            connection.execute(insert(ORDER_EVENTS), self.events)
        if self.touched:
            rows = [_progress_row(key, self.orders[key]) for key in sorted(self.touched)]
            upsert = insert(ORDERS)
            changed = {name: upsert.excluded[name] for name in ("state", "filled_shares", "updated_at")}
            connection.execute(upsert.on_conflict_do_update(index_elements=["client_order_id"], set_=changed), rows)


def _progress_row(client_order_id: str, order: _Progress) -> dict[str, Any]:
    return {
        "client_order_id": client_order_id,
        "state": order.state.value,
        "filled_shares": order.filled_shares,
        "updated_at": order.updated_at,
    }
