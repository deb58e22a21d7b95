"""What each call of the paper venue does, apart from HTTP: parameters in, JSON and stream frames out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from qgtm_core import calendar
from qgtm_core.backtest.simbroker import quote_from
from qgtm_core.ports import Feed
from qgtm_core.universe import INSTRUMENTS
from qgtm_resources.venue import wire
from qgtm_resources.venue.books import Terms, VenueBooks
from qgtm_resources.venue.errors import VenueError, bad_parameter, not_found
from qgtm_resources.venue.market import Market
from qgtm_resources.venue.request import day, decimal, moment, order_request
from qgtm_resources.venue.rows import OPEN
from qgtm_resources.venue.tables import accounts, create_schema, orders

Row = dict[str, Any]
MAX_ORDERS, DEFAULT_ORDERS = 500, 50  # Alpaca's page sizes
MAX_ACTIVITIES = 100


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated request."""

    account: str
    query: Mapping[str, str] = field(default_factory=dict)
    path: Mapping[str, str] = field(default_factory=dict)
    body: Row = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer and the stream frames that go with it."""

    body: Any
    status: int = 200
    events: list[Row] = field(default_factory=list)


class Api:
    """Every call of the venue over its books and its market. Blocking; run it off the event loop."""

    def __init__(self, open_feed: Callable[[], Feed], engine: sa.Engine, terms: Terms | None = None) -> None:
        create_schema(engine)
        self.market = Market(open_feed)
        self.books = VenueBooks(engine, self.market.row, terms)

    def recover(self) -> None:
        """Work the orders that an earlier venue accepted but did not live to fill."""
        query = sa.select(accounts.c.account).join(orders).where(orders.c.status.in_(OPEN)).distinct()
        with self.books.engine.begin() as connection:
            waiting = connection.execute(query).scalars().all()
        for account in waiting:
            self.books.work_open(account)

    # the venue's own calls

    def move_session(self, call: Call) -> Reply:
        """`POST /venue/session`: move the account's clock, creating the account with `cash_usd` when it is new."""
        cash = call.body.get("cash_usd")
        session = day(call.body.get("session"), "session")
        start = None if cash is None else decimal(cash, "cash_usd")
        events = self.books.move_session(call.account, session, start)
        return Reply({"account": call.account, "session": session.isoformat()}, events=events)

    def work_open(self, call: Call) -> Reply:
        """Fill what is open; used after an order is accepted and when a hold is lifted."""
        return Reply(None, events=self.books.work_open(call.account))

    # orders

    def accept(self, call: Call) -> Reply:
        """`POST /v2/orders`, up to acceptance."""
        row, events = self.books.accept(call.account, order_request(call.body))
        return Reply(wire.order(row), events=events)

    def reject(self, call: Call) -> Reply:
        """End the order as the exchange's rejection (a fault)."""
        return Reply(None, events=self.books.reject(call.account, call.path["order_id"], "rejected by the exchange"))

    def orders(self, call: Call) -> Reply:
        """`GET /v2/orders`."""
        query = call.query
        wanted = query.get("status", "open")
        conditions: list[sa.ColumnElement[bool]] = []
        if wanted == "open":
            conditions.append(orders.c.status.in_(OPEN))
        elif wanted == "closed":
            conditions.append(orders.c.status.not_in(OPEN))
        elif wanted != "all":
            raise bad_parameter("status must be open, closed or all")
        if "after" in query:
            conditions.append(orders.c.submitted_at > moment(query["after"], "after"))
        if "until" in query:
            conditions.append(orders.c.submitted_at < moment(query["until"], "until"))
        if query.get("symbols"):
            conditions.append(orders.c.symbol.in_(query["symbols"].split(",")))
        if query.get("side"):
            conditions.append(orders.c.side == query["side"])
        limit = _size(query.get("limit"), DEFAULT_ORDERS, MAX_ORDERS, "limit")
        newest_first = query.get("direction", "desc") != "asc"
        rows = self.books.orders(call.account, *conditions, newest_first=newest_first, limit=limit)
        return Reply([wire.order(row) for row in rows])

    def order(self, call: Call) -> Reply:
        """`GET /v2/orders/{id}`."""
        return Reply(wire.order(self.books.order_by(call.account, order_id=call.path["order_id"])))

    def order_by_client_id(self, call: Call) -> Reply:
        """`GET /v2/orders:by_client_order_id`."""
        return Reply(
            wire.order(self.books.order_by(call.account, client_order_id=call.query.get("client_order_id", "")))
        )

    def cancel(self, call: Call) -> Reply:
        """`DELETE /v2/orders/{id}`."""
        return Reply(None, 204, self.books.cancel(call.account, call.path["order_id"]))

    def cancel_all(self, call: Call) -> Reply:
        """`DELETE /v2/orders`: one status an order."""
        results, events = [], []
        for row in self.books.orders(call.account, orders.c.status.in_(OPEN), newest_first=False, limit=MAX_ORDERS):
            try:
                events += self.books.cancel(call.account, row["id"])
                results.append({"id": row["id"], "status": 200})
            except VenueError as refused:
                results.append({"id": row["id"], "status": refused.status})
        return Reply(results, 207, events)

    # positions and account

    def positions(self, call: Call) -> Reply:
        """`GET /v2/positions`."""
        return Reply([wire.position(row, price) for row, price in self.books.positions(call.account)])

    def position(self, call: Call) -> Reply:
        """`GET /v2/positions/{symbol}`."""
        for row, price in self.books.positions(call.account):
            if row["symbol"] == call.path["symbol"]:
                return Reply(wire.position(row, price))
        raise not_found("position does not exist")

    def close_position(self, call: Call) -> Reply:
        """`DELETE /v2/positions/{symbol}`: a market order for `qty` shares or all of it."""
        for row, _ in self.books.positions(call.account):
            if row["symbol"] == call.path["symbol"]:
                asked = call.query.get("qty")
                quantity = abs(row["qty"]) if asked is None else decimal(asked, "qty")
                return self._close(call.account, row, quantity)
        raise not_found("position does not exist")

    def close_all(self, call: Call) -> Reply:
        """`DELETE /v2/positions`: one result a position; items may fail one by one."""
        results: list[Row] = []
        events: list[Row] = []
        if call.query.get("cancel_orders", "").lower() == "true":
            events += self.cancel_all(call).events
        for row, _ in self.books.positions(call.account):
            try:
                reply = self._close(call.account, row, abs(row["qty"]))
                results.append({"symbol": row["symbol"], "status": 200, "body": reply.body})
                events += reply.events
            except VenueError as refused:
                results.append({"symbol": row["symbol"], "status": refused.status, "body": refused.body})
        return Reply(results, 207, events)

    def _close(self, account: str, position: Row, quantity: Decimal) -> Reply:
        if quantity > abs(position["qty"]):
            raise bad_parameter("qty is larger than the position")
        body = {"symbol": position["symbol"], "qty": str(quantity), "type": "market", "time_in_force": "day"}
        body["side"] = "sell" if position["qty"] > 0 else "buy"
        row, events = self.books.accept(account, order_request(body))
        return Reply(wire.order(row), events=events + self.books.work_open(account))

    def account(self, call: Call) -> Reply:
        """`GET /v2/account`."""
        return Reply(self.books.account(call.account))

    def fills(self, call: Call) -> Reply:
        """`GET /v2/account/activities/FILL`: `after` and `until` inclusive, paged by the last id seen."""
        query = call.query
        rows = self.books.fills(call.account)
        if "after" in query:
            after = moment(query["after"], "after")
            rows = [row for row in rows if row["executed_at"] >= after]
        if "until" in query:
            until = moment(query["until"], "until")
            rows = [row for row in rows if row["executed_at"] <= until]
        if query.get("direction", "desc") != "asc":
            rows.reverse()
        found = [wire.activity(row) for row in rows]
        if query.get("page_token"):
            seen = [a["id"] for a in found]
            if query["page_token"] not in seen:
                raise bad_parameter("page_token is not the id of an activity")
            found = found[seen.index(query["page_token"]) + 1 :]
        return Reply(found[: _size(query.get("page_size"), MAX_ACTIVITIES, MAX_ACTIVITIES, "page_size")])

    # clock, calendar, assets, quotes

    def clock(self, call: Call) -> Reply:
        """`GET /v2/clock`."""
        return Reply(wire.clock(self.books.session_of(call.account)))

    def calendar(self, call: Call) -> Reply:
        """`GET /v2/calendar`; without dates, a month around the account's session."""
        query = call.query
        first = day(query["start"], "start") if "start" in query else None
        last = day(query["end"], "end") if "end" in query else None
        if first is None or last is None:
            here = self.books.session_of(call.account)
            month = dt.timedelta(days=31)
            first, last = first or here - month, last or here + month
        return Reply(wire.calendar_rows(first, last))

    def asset(self, call: Call) -> Reply:
        """`GET /v2/assets/{symbol}`."""
        if call.path["symbol"] not in INSTRUMENTS:
            raise not_found(f"asset not found for {call.path['symbol']}")
        return Reply(wire.asset(call.path["symbol"]))

    def quotes(self, call: Call) -> Reply:
        """`GET /v2/stocks/quotes/latest`: quotes of the account's session, for TCA and never for a decision."""
        session = self.books.session_of(call.account)
        rows, found = self.market.session(session), {}
        at = calendar.decision_time(session)
        for symbol in call.query.get("symbols", "").split(","):
            quote = quote_from(rows.get(symbol), at)
            if quote is not None:
                sides = {"bp": round(quote.bid, 6), "bs": 1, "ap": round(quote.ask, 6), "as": 1}
                found[symbol] = {"t": wire.instant(at), "bx": "V", "ax": "V", "c": ["R"], "z": "B", **sides}
        return Reply({"quotes": found})


def _size(given: str | None, default: int, most: int, name: str) -> int:
    if given is None:
        return default
    if not given.isdigit() or not 1 <= int(given) <= most:
        raise bad_parameter(f"{name} must be between 1 and {most}")
    return int(given)
