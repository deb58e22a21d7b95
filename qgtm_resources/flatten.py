"""Close a book: cancel what is open, then sell what the broker says is held. Reduce-only; safe to run again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from qgtm_core.correlation import correlation_id
from qgtm_core.errors import GateClosed
from qgtm_core.execution.intents import client_order_id
from qgtm_core.ports import Broker
from qgtm_core.types import Algo, BrokerPosition, KillTier, OrderIntent, OrderType, Side
from qgtm_resources.clients.ledger import PostgresLedger
from qgtm_resources.clock import SystemClock
from qgtm_resources.executor import Executor


@dataclass(frozen=True, slots=True)
class FlattenReport:
    """What a flatten did: orders cancelled, positions it tried to close, and what is still held."""

    cancelled: tuple[str, ...]
    closed: tuple[str, ...]
    remaining: dict[str, str]


def flatten(
    broker: Broker,
    ledger: PostgresLedger,
    book: str,
    session: dt.date,
    now: dt.datetime,
    say: Callable[[str], None],
) -> FlattenReport:
    """Cancel all open orders and close every position; refused unless the book's tier is FLATTEN."""
    gate = ledger.gate(book)
    if gate.tier is not KillTier.FLATTEN:
        raise GateClosed(f"book {book} is at {gate.tier.name}: raise it to FLATTEN first")
    open_orders = broker.open_orders()
    for order in open_orders:
        say(f"cancelling {order.client_order_id}")
        broker.cancel(order.client_order_id)
    held = broker.positions()
    intents = [_closing(position, book, session, now, _attempt(ledger, book, session)) for position in held]
    ids = [intent.client_order_id for intent in intents]
    Executor(broker, ledger, SystemClock(), reduce_only=ids, on_progress=say).run(intents, session)
    remaining = {p.symbol: str(p.quantity_shares) for p in broker.positions()}
    report = FlattenReport(tuple(o.client_order_id for o in open_orders), tuple(p.symbol for p in held), remaining)
    body = {"book": book, "session": str(session), "closed": list(report.closed), "remaining": remaining}
    ledger.record("flatten", f"book-{book}-{session:%Y%m%d}", body, now)
    return report


def _attempt(ledger: PostgresLedger, book: str, session: dt.date) -> str:
    """A new attempt only when every order of the last one has ended: otherwise the same ids, so nothing doubles."""
    states = {intent.client_order_id: (intent, state) for intent, state in ledger.orders(book, session)}
    number = 0
    while sent := [state for key, (i, state) in states.items() if key == _id(i, book, session, f"flatten{number}")]:
        if not all(state.final for state in sent):
            break
        number += 1
    return f"flatten{number}"


def _id(intent: OrderIntent, book: str, session: dt.date, attempt: str) -> str:
    return client_order_id(session, book, intent.symbol, intent.side, attempt)


def _closing(position: BrokerPosition, book: str, session: dt.date, now: dt.datetime, attempt: str) -> OrderIntent:
    side = Side.SELL if position.quantity_shares > 0 else Side.BUY
    price = abs(position.market_value_usd / position.quantity_shares)
    return OrderIntent(
        client_order_id=client_order_id(session, book, position.symbol, side, attempt),
        session=session,
        book=book,
        symbol=position.symbol,
        side=side,
        quantity_shares=abs(position.quantity_shares),
        order_type=OrderType.MARKET,
        limit_price=None,
        decision_mid=price.quantize(Decimal("0.0001")),
        algo=Algo.SINGLE,
        correlation_id=correlation_id(session, position.symbol),
        decided_at=now,
    )
