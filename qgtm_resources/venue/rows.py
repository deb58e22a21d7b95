"""Rows of the venue's books: locked, read and stored inside a transaction of the caller."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from qgtm_core import calendar
from qgtm_core.types import Algo, OrderIntent, OrderType, Side
from qgtm_resources.venue.errors import not_found
from qgtm_resources.venue.tables import accounts, orders, positions

Row = dict[str, Any]
Connection = sa.Connection
OPEN = ("new", "accepted", "partially_filled")  # Alpaca's words for an order that can still execute


def locked(connection: Connection, account: str, starting_cash_usd: Decimal) -> Row:
    """The account's row, locked until the transaction ends; created with the starting cash when it is new."""
    query = sa.select(accounts).where(accounts.c.account == account).with_for_update()
    row = connection.execute(query).mappings().first()
    if row is None:
        cash = dict.fromkeys(("starting_cash_usd", "cash_usd", "previous_equity_usd"), starting_cash_usd)
        connection.execute(insert(accounts).values(account=account, **cash).on_conflict_do_nothing())
        row = connection.execute(query).mappings().one()
    return dict(row)


def open_orders(connection: Connection, account: str) -> list[Row]:
    """Orders that can still execute, oldest first."""
    query = sa.select(orders).where(orders.c.account == account, orders.c.status.in_(OPEN)).order_by(orders.c.seq)
    return [dict(row) for row in connection.execute(query).mappings()]


def find_order(connection: Connection, account: str, which: sa.ColumnElement[bool]) -> Row:
    """The account's order that meets the condition; a refusal with 404 when there is none."""
    row = connection.execute(sa.select(orders).where(orders.c.account == account, which)).mappings().first()
    if row is None:
        raise not_found("order not found")
    return dict(row)


def held(connection: Connection, account: str) -> list[Row]:
    """Open positions by symbol."""
    query = sa.select(positions).where(positions.c.account == account).order_by(positions.c.symbol)
    return [dict(row) for row in connection.execute(query).mappings()]


def save(connection: Connection, order: Row) -> None:
    """Store what changes of an order."""
    changed = {key: order[key] for key in ("status", "reason", "filled_qty", "filled_avg_price", "updated_at")}
    connection.execute(orders.update().where(orders.c.id == order["id"]).values(**changed))


def intent_of(order: Row) -> OrderIntent:
    """A stored order as the fill model takes it."""
    return OrderIntent(
        client_order_id=order["client_order_id"],
        session=order["session"],
        book=order["account"],
        symbol=order["symbol"],
        side=Side(order["side"]),
        quantity_shares=order["qty"],
        order_type=OrderType(order["type"]),
        limit_price=order["limit_price"],
        decision_mid=Decimal(0),
        algo=Algo.SINGLE,
        correlation_id="",
        decided_at=calendar.decision_time(order["session"]),
    )
