"""Carrying out order intents: each reaches the broker at most once, each fill enters the ledger exactly once.

What to trade is decided before; nothing here sizes, prices or approves. A process may die at any line: the next run
with the same intents goes on from the ledger's states and the broker's answers.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from qgtm_core import calendar
from qgtm_core.errors import InvariantError, TransientError, UnknownOutcome
from qgtm_core.execution.lifecycle import after_fills
from qgtm_core.ports import Broker, Clock, Ledger
from qgtm_core.types import BrokerOrder, Execution, Gate, OrderIntent, OrderState
from qgtm_resources.clock import SystemClock
from qgtm_resources.execution_report import ExecutionReport, OrderOutcome

DEADLINE_S = 20.0  # for the whole run
LOOKUPS = 3  # "never seen" answers before an order may be sent again
LOOKUP_PAUSE_S = 0.5
SENDS = 3  # of one order in one run, always under the same id
FIRST_POLL_S, MAX_POLL_S = 0.02, 0.5
IN_FLIGHT = frozenset({OrderState.SENDING, OrderState.UNKNOWN, OrderState.ACCEPTED, OrderState.PARTIAL})


class Updates(Protocol):
    """News from the broker's stream: only a hint that asking is worth while."""

    def wait(self, timeout_s: float) -> bool:
        """Wait for news; False when there was none."""
        ...


@dataclass(frozen=True, slots=True)
class Pace:
    """Waiting times; tests shorten them. `monotonic` and `sleep` belong together."""

    lookup_pause_s: float = LOOKUP_PAUSE_S
    first_poll_s: float = FIRST_POLL_S
    max_poll_s: float = MAX_POLL_S
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic


@dataclass(slots=True)
class _Order:
    """One order of this run: ledger state, newest word from the broker, booked fills."""

    intent: OrderIntent
    state: OrderState
    at_broker: BrokerOrder | None = None
    reason: str | None = None
    sends: int = 0
    fills: list[Execution] = field(default_factory=list)

    @property
    def open(self) -> bool:
        return self.state in {OrderState.ACCEPTED, OrderState.PARTIAL}

    @property
    def filled_shares(self) -> Decimal:
        return sum((fill.quantity_shares for fill in self.fills), Decimal(0))

    @property
    def average_price(self) -> Decimal | None:
        filled = self.filled_shares
        return sum((f.quantity_shares * f.price for f in self.fills), Decimal(0)) / filled if filled else None


