"""Listening to `trade_updates`: a thread that collects executions and wakes whoever waits for one.

The stream is a hint, never the books: it loses, repeats and reorders frames and does not replay after a break, so
executions are booked from the REST activities and the stream only says when to ask.
"""

from __future__ import annotations

import json
import threading
from urllib.parse import urlsplit, urlunsplit

from qgtm_core.errors import ConfigError
from qgtm_core.types import Execution
from qgtm_resources.clients import alpaca_wire as wire

OPEN_TIMEOUT_S = 5.0
POLL_S = 0.2  # how soon a stop is noticed
FIRST_PAUSE_S, MAX_PAUSE_S = 0.2, 30.0  # between reconnections


class TradeUpdates:
    """The account's `trade_updates`, from entering the context to leaving it."""

    def __init__(self, key: str, secret: str, url: str) -> None:
        self._key, self._secret, self._url = key, secret, stream_url(url)
        self._seen: dict[str, Execution] = {}
        self._fresh: list[Execution] = []
        self._lock = threading.Lock()
        self._stop, self._listening, self._news = threading.Event(), threading.Event(), threading.Event()
        self._refused = False
        self._thread = threading.Thread(target=self._run, name="trade-updates", daemon=True)

    def __enter__(self) -> TradeUpdates:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()

    def ready(self, timeout_s: float = OPEN_TIMEOUT_S) -> bool:
        """Wait until the stream listens; False when it does not in time. Raises ConfigError for wrong keys."""
        self._listening.wait(timeout_s)
        if self._refused:
            raise ConfigError("the broker's stream refused the keys")
        return self._listening.is_set()

    def wait(self, timeout_s: float) -> bool:
        """Wait for news of any order since the last call; False when there was none."""
        heard = self._news.wait(timeout_s)
        self._news.clear()
        return heard

    def take(self) -> list[Execution]:
        """Executions heard since the last call, once each."""
        with self._lock:
            fresh, self._fresh = self._fresh, []
        return fresh

    def _run(self) -> None:
        from websockets.exceptions import WebSocketException

        pause_s = FIRST_PAUSE_S
        while not self._stop.is_set() and not self._refused:
            try:
                self._session()
                pause_s = FIRST_PAUSE_S
            except (OSError, WebSocketException, ValueError):
                pause_s = min(pause_s * 2, MAX_PAUSE_S)
            self._listening.clear() if not self._refused else self._listening.set()
            self._news.set()  # whoever waits must ask by REST: frames may be lost
            self._stop.wait(pause_s)

    def _session(self) -> None:
        """One connection: authenticate, listen, receive until it breaks or we stop."""
        from websockets.sync.client import connect

        with connect(self._url, open_timeout=OPEN_TIMEOUT_S, close_timeout=1, proxy=None) as socket:
            keys = {"key_id": self._key, "secret_key": self._secret}
            socket.send(json.dumps({"action": "authenticate", "data": keys}))
            answer = json.loads(socket.recv(OPEN_TIMEOUT_S))
            if answer.get("data", {}).get("status") != "authorized":
                self._refused = True
                return
            socket.send(json.dumps({"action": "listen", "data": {"streams": ["trade_updates"]}}))
            while not self._stop.is_set():
                try:
                    frame = socket.recv(POLL_S)
                except TimeoutError:
                    continue
                self._hear(json.loads(frame))

    def _hear(self, frame: dict[str, object]) -> None:
        if frame.get("stream") == "listening":
            self._listening.set()
        if frame.get("stream") != "trade_updates":
            return
        data = frame["data"]
        assert isinstance(data, dict)
        execution = wire.streamed_execution(data)
        with self._lock:
            if execution is not None and execution.execution_id not in self._seen:
                self._seen[execution.execution_id] = execution
                self._fresh.append(execution)
        self._news.set()


def stream_url(url: str) -> str:
    """The stream's address beside a REST address."""
    parts = urlsplit(url)
    return urlunsplit(("wss" if parts.scheme == "https" else "ws", parts.netloc, "/stream", "", ""))
