from __future__ import annotations

import threading
import time

import pytest
import redis

from qgtm_core.types import KillTier
from qgtm_resources.clients.hotstate import Announcement, HotState
from tests.ledgers import AT


@pytest.fixture
def hot(redis_url: str):
    with HotState(redis_url) as client:
        yield client


@pytest.fixture
def away():
    """A client of a server that is not there."""
    with HotState("redis://127.0.0.1:1/0", timeout_s=0.5) as client:
        yield client


def test_what_was_noted_is_read_back(hot: HotState) -> None:
    assert hot.available()
    assert hot.heartbeat("watchdog", AT, {"lag_s": 1})
    assert hot.last_heartbeat("watchdog") == (AT, {"lag_s": 1})
    assert hot.set_reconciliation("book", AT, {"ok": True})
    assert hot.last_reconciliation("book") == (AT, {"ok": True})
    assert hot.set_kill_tier("book", KillTier.NO_NEW, "loss", AT)
    assert hot.kill_tier("book") == (KillTier.NO_NEW, "loss")


def test_nothing_noted_is_unknown(hot: HotState) -> None:
    assert hot.last_heartbeat("nobody") is None
    assert hot.last_reconciliation("none") is None
    assert hot.kill_tier("none") is None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '"x"', "null", "{}", '{"at": 5, "tier": []}', '{"at": "never", "tier": "HUGE"}', b"\xff"]
)
def test_rubbish_in_the_store_is_unknown(hot: HotState, redis_url: str, text: str | bytes) -> None:
    with redis.Redis.from_url(redis_url) as client:
        for key in ("heartbeat:x", "reconciliation:x", "kill:x"):
            client.set(f"qgtm:{key}", text)
    assert hot.last_heartbeat("x") is None
    assert hot.last_reconciliation("x") is None
    assert hot.kill_tier("x") is None


def test_entries_do_not_stay_for_ever(hot: HotState, redis_url: str) -> None:
    hot.heartbeat("x", AT)
    with redis.Redis.from_url(redis_url) as client:
        assert 0 < int(client.ttl("qgtm:heartbeat:x")) <= 7 * 24 * 3600


def test_a_server_that_is_away_is_unknown_and_quick(away: HotState) -> None:
    started = time.perf_counter()
    assert not away.available()
    assert not away.heartbeat("x", AT)
    assert not away.set_kill_tier("book", KillTier.FLATTEN, "x", AT)
    assert away.last_heartbeat("x") is None
    assert away.kill_tier("book") is None
    assert away.announce("kill", {}) is None
    assert list(away.listen("kill")) == []
    assert time.perf_counter() - started < 5.0


def test_an_announcement_reaches_those_who_listen(hot: HotState, redis_url: str) -> None:
    heard: list[Announcement] = []
    ready = threading.Event()

    def listen() -> None:
        with HotState(redis_url) as listener:
            for message in listener.listen("kill", "panel", wait_s=0.1):
                ready.set()
                if message is not None:
                    heard.append(message)
                if len(heard) == 2:
                    return

    thread = threading.Thread(target=listen)
    thread.start()
    assert ready.wait(5.0)
    hot.announce("elsewhere", {"n": 0})
    assert hot.announce("panel", {"code": "PORT"}) == 1
    hot.set_kill_tier("book", KillTier.WARN, "loss", AT)
    thread.join(5.0)
    assert not thread.is_alive()
    assert heard[0] == Announcement("panel", {"code": "PORT"})
    assert (heard[1].topic, heard[1].body["tier"]) == ("kill", "WARN")


def test_an_unreadable_announcement_is_passed_over(hot: HotState, redis_url: str) -> None:
    stream = hot.listen("panel", wait_s=0.2)
    assert next(stream) is None
    with redis.Redis.from_url(redis_url) as client:
        client.publish("qgtm:panel", "not JSON")
    assert next(stream) is None
    stream.close()
