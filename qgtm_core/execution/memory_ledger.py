"""The ledger in memory, for backtests and parity tests: same rules and same audit leaves as the PostgreSQL one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from qgtm_core import calendar
from qgtm_core.audit import AuditHead, AuditLeaf, CompactRange, leaf_text
from qgtm_core.errors import InvariantError
from qgtm_core.execution import leaves
from qgtm_core.execution.leaves import Leaf
from qgtm_core.execution.lifecycle import after_fills, next_state
from qgtm_core.types import BookState, Execution, Gate, KillTier, OrderIntent, OrderState


@dataclass(slots=True)
class _Order:
    """A stored intent with its present state and fills."""

    intent: OrderIntent
    state: OrderState = OrderState.INTENT
    broker_order_id: str = ""
    filled_shares: Decimal = Decimal(0)


@dataclass(slots=True)
class _Book:
    """One book's records."""

    opening_cash_usd: Decimal
    feed: str
    cash_usd: Decimal
    positions: dict[str, Decimal] = field(default_factory=dict)
    openings: dict[dt.date, BookState] = field(default_factory=dict)
    fills: list[tuple[dt.date | None, Execution]] = field(default_factory=list)
    orders: dict[dt.date, list[_Order]] = field(default_factory=dict)
    gate: Gate = field(default_factory=lambda: Gate(KillTier.NORMAL, ""))
    gate_session: dt.date | None = None


