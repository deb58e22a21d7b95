"""Prices for the paper venue: the active feed's market rows, one session at a time, kept in memory."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable

from qgtm_core.backtest.fills import MarketRow, market_rows
from qgtm_core.ports import Feed
from qgtm_core.types import FeedMode
from qgtm_core.universe import INSTRUMENTS

SESSIONS_KEPT = 8  # accounts of one venue are rarely more than a session apart


class Market:
    """Market rows by session and symbol, read from the feed once a session. Safe from several threads."""

    def __init__(self, open_feed: Callable[[], Feed]) -> None:
        self._open_feed = open_feed
        self._feed: Feed | None = None
        self._rows: dict[dt.date, dict[str, MarketRow]] = {}
        self._lock = threading.Lock()

    def row(self, session: dt.date, symbol: str) -> MarketRow | None:
        """What happened to the symbol in the session; None when it did not trade."""
        return self.session(session).get(symbol)

    def session(self, session: dt.date) -> dict[str, MarketRow]:
        """Every known symbol's row of the session."""
        with self._lock:
            rows = self._rows.get(session)
            if rows is None:
                self._feed = self._feed or self._open_feed()
                rows = market_rows(self._feed.market(session, tuple(INSTRUMENTS)))
                while len(self._rows) >= SESSIONS_KEPT:
                    del self._rows[next(iter(self._rows))]
                # A live session has no rows before it trades: do not remember their absence.
                if rows or self._feed.mode is not FeedMode.LIVE:
                    self._rows[session] = rows
            return rows
