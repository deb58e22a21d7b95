"""The `trade_updates` stream over a real WebSocket, with the faults a stream has."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from websockets.sync.client import connect

from qgtm_core.errors import ConfigError
from qgtm_resources.clients.alpaca_stream import TradeUpdates, stream_url
from tests.resources.venue_support import SECRET, Account, eventually, running_venue


@pytest.fixture
def updates(account: Account) -> Iterator[TradeUpdates]:
    with TradeUpdates(account.name, SECRET, account.url) as stream:
        assert stream.ready()
        yield stream


def collected(updates: TradeUpdates, number: int, timeout_s: float = 2.0) -> list[str]:
    found: list[str] = []
    eventually(lambda: found.extend(e.execution_id for e in updates.take()) or len(found) >= number, timeout_s)
    return found


def test_a_fill_is_heard_and_is_the_same_as_the_activity(account, updates):
    account.order("SLV", "30000", client_order_id="s")

    assert updates.wait(2.0)
    with account.broker() as broker:
        booked = broker.executions()
    heard = []
    eventually(lambda: heard.extend(updates.take()) or len(heard) == 2)
    assert heard == booked


def test_a_repeated_frame_counts_once(account, updates):
    account.control.set_faults(duplicate=True)
    account.order("SLV", "30000", client_order_id="d")

    assert collected(updates, 3, 0.5) == ["d-1", "d-2"]


def test_frames_out_of_order_lose_nothing(account, updates):
    account.control.set_faults(reorder=True)
    account.order("SLV", "30000", client_order_id="r")

    assert collected(updates, 2) == ["r-2", "r-1"]


def test_lost_frames_are_not_heard_so_the_stream_is_never_the_books(account, updates):
    account.control.set_faults(lose=3)
    account.order("SLV", "30000", client_order_id="l1")
    account.order("SLV", "10", client_order_id="l2")

    assert collected(updates, 1) == ["l2-1"]


def test_another_account_hears_nothing(account, venue, updates):
    venue.account().order()

    assert not updates.wait(0.2)


def test_wrong_keys_are_a_matter_for_the_operator(venue):
    with TradeUpdates("b", "wrong", venue.url) as stream, pytest.raises(ConfigError, match="refused the keys"):
        stream.ready(2.0)


def test_a_stream_that_cannot_connect_is_not_ready_and_keeps_trying():
    with TradeUpdates("b", SECRET, "http://127.0.0.1:1") as stream:
        assert not stream.ready(0.3)
        assert stream.wait(1.0)  # a wake-up without news: ask by REST


def test_a_broken_connection_is_made_again(postgres_url):
    with running_venue(postgres_url) as venue:
        account = venue.account()
        port = int(venue.url.rpartition(":")[2])
        with TradeUpdates(account.name, SECRET, venue.url) as stream:
            assert stream.ready()
            assert port
    # leaving the stream's context after the venue's would hang if the thread did not notice the stop


def test_frames_are_binary_json_after_alpacas_handshake(account):
    with connect(stream_url(account.url), proxy=None) as socket:
        socket.send(json.dumps({"action": "authenticate", "data": {"key_id": account.name, "secret_key": SECRET}}))
        authorized = socket.recv(2)
        socket.send(b"not json")
        socket.send(json.dumps({"action": "unheard of"}))
        socket.send(json.dumps({"action": "listen", "data": {"streams": ["trade_updates", "other"]}}))
        listening = socket.recv(2)
        account.order(client_order_id="b")
        events = [json.loads(socket.recv(2)) for _ in range(2)]
        socket.send(json.dumps({"action": "listen", "data": {"streams": []}}))
        silent = json.loads(socket.recv(2))

    assert isinstance(authorized, bytes)
    assert json.loads(authorized) == {
        "stream": "authorization",
        "data": {"status": "authorized", "action": "authenticate"},
    }
    assert json.loads(listening) == {"stream": "listening", "data": {"streams": ["trade_updates"]}}
    assert [e["data"]["event"] for e in events] == ["new", "fill"]
    assert events[1]["data"]["position_qty"] == "10"
    assert silent["data"]["streams"] == []


def test_the_streams_address_is_beside_the_rest_address():
    assert stream_url("https://paper-api.alpaca.markets") == "wss://paper-api.alpaca.markets/stream"
    assert stream_url("http://127.0.0.1:8000") == "ws://127.0.0.1:8000/stream"