class Executor:
    """Send intents through a broker and book what comes back.

    `gate` is asked before every single send; while it is closed an intent is cancelled unsent, unless its id is among
    `reduce_only`, the orders that only reduce risk. `updates` shortens the wait for fills, it is never their source.
    """

    def __init__(
        self,
        broker: Broker,
        ledger: Ledger,
        clock: Clock | None = None,
        deadline_s: float = DEADLINE_S,
        *,
        gate: Callable[[], Gate] | None = None,
        reduce_only: Iterable[str] = (),
        updates: Updates | None = None,
        on_progress: Callable[[str], None] | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._broker, self._ledger, self._clock = broker, ledger, clock or SystemClock()
        self._deadline_s = deadline_s
        self._gate, self._reduce_only = gate, frozenset(reduce_only)
        self._updates = updates
        self._say = on_progress or _silent
        self._pace = pace or Pace()
        self._ends_at = 0.0

    def run(
        self, intents: Sequence[OrderIntent], session: dt.date, *, on_progress: Callable[[str], None] | None = None
    ) -> ExecutionReport:
        """Carry out the intents of one session, and settle what earlier runs of it left in flight."""
        self._say = on_progress or self._say
        started = self._pace.monotonic()
        self._ends_at = started + self._deadline_s
        stored = self._ledger.save_intents(intents)
        orders = self._load(stored, session)
        for order in orders.values():
            self._advance(order)
        booked = self._settle(orders, session)
        unsettled = tuple(cid for cid, order in orders.items() if not order.state.final)
        if unsettled:
            self._say(f"{len(unsettled)} orders are not settled; the next run goes on with them")
        return ExecutionReport(
            session=session,
            outcomes=tuple(_outcome(order) for order in orders.values()),
            new_executions=booked,
            unsettled=unsettled,
            elapsed_s=self._pace.monotonic() - started,
        )

    def _load(self, stored: Sequence[OrderIntent], session: dt.date) -> dict[str, _Order]:
        """Orders of this run: the given intents and whatever the ledger has in flight for their books."""
        given = {intent.client_order_id for intent in stored}
        orders: dict[str, _Order] = {}
        for book in dict.fromkeys(intent.book for intent in stored):
            for intent, state in self._ledger.orders(book, session):
                if intent.client_order_id in given or state in IN_FLIGHT:
                    orders[intent.client_order_id] = _Order(intent, state)
            for fill in self._ledger.executions(book, session):
                if fill.client_order_id in orders:
                    orders[fill.client_order_id].fills.append(fill)
        if given - orders.keys():
            raise InvariantError(f"intents of another session than {session}: {sorted(given - orders.keys())}")
        return orders

    def _move(self, order: _Order, state: OrderState, reason: str = "", broker_order_id: str = "") -> None:
        self._ledger.set_order_state(
            order.intent.client_order_id, state, self._clock.now(), reason=reason, broker_order_id=broker_order_id
        )
        order.state = state
        order.reason = reason or order.reason

    def _late(self) -> bool:
        return self._pace.monotonic() >= self._ends_at

    # getting the order to the broker

    def _advance(self, order: _Order) -> None:
        """Bring one order to the broker's books, or to a final state, or leave it UNKNOWN at the deadline."""
        if order.state is OrderState.SENDING:
            self._move(order, OrderState.UNKNOWN, "found in flight: an earlier run ended between send and reply")
        while order.state in {OrderState.INTENT, OrderState.UNKNOWN}:
            if order.state is OrderState.UNKNOWN and not self._look_up(order):
                return
            if order.state is OrderState.INTENT and not self._send(order):
                return

    def _send(self, order: _Order) -> bool:
        """Send once if the gate allows; False when this run may not send the order again."""
        intent = order.intent
        gate = self._gate() if self._gate is not None else None
        if gate is not None and not gate.open and intent.client_order_id not in self._reduce_only:
            self._move(order, OrderState.CANCELLED, f"not sent: gate at {gate.tier.name}: {gate.reason}")
            self._say(f"{intent.side} {intent.symbol} not sent: gate at {gate.tier.name}")
            return True
        if order.sends >= SENDS or self._late():
            return False
        order.sends += 1
        self._move(order, OrderState.SENDING)
        try:
            answer = self._broker.submit(intent)
        except (UnknownOutcome, TransientError) as lost:
            # Even a refusal to answer (429) is looked up before anything is sent again.
            self._move(order, OrderState.UNKNOWN, str(lost))
            self._say(f"{intent.side} {intent.symbol}: outcome unknown, looking it up")
            return True
        self._adopt(order, answer)
        return True

    def _look_up(self, order: _Order) -> bool:
        """Resolve an UNKNOWN order: adopt it, or make it INTENT again after enough "never seen" answers.

        An error is no answer. False when the deadline comes first.
        """
        never_seen = 0
        while never_seen < LOOKUPS:
            try:
                found = self._broker.order(order.intent.client_order_id)
            except TransientError:
                pass
            else:
                if found is not None:
                    self._adopt(order, found)
                    return True
                never_seen += 1
            if never_seen < LOOKUPS:
                if self._late():
                    return False
                self._pace.sleep(self._pace.lookup_pause_s)
        self._move(order, OrderState.INTENT, f"the broker has never seen it ({LOOKUPS} look-ups)")
        return True

    def _adopt(self, order: _Order, answer: BrokerOrder) -> None:
        """Take the broker's word. A final state waits until the fills it counts are booked."""
        order.at_broker = answer
        if answer.state is OrderState.REJECTED and not answer.filled_shares:
            self._move(order, OrderState.REJECTED, answer.reason or "rejected", answer.broker_order_id)
        else:
            self._move(order, OrderState.ACCEPTED, "", answer.broker_order_id)
        intent = order.intent
        self._say(f"{intent.side} {intent.quantity_shares} {intent.symbol}: {order.state.value.lower()}")

    # bringing fills home

    def _settle(self, orders: dict[str, _Order], session: dt.date) -> int:
        """Poll until every order is final or the deadline; returns how many fills were new."""
        booked, pause_s = 0, self._pace.first_poll_s
        while any(order.open for order in orders.values()):
            try:
                booked += self._poll(orders, session)
            except TransientError as problem:
                self._say(f"broker does not answer: {problem}")
            if self._late() or not any(order.open for order in orders.values()):
                break
            if self._updates is None:
                self._pace.sleep(pause_s)
            elif self._updates.wait(pause_s):
                continue
            pause_s = min(pause_s * 2, self._pace.max_poll_s)
        return booked

    def _poll(self, orders: dict[str, _Order], session: dt.date) -> int:
        """One look at the open orders, then at the fills; in that order, so no counted fill can be missing for long."""
        waiting = [order for order in orders.values() if order.open]
        for order in waiting:
            # The answer to a submission may be final already; asking again would only repeat it.
            if order.at_broker is None or not order.at_broker.state.final:
                order.at_broker = self._broker.order(order.intent.client_order_id) or order.at_broker
        booked = self._book(orders, session)
        for order in waiting:
            self._finish(order)
        return booked

    def _book(self, orders: dict[str, _Order], session: dt.date) -> int:
        """Book fills of our orders that the ledger does not hold; fills of unknown orders are reconciliation's."""
        held = {fill.execution_id for order in orders.values() for fill in order.fills}
        fresh = [
            fill
            for fill in self._broker.executions(calendar.open_at(session))
            if fill.client_order_id in orders and fill.execution_id not in held
        ]
        if not fresh:
            return 0
        booked = self._ledger.book_executions(fresh)
        for fill in fresh:
            order = orders[fill.client_order_id]
            order.fills.append(fill)
            order.state = after_fills(order.state, order.filled_shares, order.intent.quantity_shares)
        self._say(f"booked {booked} fills")
        return booked

    def _finish(self, order: _Order) -> None:
        """Record the final state once the booked fills are all the broker counts."""
        answer = order.at_broker
        if answer is None or not answer.state.final or order.filled_shares != answer.filled_shares:
            return
        self._move(order, answer.state, answer.reason or "", answer.broker_order_id)


def _silent(_text: str) -> None:
    """Report progress to nobody."""


def _outcome(order: _Order) -> OrderOutcome:
    reason = None if order.state in {OrderState.FILLED, *IN_FLIGHT} else order.reason
    return OrderOutcome(order.intent, order.state, order.filled_shares, order.average_price, reason)
