"""Talking to the paper venue's own calls (`/venue/*`), which Alpaca does not have."""

from __future__ import annotations

import datetime as dt
import time
from decimal import Decimal
from typing import Any

import httpx

from qgtm_core.errors import ConfigError, TransientError


class VenueControl:
    """The venue's clock and faults for one account (the book's name)."""

    def __init__(self, url: str, account: str, secret: str, timeout_s: float = 30.0) -> None:
        self._url, self._timeout_s = url, timeout_s
        self._headers = {"APCA-API-KEY-ID": account, "APCA-API-SECRET-KEY": secret}
        self.account = account

    def move_session(self, session: dt.date, cash_usd: Decimal | None = None) -> None:
        """Move the account to a session, creating it with `cash_usd` when it is new. Going back is refused."""
        body: dict[str, Any] = {"session": session.isoformat()}
        if cash_usd is not None:
            body["cash_usd"] = format(cash_usd, "f")
        self._post("/venue/session", body)

    def set_faults(self, **faults: Any) -> None:
        """Replace the account's faults; none given means none."""
        self._post("/venue/faults", faults)

    def _post(self, path: str, body: dict[str, Any]) -> None:
        try:
            reply = httpx.post(
                self._url + path, json=body, headers=self._headers, timeout=self._timeout_s, trust_env=False
            )
        except httpx.HTTPError as problem:
            raise TransientError(f"paper venue {path}: {problem}") from problem
        if reply.status_code != 200:
            raise ConfigError(f"paper venue {path}: HTTP {reply.status_code} {reply.text[:300]}")


def wait_until_up(url: str, timeout_s: float = 10.0) -> bool:
    """Wait until the venue answers; False when it does not in time."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        try:
            if httpx.get(url + "/venue/health", timeout=1.0, trust_env=False).status_code == 200:
                return True
        except httpx.HTTPError:
            pass
        time.sleep(0.02)
    return False
