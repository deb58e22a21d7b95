"""The paper venue's accounts: accept, fill, cancel, expire. Each public method is one or two transactions.

An order is accepted in one transaction and worked in the next, as at a real broker; a venue that dies in between
works it when it is next asked about the account.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

import sqlalchemy as sa

from qgtm_core import calendar
from qgtm_core.backtest.fills import FillModel, MarketRow, usable, work
from qgtm_core.backtest.simbroker import AccountRules, refusal
from qgtm_core.types import OrderState, Side
from qgtm_resources.venue import rows, wire
from qgtm_resources.venue.errors import bad_parameter, duplicate_client_id, forbidden
from qgtm_resources.venue.request import OrderRequest
from qgtm_resources.venue.rows import OPEN, Row
from qgtm_resources.venue.tables import accounts, executions, orders, positions

Events = list[Row]
Connection = sa.Connection
ZERO = Decimal(0)
STATUS = {OrderState.FILLED: "filled", OrderState.CANCELLED: "canceled"}


@dataclass(frozen=True, slots=True)
class Terms:
    """What every account of the venue gets: starting cash in USD, margin rules and the fill model."""

    starting_cash_usd: Decimal = Decimal(1_000_000)
    rules: AccountRules = field(default_factory=AccountRules)
    model: FillModel = field(default_factory=FillModel)


class VenueBooks:
    """All accounts of one venue."""

    def __init__(
        self, engine: sa.Engine, price: Callable[[dt.date, str], MarketRow | None], terms: Terms | None = None
    ) -> None:
        self.engine = engine
        self.price = price
        self.terms = terms or Terms()

    # accounts and sessions

    def open_account(self, account: str, cash_usd: Decimal | None = None) -> Row:
        """The account, created with its starting cash when it does not exist yet."""
        cash = self.terms.starting_cash_usd if cash_usd is None else cash_usd
        with self.engine.begin() as connection:
            return rows.locked(connection, account, cash)

    def move_session(self, account: str, session: dt.date, cash_usd: Decimal | None = None) -> Events:
        """Move the account's clock; DAY orders still open at the old session's close expire. Never backwards."""
        if not calendar.is_session(session):
            raise bad_parameter(f"{session} is not a trading session")
        self.open_account(account, cash_usd)
        with self.engine.begin() as connection:
            row = rows.locked(connection, account, self.terms.starting_cash_usd)
            before: dt.date | None = row["session"]
            if before is not None and session < before:
                raise bad_parameter(f"account {account} is at {before} and cannot go back to {session}")
            if before == session:
                return []
            events = [] if before is None else self._end_session(connection, row, before)
            connection.execute(accounts.update().where(accounts.c.account == account).values(session=session))
            return events

    def _end_session(self, connection: Connection, account: Row, session: dt.date) -> Events:
        name, close = account["account"], calendar.close_at(session)
        events = [self._finish(connection, row, "expired", close) for row in rows.open_orders(connection, name)]
        equity: Decimal = account["cash_usd"]
        for row in rows.held(connection, name):
            market = self.price(session, row["symbol"])
            last = usable(market.close) if market is not None else None
            price = row["last_price"] if last is None else Decimal(repr(last))
            equity += row["qty"] * price
            connection.execute(
                positions.update()
                .where(positions.c.account == name, positions.c.symbol == row["symbol"])
                .values(last_price=price)
            )
        connection.execute(accounts.update().where(accounts.c.account == name).values(previous_equity_usd=equity))
        return events

    def account(self, account: str) -> Row:
        """The account as Alpaca shows it, marked in its present session."""
        with self.engine.begin() as connection:
            row = rows.locked(connection, account, self.terms.starting_cash_usd)
            held = [(p, self._mark(row["session"], p)) for p in rows.held(connection, account)]
        rules = self.terms.rules
        return wire.account(row, held, Decimal(str(rules.leverage)), rules.allow_short)

    def session_of(self, account: str) -> dt.date:
        """The session the account stands in."""
        session: dt.date | None = self.open_account(account)["session"]
        if session is None:
            raise bad_parameter(f"account {account} has no session yet: POST /venue/session first")
        return session

    # orders

    def accept(self, account: str, request: OrderRequest) -> tuple[Row, Events]:
        """Accept one order into the books, or refuse it without a trace as Alpaca does."""
        with self.engine.begin() as connection:
            row = rows.locked(connection, account, self.terms.starting_cash_usd)
            session: dt.date | None = row["session"]
            if session is None:
                raise bad_parameter(f"account {account} has no session yet: POST /venue/session first")
            known = sa.select(orders.c.id).where(
                orders.c.account == account, orders.c.client_order_id == request.client_order_id
            )
            if connection.execute(known).first() is not None:
                raise duplicate_client_id()
            order = self._new_order(row, session, request)
            self._require_allowed(connection, row, order)
            connection.execute(orders.insert().values(**order))
            connection.execute(
                accounts.update().where(accounts.c.account == account).values(orders_seen=accounts.c.orders_seen + 1)
            )
        return order, [wire.event("new", order, order["submitted_at"])]

    def _new_order(self, account: Row, session: dt.date, request: OrderRequest) -> Row:
        seq = int(account["orders_seen"]) + 1
        at = calendar.decision_time(session) + dt.timedelta(microseconds=seq)
        name = f"{account['account']}/{request.client_order_id}"
        return {
            "id": str(uuid.uuid5(wire.ID_SPACE, name)),
            "seq": seq,
            "account": account["account"],
            "client_order_id": request.client_order_id,
            "session": session,
            "symbol": request.symbol,
            "side": request.side.value,
            "type": request.type.value,
            "qty": request.qty,
            "limit_price": request.limit_price,
            "status": "accepted",
            "reason": None,
            "filled_qty": ZERO,
            "filled_avg_price": None,
            "submitted_at": at,
            "updated_at": at,
        }

    def _require_allowed(self, connection: Connection, account: Row, order: Row) -> None:
        held = rows.held(connection, account["account"])
        reason = refusal(
            rows.intent_of(order),
            self.price(order["session"], order["symbol"]),
            cash_usd=account["cash_usd"],
            positions={p["symbol"]: p["qty"] for p in held},
            marks={p["symbol"]: float(self._mark(order["session"], p)) for p in held},
            rules=self.terms.rules,
        )
        if reason is not None:
            raise forbidden(reason, symbol=order["symbol"])

    def work_open(self, account: str) -> Events:
        """Fill every open order of the account through the fill model."""
        with self.engine.begin() as connection:
            rows.locked(connection, account, self.terms.starting_cash_usd)
            return [event for order in rows.open_orders(connection, account) for event in self._fill(connection, order)]

    def _fill(self, connection: Connection, order: Row) -> Events:
        result = work(rows.intent_of(order), self.price(order["session"], order["symbol"]), self.terms.model)
        events: Events = []
        value = ZERO
        for execution in result.executions:
            order["filled_qty"] += execution.quantity_shares
            value += execution.quantity_shares * execution.price
            done = order["filled_qty"] == order["qty"]
            order |= {
                "status": "filled" if done else "partially_filled",
                "filled_avg_price": value / order["filled_qty"],
                "updated_at": execution.executed_at,
            }
            booked = {
                "account": order["account"],
                "execution_id": execution.execution_id,
                "order_id": order["id"],
                "symbol": order["symbol"],
                "side": order["side"],
                "qty": execution.quantity_shares,
                "price": execution.price,
                "cum_qty": order["filled_qty"],
                "position_qty": self._book(connection, order, execution.quantity_shares, execution.price),
                "executed_at": execution.executed_at,
            }
            connection.execute(executions.insert().values(**booked))
            events.append(wire.event("fill" if done else "partial_fill", order, execution.executed_at, booked))
        if result.state is OrderState.FILLED:
            rows.save(connection, order)
        else:
            order["reason"] = result.reason
            close = calendar.close_at(order["session"])
            events.append(self._finish(connection, order, STATUS[result.state], close))
        return events

    def _book(self, connection: Connection, order: Row, quantity: Decimal, price: Decimal) -> Decimal:
        """Move cash and position for one execution; returns the signed position after it."""
        name, symbol = order["account"], order["symbol"]
        signed = Side(order["side"]).sign * quantity
        connection.execute(
            accounts.update().where(accounts.c.account == name).values(cash_usd=accounts.c.cash_usd - signed * price)
        )
        here = sa.and_(positions.c.account == name, positions.c.symbol == symbol)
        held = connection.execute(sa.select(positions).where(here)).mappings().first()
        old: Decimal = held["qty"] if held is not None else ZERO
        new = old + signed
        connection.execute(positions.delete().where(here))
        if new:
            entry = _entry_price(old, held["avg_entry_price"] if held is not None else ZERO, signed, price)
            connection.execute(
                positions.insert().values(account=name, symbol=symbol, qty=new, avg_entry_price=entry, last_price=price)
            )
        return new

    def _finish(self, connection: Connection, order: Row, status: str, at: dt.datetime) -> Row:
        order |= {"status": status, "updated_at": at}
        rows.save(connection, order)
        return wire.event(status, order, at)

    def reject(self, account: str, order_id: str, reason: str) -> Events:
        """End an accepted order as the exchange's rejection."""
        with self.engine.begin() as connection:
            rows.locked(connection, account, self.terms.starting_cash_usd)
            order = rows.find_order(connection, account, orders.c.id == order_id)
            order["reason"] = reason
            return [self._finish(connection, order, "rejected", order["submitted_at"])]

    def cancel(self, account: str, order_id: str) -> Events:
        """Cancel one open order."""
        with self.engine.begin() as connection:
            rows.locked(connection, account, self.terms.starting_cash_usd)
            order = rows.find_order(connection, account, orders.c.id == order_id)
            if order["status"] not in OPEN:
                raise bad_parameter(f'order is already in "{order["status"]}" state')
            order["reason"] = "cancelled on request"
            return [self._finish(connection, order, "canceled", order["submitted_at"])]

    # reads

    def order_by(self, account: str, *, order_id: str | None = None, client_order_id: str | None = None) -> Row:
        """One order by either id."""
        which = orders.c.id == order_id if order_id is not None else orders.c.client_order_id == client_order_id
        with self.engine.begin() as connection:
            return rows.find_order(connection, account, which)

    def orders(self, account: str, *conditions: sa.ColumnElement[bool], newest_first: bool, limit: int) -> list[Row]:
        """Orders that meet the conditions."""
        direction = orders.c.seq.desc() if newest_first else orders.c.seq
        query = sa.select(orders).where(orders.c.account == account, *conditions).order_by(direction).limit(limit)
        with self.engine.begin() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def fills(self, account: str) -> list[Row]:
        """Every execution of the account with its order's quantity, oldest first."""
        query = (
            sa.select(executions, orders.c.qty.label("order_qty"))
            .join(orders, orders.c.id == executions.c.order_id)
            .where(executions.c.account == account)
            .order_by(executions.c.executed_at, executions.c.seq)
        )
        with self.engine.begin() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def positions(self, account: str) -> list[tuple[Row, Decimal]]:
        """Open positions with the price each is marked at."""
        session: dt.date | None = self.open_account(account)["session"]
        with self.engine.begin() as connection:
            return [(row, self._mark(session, row)) for row in rows.held(connection, account)]

    def _mark(self, session: dt.date | None, position: Row) -> Decimal:
        """The session's mid, or the last price seen when the symbol did not trade."""
        market = self.price(session, position["symbol"]) if session is not None else None
        mid = usable(market.mid) if market is not None else None
        last: Decimal = position["last_price"]
        return last if mid is None else Decimal(repr(mid))


def _entry_price(old: Decimal, entry: Decimal, signed: Decimal, price: Decimal) -> Decimal:
    """Average entry price after an execution: weighted when adding, kept when reducing, new after a flip."""
    new = old + signed
    if old * signed > 0:
        return (old * entry + signed * price) / new
    return entry if old * new > 0 else price
