"""The Broker port over Alpaca's Trading API: Alpaca itself or the paper venue. No Dagster, no ledger."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests

from qgtm_core.errors import ConfigError, DataError, InvariantError, TransientError, UnknownOutcome
from qgtm_core.types import BrokerAccount, BrokerOrder, BrokerPosition, Execution, OrderIntent, Quote
from qgtm_resources.clients import alpaca_wire as wire

if TYPE_CHECKING:
    from qgtm_resources.clients.alpaca_client import APIError, TimedClient

PAPER_URL = "https://paper-api.alpaca.markets"
LIVE_HOST = "api.alpaca.markets"
DATA_URL = "https://data.alpaca.markets"
ALPACA_DOMAIN = "alpaca.markets"
TIMEOUT_S = 5.0
ATTEMPTS = 3  # of a read
FIRST_PAUSE_S = 0.25
MAX_PAUSE_S = 5.0
PAGE = 100  # activities a page
OPEN_LIMIT = 500  # orders a page


class AlpacaBroker:
    """One Alpaca (or paper venue) account.

    The client order id is the intent's own id, so a retry, a second run or a crash between send and reply finds the
    first order instead of making another. `submit` sends once and never decides on a lost reply: it raises
    UnknownOutcome, and the caller looks the id up. Reads are retried here; they change nothing.
    """

    def __init__(
        self,
        key: str,
        secret: str,
        url: str = PAPER_URL,
        *,
        live: bool = False,
        data_url: str | None = None,
        timeout_s: float = TIMEOUT_S,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        host = urlsplit(url).hostname or ""
        if host == LIVE_HOST and not live:
            raise ConfigError(f"{url} trades real money: live trading must be enabled explicitly")
        if live and host != LIVE_HOST:
            raise ConfigError(f"live trading is enabled, but {url} is not the live broker")
        from qgtm_resources.clients.alpaca_client import TimedClient

        self._alpaca = host.endswith(ALPACA_DOMAIN)
        self._data_url = data_url or (DATA_URL if self._alpaca else url)
        self._client: TimedClient = TimedClient(key, secret, url, paper=not live, timeout_s=timeout_s)
        self._sleep = sleep
        self._client_ids: dict[str, str] = {}  # broker's order id to ours

    def close(self) -> None:
        """Close connections."""
        self._client.close()

    def submit(self, intent: OrderIntent) -> BrokerOrder:
        """Send once. A known client id returns the first order; a refusal returns a REJECTED order with its reason."""
        from qgtm_resources.clients.alpaca_client import APIError

        try:
            return self._seen(self._client.post("/orders", wire.order_body(intent)))
        except APIError as error:
            return self._refused(intent, error)
        except (requests.RequestException, wire.UnreadableReplyError) as lost:
            raise UnknownOutcome(f"order {intent.client_order_id}: {_brief(lost)}") from lost

    def _refused(self, intent: OrderIntent, error: APIError) -> BrokerOrder:
        status, message = int(error.status_code or 0), _message(error)
        what = f"order {intent.client_order_id}: HTTP {status} {message}"
        if status == 401:
            raise ConfigError(f"{what}; the keys do not belong to this environment") from error
        if status == 429:
            raise TransientError(f"{what}; not accepted, send again later") from error
        if status >= 500 or status in (0, 408):
            raise UnknownOutcome(what) from error
        if "client_order_id must be unique" in message:  # the code is generic, the message is not
            return self._adopt(intent)
        return wire.rejected(intent, message)

    def _adopt(self, intent: OrderIntent) -> BrokerOrder:
        """The order that already has our id; it must be the very same order."""
        found = self.order(intent.client_order_id)
        if found is None:
            raise UnknownOutcome(f"order {intent.client_order_id} is taken, but the look-up does not find it")
        ours = (intent.symbol, intent.side, intent.quantity_shares)
        if (found.symbol, found.side, found.quantity_shares) != ours:
            raise InvariantError(f"client id {intent.client_order_id} belongs to another order at the broker: {found}")
        return found

    def order(self, client_order_id: str) -> BrokerOrder | None:
        """The order with this client id, or None when the broker has never seen it."""
        row = self._read("/orders:by_client_order_id", {"client_order_id": client_order_id}, absent=True)
        return None if row is None else self._seen(row)

    def open_orders(self) -> list[BrokerOrder]:
        """Orders that can still execute."""
        return [self._seen(row) for row in self._read("/orders", {"status": "open", "limit": OPEN_LIMIT})]

    def cancel(self, client_order_id: str) -> None:
        """Ask for cancellation of an order that can still execute; a final or unknown order is left as it is."""
        found = self.order(client_order_id)
        if found is None or found.state.final:
            return
        from qgtm_resources.clients.alpaca_client import APIError

        try:
            self._client.cancel_order_by_id(found.broker_order_id)
        except APIError as error:
            if error.status_code not in (404, 422):  # it ended in between
                raise TransientError(f"cancel {client_order_id}: {_message(error)}") from error
        except requests.RequestException as lost:
            raise TransientError(f"cancel {client_order_id}: {_brief(lost)}") from lost

    def executions(self, after: dt.datetime | None = None) -> list[Execution]:
        """Fills since `after` (inclusive), oldest first."""
        params: dict[str, Any] = {"direction": "asc", "page_size": PAGE}
        if after is not None:
            # The API's own bound may be exclusive and to the millisecond: ask for a little more, then filter.
            params["after"] = (after - dt.timedelta(milliseconds=1)).astimezone(dt.UTC).isoformat()
        found: list[Execution] = []
        while True:
            rows = self._read("/account/activities/FILL", params)
            found += [wire.execution(row, self._client_id(row["order_id"])) for row in rows]
            if len(rows) < PAGE:
                break
            params["page_token"] = rows[-1]["id"]
        return [e for e in found if after is None or e.executed_at >= after]

    def positions(self) -> list[BrokerPosition]:
        """Open positions."""
        return [wire.position(row) for row in self._read("/positions")]

    def account(self) -> BrokerAccount:
        """Cash and equity."""
        return wire.account(self._read("/account"))

    def quotes(self, symbols: Iterable[str]) -> dict[str, Quote]:
        """Latest top of book; the venue's come from the session's prices (basis `close`) and are for TCA only."""
        params = {"symbols": ",".join(symbols)}
        if not params["symbols"]:
            return {}
        if self._alpaca:
            params["feed"] = "iex"  # the free plan's real-time feed
        rows = self._read("/stocks/quotes/latest", params, base_url=self._data_url)["quotes"]
        basis = "quote" if self._alpaca else "close"
        quotes = (wire.quote(symbol, row, basis) for symbol, row in rows.items())
        return {quote.symbol: quote for quote in quotes if quote is not None}

    def _seen(self, row: Any) -> BrokerOrder:
        order = wire.order(row)
        self._client_ids[order.broker_order_id] = order.client_order_id
        return order

    def _client_id(self, order_id: str) -> str:
        if order_id not in self._client_ids:
            self._seen(self._read(f"/orders/{order_id}"))
        return self._client_ids[order_id]

    def _read(
        self, path: str, params: dict[str, Any] | None = None, *, absent: bool = False, base_url: str | None = None
    ) -> Any:
        """GET with up to three attempts; None for a 404 when `absent` allows it."""
        from qgtm_resources.clients.alpaca_client import APIError

        pause_s, problem = FIRST_PAUSE_S, ""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._client.read(path, params, base_url)
            except APIError as error:
                status = int(error.status_code or 0)
                problem = f"HTTP {status} {_message(error)}"
                if status == 404 and absent:
                    return None
                if status == 401:
                    raise ConfigError(f"GET {path}: {problem}; the keys do not belong to this environment") from error
                if status not in (429, 500, 502, 503, 504):
                    raise DataError(f"broker GET {path}", problem) from error
                pause_s = max(pause_s, _retry_after_s(error))
            except requests.RequestException as lost:
                problem = _brief(lost)
            if attempt < ATTEMPTS:
                self._sleep(min(pause_s, MAX_PAUSE_S))
                pause_s *= 2
        raise TransientError(f"broker GET {path}: {problem}, {ATTEMPTS} attempts")


def _message(error: APIError) -> str:
    """The broker's message, or the raw body when it is not the documented JSON."""
    try:
        return str(error.message)
    except (ValueError, KeyError, TypeError):
        return str(error)[:200]


def _retry_after_s(error: APIError) -> float:
    response = error.response
    given = response.headers.get("Retry-After", "") if response is not None else ""
    try:
        return float(given)
    except ValueError:
        return 0.0


def _brief(problem: Exception) -> str:
    """A network error in a few words, without addresses of objects."""
    return f"{type(problem).__name__}: {str(problem)[:160]}"
