"""Hot state over the Redis protocol: what may be lost at any moment. The ledger is the truth.

A read that finds nothing, times out or cannot parse returns null; a write that fails returns False. Null means
"unknown", never "all is well": a caller that must not go on without the kill tier asks the ledger.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from qgtm_core.audit import canonical_json
from qgtm_core.types import KillTier

TIMEOUT_S = 5.0
KEEP_S = 7 * 24 * 3600  # nothing here is worth more than a week
PREFIX = "qgtm"


@dataclass(frozen=True, slots=True)
class Announcement:
    """One message of the bus; `topic` is without prefix."""

    topic: str
    body: dict[str, Any]


class HotState:
    """A small client for heartbeats, the last reconciliation, kill tiers and announcements.

    Connections are opened at the first call, and every wait is bounded by `timeout_s`.
    """

    def __init__(self, url: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self._client = redis.Redis.from_url(
            url,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            decode_responses=True,
            retry=Retry(NoBackoff(), 1),  # once, for a pooled connection that died; the default waits much longer
        )

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def available(self) -> bool:
        """True when the server answers."""
        try:
            return bool(self._client.ping())
        except redis.RedisError:
            return False

    def heartbeat(self, name: str, at: dt.datetime, body: dict[str, Any] | None = None) -> bool:
        """Note a sign of life of a process."""
        return self._write(f"heartbeat:{name}", {"at": at, "body": body or {}})

    def last_heartbeat(self, name: str) -> tuple[dt.datetime, dict[str, Any]] | None:
        """Instant and body of the last sign of life."""
        return _dated(self._read(f"heartbeat:{name}"))

    def set_reconciliation(self, book: str, at: dt.datetime, body: dict[str, Any]) -> bool:
        """Note the last reconciliation of a book."""
        return self._write(f"reconciliation:{book}", {"at": at, "body": body})

    def last_reconciliation(self, book: str) -> tuple[dt.datetime, dict[str, Any]] | None:
        """Instant and body of the last reconciliation."""
        return _dated(self._read(f"reconciliation:{book}"))

    def set_kill_tier(self, book: str, tier: KillTier, reason: str, at: dt.datetime) -> bool:
        """Note the kill tier in force and announce it."""
        document = {"at": at, "tier": tier, "reason": reason}
        written = self._write(f"kill:{book}", document)
        return self.announce("kill", {"book": book} | document) is not None and written

    def kill_tier(self, book: str) -> tuple[KillTier, str] | None:
        """Tier and reason as last noted; null when unknown."""
        document = self._read(f"kill:{book}")
        tier = str((document or {}).get("tier"))
        if document is None or tier not in KillTier.__members__:
            return None
        return KillTier[tier], str(document.get("reason", ""))

    def announce(self, topic: str, body: dict[str, Any]) -> int | None:
        """Tell all listeners; returns how many heard it, null when the bus is down."""
        try:
            return self._client.publish(f"{PREFIX}:{topic}", canonical_json(body))
        except redis.RedisError:
            return None

    def listen(self, *topics: str, wait_s: float = 1.0) -> Iterator[Announcement | None]:
        """Announcements on the topics as they come; null after each `wait_s` of silence, so the caller can stop.

        Ends when the bus goes away: the caller decides whether to come back. Messages sent meanwhile are lost.
        """
        open_listener: Any = self._client.pubsub
        with open_listener(ignore_subscribe_messages=True) as listener:
            try:
                listener.subscribe(*(f"{PREFIX}:{topic}" for topic in topics))
                while True:
                    message = listener.get_message(timeout=wait_s)
                    body = None if message is None else _parsed(message["data"])
                    if message is None or body is None:
                        yield None
                    else:
                        yield Announcement(message["channel"].removeprefix(f"{PREFIX}:"), body)
            except redis.RedisError:
                return

    def _write(self, key: str, document: dict[str, Any]) -> bool:
        try:
            return bool(self._client.set(f"{PREFIX}:{key}", canonical_json(document), ex=KEEP_S))
        except redis.RedisError:
            return False

    def _read(self, key: str) -> dict[str, Any] | None:
        try:
            return _parsed(self._client.get(f"{PREFIX}:{key}"))
        except (redis.RedisError, UnicodeDecodeError):
            return None


def _parsed(text: Any) -> dict[str, Any] | None:
    if not isinstance(text, str):
        return None
    try:
        document = json.loads(text)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _dated(document: dict[str, Any] | None) -> tuple[dt.datetime, dict[str, Any]] | None:
    try:
        return (
            None if document is None else (dt.datetime.fromisoformat(document["at"]), dict(document.get("body") or {}))
        )
    except (KeyError, TypeError, ValueError):
        return None
