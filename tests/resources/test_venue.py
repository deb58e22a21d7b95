"""The paper venue over real HTTP and PostgreSQL: Alpaca's shapes, words and codes."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import httpx
import pytest

from qgtm_core.errors import ConfigError, TransientError
from qgtm_resources.venue.control import VenueControl, wait_until_up
from tests.resources.venue_support import (
    NEXT,
    SECRET,
    SESSION,
    Account,
    FixedFeed,
    running_venue,
)


def test_an_order_is_accepted_and_filled_with_every_number_a_string(account):
    accepted = account.order(qty="1000", client_order_id="mine").json()
    order = account.get("/v2/orders:by_client_order_id", client_order_id="mine")

    assert accepted["status"] == "accepted"
    assert accepted["filled_qty"] == "0"
    assert (order["status"], order["qty"], order["filled_qty"]) == ("filled", "1000", "1000")
    # 1 bp half-spread + 0.7 · 1 % · √(1,000 / 1,000,000) = 3.2136 bp
    assert order["filled_avg_price"] == "100.0321"
    assert order["id"] == accepted["id"]
    assert order["submitted_at"].startswith("2026-11-19T20:30:00")


def test_the_fill_moves_cash_and_position_exactly(account):
    account.order(qty="1000")
    row = account.get("/v2/account")
    [position] = account.get("/v2/positions")

    assert Decimal(row["cash"]) == Decimal(1_000_000) - Decimal("100032.1")
    assert (position["qty"], position["side"], position["market_value"]) == ("1000", "long", "100000.00")
    assert Decimal(row["equity"]) == Decimal(row["cash"]) + 100_000
    assert account.get("/v2/positions/GLD") == position


def test_a_short_has_negative_quantity_and_value(account):
    account.order("SLV", "100", "sell")
    [position] = account.get("/v2/positions")

    assert (position["qty"], position["market_value"], position["side"]) == ("-100", "-2500.00", "short")


def test_adding_averages_the_entry_price_and_a_reversal_starts_it_anew(account):
    account.order("SLV", "100")
    account.order("SLV", "100")
    added = account.get("/v2/positions/SLV")
    account.order("SLV", "50", "sell")
    reduced = account.get("/v2/positions/SLV")
    account.order("SLV", "300", "sell")
    reversed_ = account.get("/v2/positions/SLV")

    assert added["avg_entry_price"] == reduced["avg_entry_price"]
    assert (reversed_["qty"], reversed_["side"]) == ("-150", "short")
    assert Decimal(reversed_["avg_entry_price"]) < 25


def test_an_order_beyond_the_participation_limit_fills_in_part_and_ends_cancelled(account):
    account.order("SLV", "150000", "sell", client_order_id="large")  # refused: margin is too small
    order = account.order("SLV", "70000", client_order_id="two-parts").json()
    fills = account.get("/v2/account/activities/FILL", direction="asc")

    assert account.call("GET", "/v2/orders:by_client_order_id?client_order_id=large").status_code == 404
    assert account.get(f"/v2/orders/{order['id']}")["status"] == "filled"
    assert [(f["type"], f["qty"], f["leaves_qty"]) for f in fills] == [
        ("partial_fill", "35000", "35000"),
        ("fill", "35000", "0"),
    ]


def test_what_participation_leaves_over_is_cancelled_at_the_close(venue):
    account = venue.account(cash=Decimal(10_000_000))
    account.order("SLV", "150000", client_order_id="x")
    order = account.get("/v2/orders:by_client_order_id", client_order_id="x")

    assert (order["status"], order["filled_qty"]) == ("canceled", "100000")
    assert order["canceled_at"].startswith("2026-11-19T21:00:00")


def test_a_client_order_id_can_be_used_once_only(account):
    account.order(client_order_id="once")
    again = account.order(client_order_id="once", qty="99")

    assert again.status_code == 422
    assert again.json() == {"code": 40010001, "message": "client_order_id must be unique"}
    assert len(account.get("/v2/orders", status="all")) == 1


def test_twenty_orders_with_one_id_at_the_same_time_make_one_order(account):
    with ThreadPoolExecutor(20) as pool:
        replies = list(pool.map(lambda n: account.order(client_order_id="race").status_code, range(20)))

    assert sorted(replies) == [200] + [422] * 19
    assert account.get("/v2/positions/GLD")["qty"] == "10"


def test_buying_power_is_refused_with_403(account):
    reply = account.order(qty="30000")

    assert (reply.status_code, reply.json()["code"]) == (403, 40310000)
    assert reply.json()["message"] == "insufficient buying power"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"symbol": "NOPE"}, 'asset "NOPE" not found'),
        ({"side": "hold"}, "side must be"),
        ({"type": "stop"}, "order type must be"),
        ({"time_in_force": "gtc"}, "time_in_force must be day"),
        ({"order_class": "bracket"}, "only simple orders"),
        ({"extended_hours": True}, "only simple orders"),
        ({"qty": "0"}, "whole number of shares"),
        ({"qty": "1.5"}, "whole number of shares"),
        ({"qty": "many"}, "qty must be a number"),
        ({"qty": "NaN"}, "qty must be a number"),
        ({"client_order_id": "x" * 129}, "no more than 128"),
        ({"limit_price": "5"}, "market orders must not"),
        ({"type": "limit"}, "limit orders require"),
        ({"type": "limit", "limit_price": "0"}, "limit price must be > 0"),
        ({"type": "limit", "limit_price": "100.001"}, "sub-penny increment"),
    ],
)
def test_a_bad_parameter_is_refused_with_422(account, change, message):
    reply = account.order(**{"symbol": "GLD", "qty": "10", "side": "buy", **change})

    assert (reply.status_code, reply.json()["code"]) == (422, 42210000)
    assert message in reply.json()["message"]


def test_a_body_that_is_not_an_object_is_refused(account):
    for content in (b"not json", b"[1]"):
        assert account.call("POST", "/v2/orders", content=content).status_code == 422


def test_a_limit_order_never_fills_beyond_its_limit(account):
    account.order("SLV", "10000", type="limit", limit_price="25.01", client_order_id="lim")
    order = account.get("/v2/orders:by_client_order_id", client_order_id="lim")

    assert order["limit_price"] == "25.01"
    assert Decimal(order["filled_avg_price"]) <= Decimal("25.01")


@pytest.mark.parametrize("headers", [{}, {"APCA-API-KEY-ID": "b", "APCA-API-SECRET-KEY": "wrong"}])
def test_wrong_keys_are_unauthorized(venue, headers):
    reply = httpx.get(venue.url + "/v2/account", headers=headers, trust_env=False)

    assert (reply.status_code, reply.json()) == (401, {"message": "unauthorized."})


def test_what_does_not_exist_is_404(account):
    for path in ("/v2/orders/none", "/v2/orders:by_client_order_id?client_order_id=x", "/v2/positions/GLD"):
        reply = account.call("GET", path)
        assert (reply.status_code, reply.json()["code"]) == (404, 40410000)
    assert account.call("DELETE", "/v2/orders/none").status_code == 404
    assert account.call("DELETE", "/v2/positions/GLD").status_code == 404
    assert account.call("GET", "/v2/assets/NOPE").status_code == 404


def test_orders_are_listed_by_status_symbol_side_and_time(account):
    account.order("GLD", client_order_id="1")
    account.order("SLV", client_order_id="2")
    account.order("GLD", side="sell", client_order_id="3")
    ids = lambda **query: [row["client_order_id"] for row in account.get("/v2/orders", **query)]  # noqa: E731
    second = account.get("/v2/orders:by_client_order_id", client_order_id="2")["submitted_at"]

    assert ids() == []
    assert ids(status="closed") == ["3", "2", "1"]
    assert ids(status="all", direction="asc", limit=2) == ["1", "2"]
    assert ids(status="all", symbols="GLD,GDX") == ["3", "1"]
    assert ids(status="all", side="sell") == ["3"]
    assert ids(status="all", after=second) == ["3"]
    assert ids(status="all", until=second) == ["1"]


@pytest.mark.parametrize(
    "query",
    ["status=odd", "limit=0", "limit=501", "after=yesterday"],
)
def test_a_list_filter_that_makes_no_sense_is_refused(account, query):
    assert account.call("GET", f"/v2/orders?{query}").status_code == 422


def test_an_open_order_is_cancelled_and_a_final_one_is_not(account):
    account.control.set_faults(hold=True)
    order = account.order().json()
    [listed] = account.get("/v2/orders")

    assert listed["status"] == "accepted"
    assert account.call("DELETE", f"/v2/orders/{order['id']}").status_code == 204
    assert account.get(f"/v2/orders/{order['id']}")["status"] == "canceled"
    again = account.call("DELETE", f"/v2/orders/{order['id']}")
    assert (again.status_code, again.json()["message"]) == (422, 'order is already in "canceled" state')


def test_cancelling_all_orders_answers_one_status_an_order(account):
    account.control.set_faults(hold=True)
    ids = [account.order().json()["id"] for _ in range(3)]
    reply = account.call("DELETE", "/v2/orders")

    assert reply.status_code == 207
    assert reply.json() == [{"id": i, "status": 200} for i in ids]


def test_lifting_a_hold_fills_what_waits(account):
    account.control.set_faults(hold=True)
    account.order()
    account.control.set_faults()

    assert account.get("/v2/positions/GLD")["qty"] == "10"


def test_closing_a_position_sells_it_and_closing_all_answers_one_result_each(account):
    for symbol in ("GLD", "SLV", "GDX"):
        account.order(symbol, "100")
    part = account.call("DELETE", "/v2/positions/GLD?qty=40").json()
    over = account.call("DELETE", "/v2/positions/GLD?qty=4000")
    left = account.get("/v2/positions/GLD")["qty"]
    account.call("DELETE", "/v2/positions/SLV")
    results = account.call("DELETE", "/v2/positions?cancel_orders=true")

    assert (part["side"], part["qty"], left) == ("sell", "40", "60")
    assert over.status_code == 422
    assert results.status_code == 207
    assert [(r["symbol"], r["status"]) for r in results.json()] == [("GDX", 200), ("GLD", 200)]
    assert account.get("/v2/positions") == []


def test_fills_are_paged_by_the_last_id_seen_and_bounded_by_time(account):
    for number in range(4):
        account.order(client_order_id=f"p{number}")
    fills = lambda **query: account.get("/v2/account/activities/FILL", **query)  # noqa: E731
    everything = fills(direction="asc")
    page = fills(direction="asc", page_size=2)
    rest = fills(direction="asc", page_size=2, page_token=page[-1]["id"])

    assert [f["id"].partition("::")[2] for f in page + rest] == ["p0-1", "p1-1", "p2-1", "p3-1"]
    assert [f["id"] for f in fills()] == [f["id"] for f in reversed(everything)]
    assert fills(after="2026-11-20") == []
    assert fills(until="2026-11-19T20:00:00Z") == []
    assert len(fills(after=everything[0]["transaction_time"])) == 4
    assert account.call("GET", "/v2/account/activities/FILL?page_token=x").status_code == 422


def test_the_clock_stands_at_the_decision_and_the_calendar_knows_early_closes(account):
    clock = account.get("/v2/clock")
    days = account.get("/v2/calendar", start="2026-11-25", end="2026-11-30")

    assert clock["timestamp"] == "2026-11-19T15:30:00-05:00"
    assert clock["next_close"] == "2026-11-19T16:00:00-05:00"
    assert days == [
        {"date": "2026-11-25", "open": "09:30", "close": "16:00"},
        {"date": "2026-11-27", "open": "09:30", "close": "13:00"},
        {"date": "2026-11-30", "open": "09:30", "close": "16:00"},
    ]
    assert "2026-11-19" in [row["date"] for row in account.get("/v2/calendar")]
    assert account.call("GET", "/v2/calendar?start=soon").status_code == 422


def test_assets_and_quotes_are_those_of_the_universe_and_the_session(account):
    asset = account.get("/v2/assets/GLD")
    quotes = account.get("/v2/stocks/quotes/latest", symbols="GLD,PALL")["quotes"]

    assert (asset["symbol"], asset["tradable"], asset["class"]) == ("GLD", True, "us_equity")
    assert list(quotes) == ["GLD"]
    assert (quotes["GLD"]["bp"], quotes["GLD"]["ap"]) == (99.99, 100.01)


def test_open_orders_expire_when_the_session_moves_on(account):
    account.control.set_faults(hold=True)
    order = account.order().json()
    account.control.move_session(NEXT)
    account.control.move_session(NEXT)

    expired = account.get(f"/v2/orders/{order['id']}")
    assert (expired["status"], expired["expired_at"][:16]) == ("expired", "2026-11-19T21:00")


def test_yesterdays_equity_is_kept_when_the_session_moves_on(account):
    account.order(qty="1000")
    equity = account.get("/v2/account")["equity"]
    account.control.move_session(NEXT)

    assert account.get("/v2/account")["last_equity"] == equity


def test_a_session_never_moves_back_and_must_be_a_trading_day(account):
    account.control.move_session(NEXT)
    with pytest.raises(ConfigError, match="cannot go back"):
        account.control.move_session(SESSION)
    with pytest.raises(ConfigError, match="not a trading session"):
        account.control.move_session(dt.date(2026, 11, 21))


def test_an_account_without_a_session_says_what_to_do(venue):
    control = VenueControl(venue.url, "fresh", SECRET)
    account = Account(venue.url, "fresh", control)

    assert account.get("/v2/account")["cash"] == "1000000.00"
    for reply in (account.order(), account.call("GET", "/v2/clock")):
        assert reply.status_code == 422
        assert "POST /venue/session first" in reply.json()["message"]


def test_starting_cash_counts_when_the_account_is_new_and_never_again(venue):
    account = venue.account(cash=Decimal("250000.50"))
    account.control.move_session(SESSION, Decimal(9))

    assert account.get("/v2/account")["cash"] == "250000.50"


def test_a_symbol_that_does_not_trade_is_cancelled_with_the_reason(account):
    order = account.order("PALL").json()

    assert account.get(f"/v2/orders/{order['id']}")["reject_reason"] == "no trading in this symbol in the session"


def test_a_held_symbol_that_stops_trading_keeps_its_last_price(postgres_url):
    feed = FixedFeed()
    with running_venue(postgres_url, feed) as venue:
        account = venue.account()
        account.order()
        feed.absent.add("GLD")
        account.control.move_session(NEXT)

        assert account.get("/v2/positions/GLD")["market_value"] == "1000.00"
        account.control.move_session(dt.date(2026, 11, 23))
        assert account.get("/v2/account")["last_equity"] == account.get("/v2/account")["equity"]


def test_a_restarted_venue_finds_its_books_and_fills_what_it_had_accepted(postgres_url):
    with running_venue(postgres_url) as venue:
        account = venue.account()
        account.order("SLV", client_order_id="done")
        account.control.set_faults(hold=True)
        account.order("GLD", client_order_id="accepted")
    with running_venue(postgres_url) as venue:
        again = Account(venue.url, account.name, VenueControl(venue.url, account.name, SECRET))

        assert [p["symbol"] for p in again.get("/v2/positions")] == ["GLD", "SLV"]
        assert again.order(client_order_id="done").status_code == 422
        assert again.get("/v2/orders:by_client_order_id", client_order_id="accepted")["status"] == "filled"


def test_books_add_up_after_many_orders_at_the_same_time(account):
    symbols = ["GLD", "SLV", "GDX", "IAU"] * 5
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: account.order(symbols[i], "7", client_order_id=f"m{i}"), range(20)))
    spent = sum(Decimal(f["qty"]) * Decimal(f["price"]) for f in account.get("/v2/account/activities/FILL"))

    assert Decimal(account.get("/v2/account")["cash"]) == Decimal(1_000_000) - spent
    assert {p["symbol"]: p["qty"] for p in account.get("/v2/positions")} == dict.fromkeys(set(symbols), "35")


def test_an_unknown_fault_is_refused_by_name(account):
    with pytest.raises(ConfigError, match="unknown fault 'earthquake'"):
        account.control.set_faults(earthquake=1)


def test_a_venue_that_is_not_there_is_a_transient_fault():
    control = VenueControl("http://127.0.0.1:1", "b", SECRET, timeout_s=1.0)

    with pytest.raises(TransientError, match="paper venue"):
        control.move_session(SESSION)
    assert not wait_until_up("http://127.0.0.1:1", timeout_s=0.1)
