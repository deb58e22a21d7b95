"""Alpaca's JSON into our types. Exact: every number on the wire is a string and becomes a Decimal."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal, InvalidOperation
from typing import Any

from qgtm_core.types import (
    BrokerAccount,
    BrokerOrder,
    BrokerPosition,
    Execution,
    OrderIntent,
    OrderState,
    OrderType,
    Quote,
    Side,
)

Json = dict[str, Any]

FINAL = {
    "filled": OrderState.FILLED,
    "canceled": OrderState.CANCELLED,
    "replaced": OrderState.CANCELLED,
    "expired": OrderState.EXPIRED,
    "rejected": OrderState.REJECTED,
}
# Everything else (new, accepted, pending_*, held, done_for_day, …) can still execute or end.


class UnreadableReplyError(ValueError):
    """A reply that is not what the documentation promises."""


def order_body(intent: OrderIntent) -> Json:
    """The body of `POST /v2/orders`."""
    body: Json = {
        "symbol": intent.symbol,
        "qty": format(intent.quantity_shares, "f"),
        "side": intent.side.value,
        "type": intent.order_type.value,
        "time_in_force": "day",
        "client_order_id": intent.client_order_id,
        "extended_hours": False,
    }
    if intent.order_type is OrderType.LIMIT:
        body["limit_price"] = format(intent.limit_price or Decimal(0), "f")
    return body


def order(row: Any) -> BrokerOrder:
    """One order; raises UnreadableReplyError."""
    try:
        filled = Decimal(row["filled_qty"] or "0")
        average = row.get("filled_avg_price")
        return BrokerOrder(
            client_order_id=row["client_order_id"],
            broker_order_id=row["id"],
            symbol=row["symbol"],
            side=Side(row["side"]),
            quantity_shares=Decimal(row["qty"]),
            filled_shares=filled,
            average_price=None if average is None else Decimal(average),
            state=FINAL.get(row["status"], OrderState.PARTIAL if filled else OrderState.ACCEPTED),
            reason=row.get("reject_reason"),
            submitted_at=instant(row["submitted_at"] or row["created_at"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, InvalidOperation) as problem:
        raise UnreadableReplyError(f"order is not readable ({problem!r})") from problem


def rejected(intent: OrderIntent, reason: str) -> BrokerOrder:
    """An order the broker refused at the door; it has no id there."""
    return BrokerOrder(
        client_order_id=intent.client_order_id,
        broker_order_id="",
        symbol=intent.symbol,
        side=intent.side,
        quantity_shares=intent.quantity_shares,
        filled_shares=Decimal(0),
        average_price=None,
        state=OrderState.REJECTED,
        reason=reason,
        submitted_at=intent.decided_at,
    )


def execution_id(activity_id: str) -> str:
    """The execution's own id from an activity id `<time>::<execution id>`."""
    return activity_id.rpartition("::")[2]


def execution(row: Json, client_order_id: str) -> Execution:
    """One FILL activity."""
    return Execution(
        execution_id=execution_id(row["id"]),
        client_order_id=client_order_id,
        symbol=row["symbol"],
        side=_side(row["side"]),
        quantity_shares=Decimal(row["qty"]),
        price=Decimal(row["price"]),
        executed_at=instant(row["transaction_time"]),
    )


def streamed_execution(data: Json) -> Execution | None:
    """The execution of a `trade_updates` frame, or None when it carries none."""
    if data.get("event") not in ("fill", "partial_fill") or "execution_id" not in data:
        return None
    row = data["order"]
    return Execution(
        execution_id=data["execution_id"],
        client_order_id=row["client_order_id"],
        symbol=row["symbol"],
        side=_side(row["side"]),
        quantity_shares=Decimal(data["qty"]),
        price=Decimal(data["price"]),
        executed_at=instant(data["timestamp"]),
    )


def position(row: Json) -> BrokerPosition:
    """One position; the sign follows `side`, whichever sign the quantity has on the wire."""
    sign = -1 if row["side"] == "short" else 1
    return BrokerPosition(
        row["symbol"], sign * abs(Decimal(row["qty"])), sign * abs(Decimal(row["market_value"] or "0"))
    )


def account(row: Json) -> BrokerAccount:
    """Cash and equity."""
    blocked = bool(row.get("trading_blocked") or row.get("account_blocked") or row.get("trade_suspended_by_user"))
    return BrokerAccount(Decimal(row["cash"]), Decimal(row["equity"]), blocked)


def quote(symbol: str, row: Json, basis: str) -> Quote | None:
    """One quote; None when a side is missing (a zero price on the wire) or the two are crossed."""
    bid, ask = float(row.get("bp") or 0.0), float(row.get("ap") or 0.0)
    if bid <= 0.0 or ask < bid:
        return None
    return Quote(symbol, bid, ask, instant(row["t"]), basis)


def instant(text: str) -> dt.datetime:
    """An instant in UTC; nanoseconds, which Alpaca sends on some fields, are cut to microseconds."""
    return dt.datetime.fromisoformat(text).astimezone(dt.UTC)


def _side(text: str) -> Side:
    return Side.SELL if text.startswith("sell") else Side.BUY  # "sell_short" occurs in activities
