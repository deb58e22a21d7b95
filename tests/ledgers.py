"""Small orders and fills for tests of ledgers."""

from __future__ import annotations

import datetime as dt
import itertools
import uuid
from decimal import Decimal

from qgtm_core.ports import Ledger
from qgtm_core.types import Algo, Execution, OrderIntent, OrderType, Side

SESSION = dt.date(2026, 3, 5)
AT = dt.datetime(2026, 3, 5, 20, 30, tzinfo=dt.UTC)
CASH = Decimal(1_000_000)
_numbers = itertools.count()


def unique(prefix: str = "id") -> str:
    """A name no other test uses."""
    return f"{prefix}-{uuid.uuid4().hex[:12]}-{next(_numbers)}"


def new_book(ledger: Ledger, cash_usd: Decimal = CASH) -> str:
    """Open a book of its own."""
    book = unique("book")
    ledger.open_book(book, cash_usd, "simulated")
    return book


def an_intent(
    book: str,
    symbol: str = "GLD",
    side: Side = Side.BUY,
    quantity: str = "180",
    *,
    client_order_id: str | None = None,
    session: dt.date = SESSION,
    correlation_id: str = "sig-20260305-203000-abcd",
) -> OrderIntent:
    """An intent of the architecture's example row: 180 GLD."""
    return OrderIntent(
        client_order_id=client_order_id or unique("order"),
        session=session,
        book=book,
        symbol=symbol,
        side=side,
        quantity_shares=Decimal(quantity),
        order_type=OrderType.MARKET,
        limit_price=None,
        decision_mid=Decimal("268.38"),
        algo=Algo.SINGLE,
        correlation_id=correlation_id,
        decided_at=AT,
    )


def a_fill(
    intent: OrderIntent, quantity: str | None = None, price: str = "268.41", *, execution_id: str | None = None
) -> Execution:
    """A fill of the intent, in full unless a quantity is given."""
    return Execution(
        execution_id=execution_id or unique("fill"),
        client_order_id=intent.client_order_id,
        symbol=intent.symbol,
        side=intent.side,
        quantity_shares=intent.quantity_shares if quantity is None else Decimal(quantity),
        price=Decimal(price),
        executed_at=AT,
    )
