"""A real paper venue on a real port for tests, over a feed with prices that can be checked by hand."""

from __future__ import annotations

import datetime as dt
import socket
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import httpx
import polars as pl
import uvicorn
from sqlalchemy import create_engine

from qgtm_core import calendar
from qgtm_core.types import Algo, FeedMode, OrderIntent, OrderType, Side
from qgtm_resources.clients.alpaca import AlpacaBroker
from qgtm_resources.embedded import create_database
from qgtm_resources.services import Services
from qgtm_resources.venue.app import create_app
from qgtm_resources.venue.control import VenueControl, wait_until_up

SESSION = dt.date(2026, 11, 19)
NEXT = dt.date(2026, 11, 20)
SECRET = "venue-secret"
CASH = Decimal(1_000_000)
PRICES = {"GLD": 100.0, "SLV": 25.0, "GDX": 40.0, "IAU": 50.0, "NEM": 60.0, "AEM": 80.0}
VOLUME = 1_000_000.0


@dataclass
class FixedFeed:
    """The same market in every session: 1 bp half-spread, a million shares, 1 % volatility."""

    mode: FeedMode = FeedMode.SIMULATED
    absent: set[str] = field(default_factory=set)

    def last_session(self) -> dt.date:
        return NEXT

    def rows(self, table: str, first: dt.date, last: dt.date) -> pl.DataFrame:
        raise AssertionError("the venue reads prices only")

    def market(self, session: dt.date, symbols: Iterable[str]) -> pl.DataFrame:
        traded = [s for s in symbols if s in PRICES and s not in self.absent]
        mids = [PRICES[s] for s in traded]
        same = dict.fromkeys(("volume_shares", "adv_shares"), VOLUME)
        return pl.DataFrame({"symbol": traded, "mid": mids, "vwap": mids, "close": mids}).with_columns(
            half_spread_bp=pl.lit(1.0),
            daily_vol=pl.lit(0.01),
            **{name: pl.lit(value) for name, value in same.items()},
        )


@dataclass
class RunningVenue:
    """A venue and ways to talk to it."""

    url: str

    def account(self, session: dt.date = SESSION, cash: Decimal = CASH) -> Account:
        """A new account that stands in a session."""
        name = f"book-{uuid.uuid4().hex[:10]}"
        control = VenueControl(self.url, name, SECRET)
        control.move_session(session, cash)
        return Account(self.url, name, control)


@dataclass
class Account:
    """One account of a running venue, over raw HTTP."""

    url: str
    name: str
    control: VenueControl

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"APCA-API-KEY-ID": self.name, "APCA-API-SECRET-KEY": SECRET}
        return httpx.request(method, self.url + path, headers=headers, timeout=10.0, trust_env=False, **options)

    def get(self, path: str, **params: Any) -> Any:
        reply = self.call("GET", path, params=params)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def order(self, symbol: str = "GLD", qty: Any = "10", side: str = "buy", **more: Any) -> httpx.Response:
        body = {"symbol": symbol, "qty": qty, "side": side, "type": "market", "time_in_force": "day", **more}
        return self.call("POST", "/v2/orders", json=body)

    @contextmanager
    def broker(self, timeout_s: float = 5.0) -> Iterator[AlpacaBroker]:
        broker = AlpacaBroker(self.name, SECRET, self.url, timeout_s=timeout_s, sleep=lambda seconds: None)
        try:
            yield broker
        finally:
            broker.close()

    def intent(
        self,
        symbol: str = "GLD",
        shares: int = 10,
        *,
        attempt: str = "1",
        limit: str | None = None,
        session: dt.date = SESSION,
    ) -> OrderIntent:
        side = Side.BUY if shares > 0 else Side.SELL
        return OrderIntent(
            client_order_id=f"q1-{session:%Y%m%d}-{self.name}-{symbol}-{side}-{attempt}",
            session=session,
            book=self.name,
            symbol=symbol,
            side=side,
            quantity_shares=Decimal(abs(shares)),
            order_type=OrderType.MARKET if limit is None else OrderType.LIMIT,
            limit_price=None if limit is None else Decimal(limit),
            decision_mid=Decimal(str(PRICES.get(symbol, 1.0))),
            algo=Algo.SINGLE,
            correlation_id="sig-1",
            decided_at=calendar.decision_time(session),
        )


def own_database(services: Services) -> str:
    """Address of an empty database; the server throws it away when it stops."""
    name = f"venue_{uuid.uuid4().hex}"
    create_database(services.postgres_url, name)
    return services.postgres_url.rsplit("/", 1)[0] + f"/{name}"


@contextmanager
def running_venue(postgres_url: str, feed: FixedFeed | None = None) -> Iterator[RunningVenue]:
    """Serve a venue from a thread until the block ends."""
    engine = create_engine(postgres_url, pool_size=4, max_overflow=12)
    app = create_app(feed or FixedFeed(), engine, SECRET)
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="warning", ws="websockets-sansio", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        assert wait_until_up(url)
        yield RunningVenue(url)
    finally:
        server.should_exit = True
        server.force_exit = True
        thread.join(10)
        listener.close()
        engine.dispose()


def eventually(condition: Any, timeout_s: float = 5.0) -> bool:
    """True as soon as the condition holds."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.01)
    return bool(condition())
