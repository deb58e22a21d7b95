"""Rows of the venue's books as Alpaca's JSON: every number a string, every instant RFC 3339 in UTC."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

from qgtm_core import calendar
from qgtm_core.universe import INSTRUMENTS

ID_SPACE = uuid.UUID("6f0a4cf2-8d0d-4a35-9f1e-2c57b7c7f1a0")  # namespace of every id the venue derives
CENT = Decimal("0.01")

Row = dict[str, Any]


def number(value: Decimal | None) -> str | None:
    """A decimal as a plain string without exponent or trailing zeros; null stays null."""
    if value is None:
        return None
    text = format(value, "f")
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def money(value: Decimal) -> str:
    """USD, at least to the cent, never rounded."""
    text = number(value) or "0"
    return text if "." in text and len(text.split(".")[1]) >= 2 else format(Decimal(text).quantize(CENT), "f")


def instant(value: dt.datetime | None) -> str | None:
    """RFC 3339 in UTC with microseconds."""
    return None if value is None else value.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def asset_id(symbol: str) -> str:
    """A stable id of an asset."""
    return str(uuid.uuid5(ID_SPACE, symbol))


def order(row: Row) -> Row:
    """One order."""
    status = row["status"]
    ended = instant(row["updated_at"])
    return {
        "id": row["id"],
        "client_order_id": row["client_order_id"],
        "created_at": instant(row["submitted_at"]),
        "updated_at": ended,
        "submitted_at": instant(row["submitted_at"]),
        "filled_at": ended if status == "filled" else None,
        "expired_at": ended if status == "expired" else None,
        "canceled_at": ended if status == "canceled" else None,
        "failed_at": ended if status == "rejected" else None,
        "replaced_at": None,
        "replaced_by": None,
        "replaces": None,
        "asset_id": asset_id(row["symbol"]),
        "symbol": row["symbol"],
        "asset_class": "us_equity",
        "notional": None,
        "qty": number(row["qty"]),
        "filled_qty": number(row["filled_qty"]),
        "filled_avg_price": number(row["filled_avg_price"]),
        "order_class": "",
        "order_type": row["type"],
        "type": row["type"],
        "side": row["side"],
        "time_in_force": "day",
        "limit_price": number(row["limit_price"]),
        "stop_price": None,
        "status": status,
        "reject_reason": row["reason"],
        "extended_hours": False,
        "legs": None,
        "trail_percent": None,
        "trail_price": None,
        "hwm": None,
    }


def event(name: str, order_row: Row, at: dt.datetime, fill: Row | None = None) -> Row:
    """One `trade_updates` frame."""
    data: Row = {"event": name, "timestamp": instant(at), "order": order(order_row)}
    if fill is not None:
        data |= {
            "execution_id": fill["execution_id"],
            "price": number(fill["price"]),
            "qty": number(fill["qty"]),
            "position_qty": number(fill["position_qty"]),
        }
    return {"stream": "trade_updates", "data": data}


def activity(row: Row) -> Row:
    """One FILL activity. Its id is `<time>::<execution id>`, so it sorts by time and names the execution."""
    at: dt.datetime = row["executed_at"].astimezone(dt.UTC)
    done = row["cum_qty"] == row["order_qty"]
    return {
        "id": f"{at:%Y%m%d%H%M%S}{at.microsecond // 1000:03d}::{row['execution_id']}",
        "activity_type": "FILL",
        "transaction_time": instant(at),
        "type": "fill" if done else "partial_fill",
        "price": number(row["price"]),
        "qty": number(row["qty"]),
        "side": row["side"],
        "symbol": row["symbol"],
        "leaves_qty": number(row["order_qty"] - row["cum_qty"]),
        "order_id": row["order_id"],
        "cum_qty": number(row["cum_qty"]),
        "order_status": "filled" if done else "partially_filled",
    }


def position(row: Row, price: Decimal) -> Row:
    """One position; quantity and value of a short are negative."""
    value, cost = row["qty"] * price, row["qty"] * row["avg_entry_price"]
    gain = value - cost
    return {
        "asset_id": asset_id(row["symbol"]),
        "symbol": row["symbol"],
        "exchange": "ARCA",
        "asset_class": "us_equity",
        "avg_entry_price": number(row["avg_entry_price"]),
        "qty": number(row["qty"]),
        "qty_available": number(row["qty"]),
        "side": "long" if row["qty"] > 0 else "short",
        "market_value": money(value.quantize(CENT)),
        "cost_basis": money(cost.quantize(CENT)),
        "unrealized_pl": money(gain.quantize(CENT)),
        "unrealized_plpc": number((gain / abs(cost)).quantize(Decimal("0.000001"))) if cost else "0",
        "current_price": number(price),
        "lastday_price": number(row["last_price"]),
        "change_today": "0",
    }


def account(row: Row, positions: list[tuple[Row, Decimal]], leverage: Decimal, shorting: bool) -> Row:
    """One account, marked at the given prices."""
    long = sum((r["qty"] * p for r, p in positions if r["qty"] > 0), Decimal(0))
    short = sum((r["qty"] * p for r, p in positions if r["qty"] < 0), Decimal(0))
    equity = row["cash_usd"] + long + short
    room = max(leverage * equity - long + short, Decimal(0))
    return {
        "id": str(uuid.uuid5(ID_SPACE, "account/" + row["account"])),
        "account_number": row["account"],
        "status": "ACTIVE",
        "currency": "USD",
        "cash": money(row["cash_usd"]),
        "equity": money(equity.quantize(CENT)),
        "last_equity": money(row["previous_equity_usd"].quantize(CENT)),
        "portfolio_value": money(equity.quantize(CENT)),
        "long_market_value": money(long.quantize(CENT)),
        "short_market_value": money(short.quantize(CENT)),
        "buying_power": money(room.quantize(CENT)),
        "regt_buying_power": money(room.quantize(CENT)),
        "options_buying_power": "0.00",
        "initial_margin": money(((long - short) / leverage).quantize(CENT)),
        "maintenance_margin": money(((long - short) * Decimal("0.3")).quantize(CENT)),
        "multiplier": number(leverage),
        "shorting_enabled": shorting,
        "trading_blocked": False,
        "transfers_blocked": False,
        "account_blocked": False,
        "trade_suspended_by_user": False,
        "options_trading_level": 0,
        "created_at": instant(calendar.open_at(calendar.FIRST_SESSION)),
    }


def asset(symbol: str) -> Row:
    """One asset of the universe."""
    instrument = INSTRUMENTS[symbol]
    return {
        "id": asset_id(symbol),
        "class": "us_equity",
        "exchange": "ARCA",
        "symbol": symbol,
        "name": instrument.name,
        "status": "active",
        "tradable": True,
        "marginable": True,
        "shortable": True,
        "easy_to_borrow": True,
        "fractionable": False,
    }


def clock(session: dt.date) -> Row:
    """The account's clock, which stands at the decision of its session."""
    now = calendar.decision_time(session)
    following = calendar.next_session(session)
    return {
        "timestamp": now.astimezone(calendar.NEW_YORK).isoformat(),
        "is_open": True,
        "next_open": calendar.open_at(following).astimezone(calendar.NEW_YORK).isoformat(),
        "next_close": calendar.close_at(session).astimezone(calendar.NEW_YORK).isoformat(),
    }


def calendar_rows(first: dt.date, last: dt.date) -> list[Row]:
    """Sessions with their New York opening and closing times."""
    return [
        {
            "date": row["session"].isoformat(),
            "open": row["open_at"].astimezone(calendar.NEW_YORK).strftime("%H:%M"),
            "close": row["close_at"].astimezone(calendar.NEW_YORK).strftime("%H:%M"),
        }
        for row in calendar.schedule(first, last).iter_rows(named=True)
    ]
