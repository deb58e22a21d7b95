"""One book as the ledger and as the paper venue hold it, read with SQL, and what must be true of the two."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from benchmarks.barrier import rows

STATES = {"filled": "FILLED", "canceled": "CANCELLED", "rejected": "REJECTED", "expired": "EXPIRED"}
CENT = Decimal("0.01")

_LEDGER_ORDERS = """SELECT o.client_order_id, i.symbol, i.side, i.quantity_shares, i.order_type, i.limit_price, o.state,
    o.filled_shares, o.broker_order_id FROM ledger.orders o JOIN ledger.intents i USING (client_order_id)
    WHERE i.book = %s ORDER BY 1"""
_VENUE_ORDERS = """SELECT client_order_id, symbol, side, qty, type, limit_price, status, filled_qty, id
    FROM venue.orders WHERE account = %s ORDER BY 1"""
_LEDGER_FILLS = """SELECT execution_id, client_order_id, symbol, side, quantity_shares, price
    FROM ledger.executions WHERE book = %s ORDER BY 1"""
_VENUE_FILLS = """SELECT e.execution_id, o.client_order_id, e.symbol, e.side, e.qty, e.price
    FROM venue.executions e JOIN venue.orders o ON o.id = e.order_id WHERE e.account = %s ORDER BY 1"""
_LEDGER_HELD = "SELECT symbol, quantity_shares FROM ledger.positions WHERE book = %s ORDER BY 1"
_VENUE_HELD = "SELECT symbol, qty FROM venue.positions WHERE account = %s AND qty <> 0 ORDER BY 1"

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Books:
    """Orders `(client id, symbol, side, shares, type, limit, state, filled, broker id)`, fills `(id, client id, symbol,
    side, shares, price)`, positions and cash in USD.
    """

    orders: tuple[Row, ...]
    fills: tuple[Row, ...]
    positions: tuple[Row, ...]
    cash_usd: Decimal
    accepted: int  # orders the venue ever took; at the ledger, orders it holds


def at_ledger(url: str, book: str) -> Books:
    """The book in the ledger."""
    orders = rows(url, _LEDGER_ORDERS, book)
    cash = rows(url, "SELECT cash_usd FROM ledger.cash WHERE book = %s", book)
    return Books(
        _plain(orders), _plain(rows(url, _LEDGER_FILLS, book)), _plain(rows(url, _LEDGER_HELD, book)),
        Decimal(cash[0][0]) if cash else Decimal(0), len(orders),
    )  # fmt: skip


def at_venue(url: str, book: str) -> Books:
    """The account of the book at the paper venue, in the ledger's words."""
    orders = [(*row[:6], STATES.get(row[6], row[6]), *row[7:]) for row in rows(url, _VENUE_ORDERS, book)]
    account = rows(url, "SELECT cash_usd, orders_seen FROM venue.accounts WHERE account = %s", book)
    cash, seen = account[0] if account else (Decimal(0), 0)
    return Books(
        _plain(orders), _plain(rows(url, _VENUE_FILLS, book)), _plain(rows(url, _VENUE_HELD, book)),
        Decimal(cash), int(seen),
    )  # fmt: skip


def problems(ledger: Books, venue: Books, control: Books) -> list[str]:
    """What is wrong after a resumed run; empty when nothing is.

    `control` is the ledger's side of an undisturbed run in another book: client ids and fill ids differ by the name of
    the book, everything else must be equal.
    """
    ids = [row[0] for row in venue.orders]
    found = {
        "orders differ between ledger and venue": ledger.orders != venue.orders,
        "fills differ between ledger and venue": ledger.fills != venue.fills,
        "positions differ between ledger and venue": ledger.positions != venue.positions,
        "cash differs between ledger and venue": ledger.cash_usd.quantize(CENT) != venue.cash_usd.quantize(CENT),
        "a client id occurs twice": len(set(ids)) != len(ids),
        "the venue took more orders than the ledger holds": venue.accepted != ledger.accepted,
        "orders differ from the control": _nameless(ledger.orders, 1, 8) != _nameless(control.orders, 1, 8),
        "fills differ from the control": _nameless(ledger.fills, 2, 6) != _nameless(control.fills, 2, 6),
        "positions differ from the control": ledger.positions != control.positions,
        "cash differs from the control": ledger.cash_usd.quantize(CENT) != control.cash_usd.quantize(CENT),
        "nothing was traded": not ledger.fills,
    }
    return [text for text, wrong in found.items() if wrong]


def _plain(found: Iterable[Row]) -> tuple[Row, ...]:
    return tuple(tuple(v.normalize() if isinstance(v, Decimal) else v for v in row) for row in found)


def _nameless(found: Iterable[Row], start: int, stop: int) -> list[str]:
    return sorted(str(row[start:stop]) for row in found)
