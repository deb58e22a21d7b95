"""The Alpaca broker against the real client, the real wire and a venue with faults."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from qgtm_core.backtest.fills import FillModel
from qgtm_core.backtest.simbroker import SimBroker
from qgtm_core.errors import ConfigError, DataError, InvariantError, TransientError, UnknownOutcome
from qgtm_core.types import OrderState, Side
from qgtm_resources.clients import alpaca
from qgtm_resources.clients import alpaca_wire as wire
from qgtm_resources.clients.alpaca import AlpacaBroker
from qgtm_resources.venue.market import Market
from tests.resources.venue_support import (
    CASH,
    NEXT,
    SECRET,
    SESSION,
    Account,
    FixedFeed,
)


def count(account: Account) -> int:
    return len(account.get("/v2/orders", status="all"))


def test_an_order_comes_back_accepted_and_is_found_filled_by_its_client_id(account, broker):
    intent = account.intent(shares=1000)
    accepted = broker.submit(intent)
    filled = broker.order(intent.client_order_id)

    assert (accepted.state, accepted.filled_shares) == (OrderState.ACCEPTED, 0)
    assert filled is not None
    assert (filled.state, filled.filled_shares, filled.average_price) == (
        OrderState.FILLED,
        Decimal(1000),
        Decimal("100.0321"),
    )
    assert filled.broker_order_id == accepted.broker_order_id


def test_an_order_the_broker_has_never_seen_is_none(broker):
    assert broker.order("never") is None


def test_the_books_are_exact_decimals(account, broker):
    broker.submit(account.intent(shares=1000))
    broker.submit(account.intent("SLV", -100))
    [gld, slv] = broker.positions()
    gld_fill, slv_fill = broker.executions()

    assert (gld.quantity_shares, slv.quantity_shares, slv.market_value_usd) == (1000, -100, Decimal("-2500.00"))
    assert broker.account().cash_usd == CASH - 1000 * gld_fill.price + 100 * slv_fill.price
    assert not broker.account().trading_blocked


def test_venue_and_memory_broker_fill_alike(account, broker):
    intents = [account.intent("SLV", 30_000), account.intent("GDX", -5_000), account.intent("GLD", 50, limit="100.02")]
    memory = SimBroker(CASH, FillModel())
    memory.open_session(SESSION, Market(FixedFeed).session(SESSION))
    for intent in intents:
        broker.submit(intent)
        memory.submit(intent)

    assert broker.executions() == memory.executions()
    assert broker.account().cash_usd == memory.account().cash_usd
    assert broker.positions() == memory.positions()


def test_executions_since_an_instant_include_it_and_name_our_order(account, broker):
    intent = account.intent("SLV", 30_000)
    broker.submit(intent)
    first, second = broker.executions()

    assert [e.client_order_id for e in (first, second)] == [intent.client_order_id] * 2
    assert broker.executions(second.executed_at) == [second]
    assert broker.executions(second.executed_at + dt.timedelta(microseconds=1)) == []


@pytest.mark.parametrize("orders", [3, 4])
def test_more_fills_than_a_page_all_arrive(account, broker, orders, monkeypatch):
    monkeypatch.setattr(alpaca, "PAGE", 3)
    for number in range(orders):
        account.order(qty="1", client_order_id=f"n{number}")

    assert [e.execution_id for e in broker.executions()] == [f"n{number}-1" for number in range(orders)]


def test_a_refusal_for_buying_power_is_a_rejected_order_with_the_brokers_words(account, broker):
    order = broker.submit(account.intent(shares=90_000))

    assert (order.state, order.reason, order.broker_order_id) == (OrderState.REJECTED, "insufficient buying power", "")


def test_a_refused_parameter_is_a_rejected_order(account, broker):
    order = broker.submit(account.intent(limit="100.001"))

    assert order.state is OrderState.REJECTED
    assert "sub-penny" in str(order.reason)


def test_an_order_sent_twice_is_adopted_and_exists_once(account, broker):
    intent = account.intent()
    first = broker.submit(intent)
    again = broker.submit(intent)

    assert again.broker_order_id == first.broker_order_id
    assert count(account) == 1


def test_an_id_that_belongs_to_another_order_stops_everything(account, broker):
    broker.submit(account.intent(shares=10))

    with pytest.raises(InvariantError, match="belongs to another order"):
        broker.submit(account.intent(shares=11))


@pytest.mark.parametrize(
    ("faults", "orders"),
    [
        ({"timeout_before_accept": 1, "timeout_s": 0.8}, 0),
        ({"timeout_after_accept": 1, "timeout_s": 0.8}, 1),
        ({"status_before": [500]}, 0),
        ({"status_before": [503]}, 0),
        ({"status_before": [504]}, 0),
        ({"status_after": [500]}, 1),
    ],
)
def test_a_lost_reply_is_an_unknown_outcome_and_is_not_sent_again(account, broker, faults, orders):
    account.control.set_faults(**faults)
    intent = account.intent()

    with pytest.raises(UnknownOutcome):
        broker.submit(intent)
    assert count(account) == orders
    assert (broker.order(intent.client_order_id) is not None) == bool(orders)


def test_a_duplicate_that_the_lookup_cannot_find_yet_is_an_unknown_outcome(account, broker):
    broker.submit(account.intent())
    account.control.set_faults(lookup_lag=1)

    with pytest.raises(UnknownOutcome, match="taken"):
        broker.submit(account.intent())


def test_too_many_requests_is_transient_and_nothing_was_accepted(account, broker):
    account.control.set_faults(status_before=[429])

    with pytest.raises(TransientError, match="429"):
        broker.submit(account.intent())
    assert count(account) == 0


def test_no_connection_is_an_unknown_outcome_for_an_order_and_transient_for_a_read(account):
    broker = AlpacaBroker("b", "s", "http://127.0.0.1:1", timeout_s=0.5, sleep=lambda seconds: None)

    with pytest.raises(UnknownOutcome):
        broker.submit(account.intent())
    with pytest.raises(TransientError, match="3 attempts"):
        broker.positions()
    broker.close()


def test_reads_are_tried_again_and_honour_retry_after(venue):
    account, slept = venue.account(), []
    broker = AlpacaBroker(account.name, SECRET, venue.url, sleep=slept.append)
    account.control.set_faults(read_status=[429, 503], retry_after_s=2.0)

    assert broker.positions() == []
    assert slept == [2.0, 4.0]
    account.control.set_faults(read_status=[429], retry_after_s=60.0)
    broker.account()
    assert slept[-1] == 5.0  # never longer than five seconds
    broker.close()


def test_a_read_that_keeps_failing_is_transient(account, broker):
    account.control.set_faults(read_status=[500, 500, 500])

    with pytest.raises(TransientError, match="HTTP 500"):
        broker.account()


def test_wrong_keys_are_a_matter_for_the_operator(venue, account):
    broker = AlpacaBroker(account.name, "wrong", venue.url)

    with pytest.raises(ConfigError, match="keys do not belong"):
        broker.account()
    with pytest.raises(ConfigError, match="keys do not belong"):
        broker.submit(account.intent())
    broker.close()


def test_an_unexpected_refusal_of_a_read_is_a_data_error(account, broker):
    account.control.set_faults(read_status=[418])

    with pytest.raises(DataError, match="418"):
        broker.positions()


def test_an_open_order_is_listed_and_cancelled(account, broker):
    account.control.set_faults(hold=True)
    intent = account.intent()
    broker.submit(intent)

    assert [o.client_order_id for o in broker.open_orders()] == [intent.client_order_id]
    broker.cancel(intent.client_order_id)
    broker.cancel(intent.client_order_id)
    broker.cancel("never")
    cancelled = broker.order(intent.client_order_id)
    assert cancelled is not None
    assert cancelled.state is OrderState.CANCELLED
    assert broker.open_orders() == []


def test_an_expired_order_and_one_the_exchange_rejects_are_final(account, broker):
    account.control.set_faults(reject_next=1)
    broker.submit(account.intent(attempt="rejected"))
    account.control.set_faults(hold=True)
    broker.submit(account.intent(attempt="expired"))
    account.control.move_session(NEXT)
    states = {o["client_order_id"][-8:]: wire.order(o) for o in account.get("/v2/orders", status="all")}

    assert states["rejected"].state is OrderState.REJECTED
    assert states["rejected"].reason == "rejected by the exchange"
    assert states["-expired"].state is OrderState.EXPIRED


def test_quotes_of_the_venue_are_labelled_as_made_from_the_session(broker):
    quotes = broker.quotes(["GLD", "PALL"])

    assert list(quotes) == ["GLD"]
    assert (quotes["GLD"].mid, quotes["GLD"].basis) == (pytest.approx(100.0), "close")
    assert broker.quotes([]) == {}


def test_the_live_address_is_refused_without_the_live_flag_and_the_flag_without_the_address():
    with pytest.raises(ConfigError, match="real money"):
        AlpacaBroker("k", "s", "https://api.alpaca.markets")
    with pytest.raises(ConfigError, match="not the live broker"):
        AlpacaBroker("k", "s", live=True)
    AlpacaBroker("k", "s", "https://api.alpaca.markets", live=True).close()
    AlpacaBroker("k", "s").close()


@pytest.mark.parametrize(
    ("status", "filled", "state"),
    [
        ("new", "0", OrderState.ACCEPTED),
        ("pending_new", "0", OrderState.ACCEPTED),
        ("held", "0", OrderState.ACCEPTED),
        ("pending_cancel", "3", OrderState.PARTIAL),
        ("partially_filled", "3", OrderState.PARTIAL),
        ("done_for_day", "3", OrderState.PARTIAL),
        ("filled", "10", OrderState.FILLED),
        ("canceled", "3", OrderState.CANCELLED),
        ("replaced", "0", OrderState.CANCELLED),
        ("expired", "0", OrderState.EXPIRED),
        ("rejected", "0", OrderState.REJECTED),
    ],
)
def test_every_status_of_the_broker_has_a_state(status, filled, state):
    row = {
        "id": "1",
        "client_order_id": "c",
        "symbol": "GLD",
        "side": "buy",
        "qty": "10",
        "filled_qty": filled,
        "filled_avg_price": None,
        "status": status,
        "submitted_at": "2026-11-20T20:30:02.112345678Z",
    }

    assert wire.order(row).state is state
    assert wire.order(row).submitted_at == dt.datetime(2026, 11, 20, 20, 30, 2, 112345, tzinfo=dt.UTC)


@pytest.mark.parametrize("row", [None, [], {}, {"id": 1, "filled_qty": "x"}])
def test_a_reply_that_is_not_an_order_is_unreadable(row):
    with pytest.raises(wire.UnreadableReplyError):
        wire.order(row)


def test_a_position_takes_its_sign_from_its_side():
    row = {"symbol": "SLV", "qty": "100", "side": "short", "market_value": None}

    assert wire.position(row).quantity_shares == -100


def test_a_quote_with_a_missing_or_crossed_side_is_no_quote():
    at = "2026-11-20T20:30:00Z"

    assert wire.quote("GLD", {"bp": 0, "ap": 1.0, "t": at}, "quote") is None
    assert wire.quote("GLD", {"bp": 2.0, "ap": 1.0, "t": at}, "quote") is None


def test_a_short_sale_is_a_sell_in_the_activities():
    row = {"id": "20261120::e1", "symbol": "SLV", "qty": "1", "price": "25", "side": "sell_short"}
    fill = wire.execution({**row, "transaction_time": "2026-11-20T20:31:00Z"}, "c1")

    assert (fill.side, fill.execution_id) == (Side.SELL, "e1")


def test_a_blocked_account_says_so():
    assert wire.account({"cash": "1", "equity": "1", "account_blocked": True}).trading_blocked
