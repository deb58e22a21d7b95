"""The alpaca-py trading client with time-outs and no retries of its own. Heavy to import (pandas): load it late."""

from __future__ import annotations

import warnings
from typing import Any

import requests
from requests.adapters import HTTPAdapter

with warnings.catch_warnings():
    # Its stream module, which we do not use, imports a deprecated part of `websockets`.
    warnings.simplefilter("ignore", DeprecationWarning)
    from alpaca.common.exceptions import APIError
    from alpaca.trading.client import TradingClient

__all__ = ["APIError", "TimedClient"]

_TimeOut = float | tuple[float | None, float | None] | None


class _TimedAdapter(HTTPAdapter):
    """Gives every request a time-out; alpaca-py sets none, so a silent broker would hang the caller for ever."""

    def __init__(self, timeout_s: float) -> None:
        super().__init__()
        self._timeout_s = timeout_s

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: _TimeOut = None,
        verify: bool | str = True,
        cert: str | tuple[str, str] | None = None,
        proxies: dict[str, str] | None = None,
    ) -> requests.Response:
        """Send with the adapter's time-out where the caller gave none."""
        return super().send(request, stream, self._timeout_s if timeout is None else timeout, verify, cert, proxies)


class TimedClient(TradingClient):
    """Alpaca's trading client, raw JSON out, one attempt a call.

    Its built-in retries wait three seconds three times on 429 and 504; a 504 to an order is an unknown outcome and
    must be looked up first, so retrying is left to the broker adapter.
    """

    def __init__(self, key: str, secret: str, url: str, *, paper: bool, timeout_s: float) -> None:
        super().__init__(key, secret, paper=paper, raw_data=True, url_override=url)
        self._retry = 0
        self._session.trust_env = not _loopback(url)  # a proxy setting must not reach the paper venue
        self._session.mount("http://", _TimedAdapter(timeout_s))
        self._session.mount("https://", _TimedAdapter(timeout_s))

    def read(self, path: str, params: dict[str, Any] | None = None, base_url: str | None = None) -> Any:
        """GET a path, optionally at another host (market data)."""
        return self._request("GET", path, params, base_url=base_url)

    def close(self) -> None:
        """Close pooled connections."""
        self._session.close()


def _loopback(url: str) -> bool:
    return "://127.0.0.1" in url or "://localhost" in url or "://[::1]" in url
