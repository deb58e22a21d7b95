"""From stored tables to the view of one decision and the opened book, for the trading assets; decides nothing."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace

import polars as pl

from qgtm_core import calendar
from qgtm_core.engine import Opened, open_session
from qgtm_core.strategies.registry import DAILY
from qgtm_core.strategies.spec import Strategy
from qgtm_core.types import Gate, StrategyStatus
from qgtm_core.view import MarketPanel, SessionView, build_panel
from qgtm_resources.clients.ledger import PostgresLedger
from qgtm_resources.resources import DeskResource, WarehouseResource

TRADING: tuple[Strategy, ...] = tuple(s for s in DAILY.values() if s.status is StrategyStatus.PAPER)
CLUSTERS: tuple[str, ...] = tuple(s.category for s in TRADING)


def panel(warehouse: WarehouseResource, desk: DeskResource, first: dt.date, last: dt.date) -> MarketPanel:
    """Views of sessions first..last from the stored features, signals and decision quotes."""
    lookback = desk.policy.portfolio.correlation_sessions - 1  # the session's own row is the last of them
    since = calendar.offset_session(first, -lookback - 1)
    return build_panel(
        warehouse.read("features", "prices", since, last),
        warehouse.read_many("signals", [s.id for s in TRADING], first, last),
        warehouse.read("raw", "decision_quotes", first, last),
        calendar.schedule(first, last).select("session", "decided_at"),
        lookback,
    )


@dataclass(frozen=True, slots=True)
class Desk:
    """One book at one decision."""

    view: SessionView
    opened: Opened


def open_desk(warehouse: WarehouseResource, desk: DeskResource, ledger: PostgresLedger, session: dt.date) -> Desk:
    """Open the book for the session, once: the first opening is recorded, a later one starts from that record.

    The gate is asked anew each time.
    """
    view = next(panel(warehouse, desk, session, session).views())
    ledger.open_book(desk.book, desk.cash_usd, desk.feed_label)
    known = ledger.opening_state(desk.book, session)
    state = known or ledger.book_state(desk.book)
    opened = open_session(state, view, desk.policy)
    if opened.state.latched > state.latched:
        # before the opening is recorded: a crash in between must not forget the tier
        gate = opened.gate
        ledger.raise_tier(desk.book, gate.tier, gate.reason, session, view.decided_at, actor="kill switch")
    if known is None:
        ledger.record_opening(session, opened.state)
    return Desk(view, replace(opened, gate=_stricter(ledger.gate(desk.book), opened.gate)))


def _stricter(latched: Gate, decided: Gate) -> Gate:
    """The stricter of the ledger's gate and the decision's: someone may have raised the tier since."""
    return latched if latched.tier > decided.tier else decided


def signals_of(warehouse: WarehouseResource, session: dt.date) -> pl.DataFrame:
    """All signals of one session, dead strategies included, by strategy and symbol."""
    frames = warehouse.read_many("signals", list(DAILY), session, session)
    return pl.concat(frames.values()).sort("strategy_id", "symbol")
