"""Reading requests: an order body as Alpaca takes it, with Alpaca's refusals for what does not fit."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from qgtm_core.types import OrderType, Side
from qgtm_core.universe import INSTRUMENTS
from qgtm_resources.venue.errors import bad_parameter

MAX_CLIENT_ID = 128  # characters


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """A well-formed order: whole shares, market or limit, DAY."""

    client_order_id: str
    symbol: str
    side: Side
    qty: Decimal
    type: OrderType
    limit_price: Decimal | None


def order_request(body: dict[str, Any]) -> OrderRequest:
    """Read `POST /v2/orders`; refuses with 422 what the venue does not trade."""
    symbol = str(body.get("symbol", "")).upper()
    if symbol not in INSTRUMENTS:
        raise bad_parameter(f'asset "{symbol}" not found')
    side, kind = body.get("side"), body.get("type")
    if side not in ("buy", "sell"):
        raise bad_parameter("side must be buy or sell")
    if kind not in ("market", "limit"):
        raise bad_parameter("order type must be market or limit at this venue")
    if body.get("time_in_force") != "day":
        raise bad_parameter("time_in_force must be day at this venue")
    if body.get("order_class") not in (None, "", "simple") or body.get("extended_hours"):
        raise bad_parameter("only simple orders in regular hours are supported at this venue")
    client_id = str(body.get("client_order_id") or uuid.uuid4())
    if len(client_id) > MAX_CLIENT_ID:
        raise bad_parameter(f"client_order_id must be no more than {MAX_CLIENT_ID} characters")
    qty = decimal(body.get("qty"), "qty")
    if qty <= 0 or qty != qty.to_integral_value():
        raise bad_parameter("qty must be a whole number of shares > 0")
    return OrderRequest(client_id, symbol, Side(side), qty, OrderType(kind), _limit_price(kind, body))


def _limit_price(kind: str, body: dict[str, Any]) -> Decimal | None:
    given = body.get("limit_price")
    if kind == "market":
        if given is not None:
            raise bad_parameter("market orders must not have a limit price")
        return None
    if given is None:
        raise bad_parameter("limit orders require a limit price")
    price = decimal(given, "limit_price")
    if price <= 0:
        raise bad_parameter("limit price must be > 0")
    places = 2 if price >= 1 else 4
    if price != round(price, places):
        raise bad_parameter(
            f"invalid limit_price {price}. sub-penny increment does not fulfill minimum pricing criteria"
        )
    return price


def decimal(value: Any, name: str) -> Decimal:
    """A finite decimal from a JSON string or number."""
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise bad_parameter(f"{name} must be a number") from None
    if not number.is_finite():
        raise bad_parameter(f"{name} must be a number")
    return number


def day(value: Any, name: str) -> dt.date:
    """A date from `YYYY-MM-DD`."""
    try:
        return dt.date.fromisoformat(str(value))
    except ValueError:
        raise bad_parameter(f"{name} must be a date, YYYY-MM-DD") from None


def moment(value: str, name: str) -> dt.datetime:
    """An instant from RFC 3339 or a date; without an offset it is UTC."""
    try:
        at = dt.datetime.fromisoformat(value)
    except ValueError:
        raise bad_parameter(f"{name} must be a timestamp in RFC 3339") from None
    return at if at.tzinfo is not None else at.replace(tzinfo=dt.UTC)