class MemoryLedger:
    """`ports.Ledger` in memory. `audit=False` leaves out the Merkle log where a backtest does not need it."""

    def __init__(self, *, audit: bool = True) -> None:
        self._audit = audit
        self._books: dict[str, _Book] = {}
        self._orders: dict[str, _Order] = {}
        self._fills: dict[str, Execution] = {}
        self._leaves: list[AuditLeaf] = []
        self._range = CompactRange()

    def open_book(self, book: str, cash_usd: Decimal, feed: str) -> None:
        """Create the book; InvariantError when it exists with other cash or another feed."""
        known = self._books.get(book)
        if known is None:
            self._books[book] = _Book(cash_usd, feed, cash_usd)
            self._append([leaves.book_opened(book, cash_usd, feed)])
        elif (known.opening_cash_usd, known.feed) != (cash_usd, feed):
            raise InvariantError(f"book {book} was opened with {known.opening_cash_usd} USD on {known.feed}")

    def last_session(self, book: str) -> dt.date | None:
        """Newest session that was opened in this book."""
        return next(reversed(self._book(book).openings), None)  # opened in rising order only

    def opening_state(self, book: str, session: dt.date) -> BookState | None:
        """The state recorded when the session was first opened, or None."""
        return _copied(self._book(book).openings.get(session))

    def record_opening(self, session: dt.date, state: BookState) -> BookState:
        """Record the state a session starts from, once; a later call returns the first record."""
        book = self._book(state.book)
        if session not in book.openings:
            leaves.check_opening(session, state, self.last_session(state.book))
            self._append([leaves.session_opened(session, state, calendar.decision_time(session))])
            book.openings[session] = replace(state, positions=dict(state.positions))
        return replace(book.openings[session], positions=dict(book.openings[session].positions))

    def book_state(self, book: str) -> BookState:
        """Cash and positions now, equity and peak of the last opening, latched tier."""
        held = self._book(book)
        session = self.last_session(book)
        opening = held.openings[session] if session is not None else None
        return BookState(
            book=book,
            cash_usd=held.cash_usd,
            positions=dict(sorted(held.positions.items())),
            session=session,
            equity_usd=opening.equity_usd if opening else None,
            peak_equity_usd=opening.peak_equity_usd if opening else None,
            latched=held.gate.tier,
            latched_reason=held.gate.reason,
            latched_session=held.gate_session,
            previous_equity_usd=opening.previous_equity_usd if opening else None,
        )

    def save_intents(self, intents: Sequence[OrderIntent]) -> list[OrderIntent]:
        """Store intents once by client order id; returns them as stored."""
        for intent in intents:
            self._book(intent.book)
        fresh = {each.client_order_id: each for each in reversed(intents) if each.client_order_id not in self._orders}
        kept = [each for each in intents if fresh.get(each.client_order_id) is each]
        self._append([leaves.intent_saved(each) for each in kept])
        for each in kept:
            order = self._orders[each.client_order_id] = _Order(each)
            self._books[each.book].orders.setdefault(each.session, []).append(order)
        return [self._orders[each.client_order_id].intent for each in intents]

    def orders(self, book: str, session: dt.date | None = None) -> list[tuple[OrderIntent, OrderState]]:
        """Intents with their present state, in order of creation."""
        held = self._book(book).orders
        if session is not None:
            return [(order.intent, order.state) for order in held.get(session, [])]
        return [(order.intent, order.state) for order in self._orders.values() if order.intent.book == book]

    def set_order_state(
        self, client_order_id: str, state: OrderState, at: dt.datetime, *, reason: str = "", broker_order_id: str = ""
    ) -> None:
        """Move an order along its life-cycle (see `lifecycle`)."""
        order = self._order(client_order_id)
        moved = next_state(order.state, state)
        if moved is not order.state:
            leaf = leaves.order_moved(order.intent, order.state, moved, at, reason, broker_order_id)
            self._append([leaf])
            order.state = moved
        order.broker_order_id = order.broker_order_id or broker_order_id

    def book_executions(self, executions: Sequence[Execution]) -> int:
        """Book fills once each and move their orders; returns how many were new."""
        fresh = leaves.new_fills(list(executions), self._fills.get)
        for fill in fresh:
            leaves.check_fill(fill, self._order(fill.client_order_id).intent)
        for fill in fresh:
            order = self._orders[fill.client_order_id]
            order.filled_shares = leaves.exact_sum([order.filled_shares, fill.quantity_shares])
            unusual = leaves.unusual_fill(order.state, order.filled_shares, order.intent.quantity_shares)
            self._book_fill(fill, order.intent.book, order.intent.session)
            intent = order.intent
            moved = after_fills(order.state, order.filled_shares, intent.quantity_shares)
            written = [leaves.fill_booked(fill, intent.book, intent.correlation_id, "OWN", unusual=unusual)]
            if moved is not order.state:
                written.append(leaves.order_moved(intent, order.state, moved, fill.executed_at, "fill"))
                order.state = moved
            self._append(written)
        return len(fresh)

    def book_external(self, book: str, executions: Sequence[Execution], session: dt.date | None = None) -> int:
        """Book trades that are not ours (a manual trade at the broker), labelled EXTERNAL; returns how many are new."""
        self._book(book)
        fresh = leaves.new_fills(list(executions), self._fills.get)
        for fill in fresh:
            self._book_fill(fill, book, session)
        self._append([leaves.fill_booked(fill, book, "", "EXTERNAL") for fill in fresh])
        return len(fresh)

    def executions(self, book: str, session: dt.date | None = None) -> list[Execution]:
        """Booked fills, oldest first."""
        chosen = [fill for day, fill in self._book(book).fills if session in {None, day}]
        return sorted(chosen, key=lambda fill: fill.executed_at)

    def gate(self, book: str) -> Gate:
        """The latched kill-switch tier of the book."""
        return self._book(book).gate

    def raise_tier(self, book: str, tier: KillTier, reason: str, session: dt.date, at: dt.datetime, actor: str) -> Gate:
        """Latch a higher tier; a lower one changes nothing."""
        held = self._book(book)
        if tier > held.gate.tier:
            gate = Gate(tier, reason)
            self._append([leaves.tier_raised(book, gate, session, at, actor)])
            held.gate, held.gate_session = gate, session
        return held.gate

    def record(self, kind: str, correlation_id: str, body: dict[str, Any], at: dt.datetime) -> int:
        """Append one audit leaf; returns its index."""
        self._append([Leaf(kind, correlation_id, at, body)])
        return self._range.size - 1

    def audit_leaves(self, first: int = 0, last: int | None = None) -> list[AuditLeaf]:
        """Leaves first..last, both included."""
        return self._leaves[first : None if last is None else last + 1]

    def audit_head(self) -> AuditHead:
        """Size and root of the log."""
        return AuditHead(self._range.size, self._range.root)

    def _append(self, written: list[Leaf]) -> None:
        if not self._audit:
            return
        base = self._range.size
        made = [
            AuditLeaf(base + n, each.kind, each.correlation_id, each.at, leaf_text(base + n, *_fields(each)))
            for n, each in enumerate(written)
        ]
        self._leaves += made
        self._range = self._range.append(*(each.hash for each in made))

    def _book(self, book: str) -> _Book:
        if book not in self._books:
            raise InvariantError(f"there is no book {book!r}")
        return self._books[book]

    def _order(self, client_order_id: str) -> _Order:
        if client_order_id not in self._orders:
            raise InvariantError(f"there is no order {client_order_id!r}")
        return self._orders[client_order_id]

    def _book_fill(self, fill: Execution, book: str, session: dt.date | None) -> None:
        held = self._books[book]
        self._fills[fill.execution_id] = fill
        held.fills.append((session, fill))
        held.cash_usd = leaves.exact_sum([held.cash_usd, leaves.cash_effect(fill)])
        change = fill.side.sign * fill.quantity_shares
        position = leaves.exact_sum([held.positions.get(fill.symbol, Decimal(0)), change])
        if position:
            held.positions[fill.symbol] = position
        else:
            held.positions.pop(fill.symbol, None)


def _fields(leaf: Leaf) -> tuple[str, str, dt.datetime | None, dict[str, Any]]:
    return leaf.kind, leaf.correlation_id, leaf.at, leaf.body


def _copied(state: BookState | None) -> BookState | None:
    return None if state is None else replace(state, positions=dict(state.positions))
