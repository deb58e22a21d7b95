"""One reconciliation tick: ask both sides, compare, write down. It never corrects anything."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from decimal import Decimal

from qgtm_core import calendar
from qgtm_core.execution.reconcile import ReconciliationReport, reconcile
from qgtm_core.ports import Broker
from qgtm_resources.clients.hotstate import HotState
from qgtm_resources.clients.ledger import PostgresLedger


def reconcile_once(
    broker: Broker, ledger: PostgresLedger, book: str, now: dt.datetime, hotstate: HotState | None = None
) -> ReconciliationReport:
    """Compare positions, orders and cash of the broker with the book, record the report and beat the heart.

    Raises TransientError when a side does not answer; the caller reports it and the next tick tries again.
    """
    positions, account, open_orders = broker.positions(), broker.account(), broker.open_orders()
    state = ledger.book_state(book)
    sessions = _sessions(state.session, now)
    filled: dict[str, Decimal] = defaultdict(Decimal)
    for fill in (fill for session in sessions for fill in ledger.executions(book, session)):
        filled[fill.client_order_id] += fill.quantity_shares
    report = reconcile(
        state.positions,
        positions,
        [order for session in sessions for order in ledger.orders(book, session)],
        open_orders,
        state.cash_usd,
        account.cash_usd,
        now,
        ledger.open_breaks(book),
        ledger_filled=filled,
    )
    identity = ledger.record_reconciliation(book, report)
    ledger.heartbeat("reconciliation", now, {"book": book, "id": identity, "ok": report.ok})
    if hotstate is not None:
        hotstate.set_reconciliation(book, now, {"id": identity, "ok": report.ok})
        hotstate.heartbeat("reconciliation", now)
    return report


def _sessions(opened: dt.date | None, now: dt.datetime) -> list[dt.date | None]:
    """The newest session the book was opened for, and today's: the intraday sleeve trades before it is opened."""
    today = calendar.session_at(now)
    return [opened, today] if opened is not None and today is not None and today > opened else [opened]
