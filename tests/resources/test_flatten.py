"""Which attempt a flatten makes: the books are in memory, since only the ids and states of orders matter here."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from qgtm_core.execution.intents import client_order_id
from qgtm_core.types import Algo, OrderIntent, OrderState, OrderType, Side
from qgtm_resources.flatten import _attempt

SESSION, BOOK = dt.date(2026, 3, 4), "paper"


class Orders:
    """The one question a flatten asks of the ledger before it plans."""

    def __init__(self, *held: tuple[str, OrderState]) -> None:
        self._held = [(intent(attempt), state) for attempt, state in held]

    def orders(self, book: str, session: dt.date) -> list[tuple[OrderIntent, OrderState]]:
        return self._held


def intent(attempt: str, symbol: str = "GLD") -> OrderIntent:
    return OrderIntent(
        client_order_id=client_order_id(SESSION, BOOK, symbol, Side.SELL, attempt),
        session=SESSION,
        book=BOOK,
        symbol=symbol,
        side=Side.SELL,
        quantity_shares=Decimal(5),
        order_type=OrderType.MARKET,
        limit_price=None,
        decision_mid=Decimal(100),
        algo=Algo.SINGLE,
        correlation_id="c",
        decided_at=dt.datetime(2026, 3, 4, 20, 30, tzinfo=dt.UTC),
    )


def attempt_after(*held: tuple[str, OrderState]) -> str:
    ledger: Any = Orders(*held)
    return _attempt(ledger, BOOK, SESSION)


def test_orders_of_the_rebalance_do_not_count() -> None:
    assert attempt_after(("1", OrderState.FILLED)) == "flatten0"


def test_while_an_order_of_the_last_attempt_lives_its_ids_are_used_again() -> None:
    assert attempt_after(("flatten0", OrderState.UNKNOWN)) == "flatten0"
    assert attempt_after(("flatten0", OrderState.FILLED), ("flatten1", OrderState.ACCEPTED)) == "flatten1"


def test_a_second_flatten_of_the_session_sends_new_orders() -> None:
    assert attempt_after(("flatten0", OrderState.CANCELLED)) == "flatten1"
    assert attempt_after(("flatten0", OrderState.FILLED), ("flatten1", OrderState.FILLED)) == "flatten2"
