"""No route reaches the broker while a gate is closed, nor for a session that is not the current one."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import dagster as dg
import polars as pl
import pytest

from qgtm_core import calendar
from qgtm_core.ports import Broker
from qgtm_core.types import BookState, KillTier
from qgtm_resources.clients.ledger import PostgresLedger
from tests.installation import ACCOUNTS, LAST, TRADING, Installation, SimBrokerResource, checks, problem

FILLS = dg.AssetKey(["execution", "fills"])
APPROVED = dg.AssetKey(["risk", "approved_orders"])
TARGET = dg.AssetKey(["portfolio", "target"])
BEFORE = calendar.previous_session(LAST)
NOON = calendar.decision_time(LAST) - dt.timedelta(hours=3)


def latch(books: PostgresLedger, house: Installation, tier: KillTier) -> None:
    books.raise_tier(house.book, tier, "a test said so", LAST, NOON, "test")


def sent(house: Installation) -> list[str]:
    """Orders that reached the broker."""
    return [e.client_order_id for e in house.account.executions()] if house.book in ACCOUNTS else []


def leaves(books: PostgresLedger, house: Installation, kind: str) -> list[dict]:
    return [leaf.body for leaf in books.audit_leaves() if leaf.kind == kind and leaf.body.get("book") == house.book]


def materialized(result: dg.ExecuteInProcessResult) -> set[str]:
    return {event.asset_key.to_user_string() for event in result.get_asset_materialization_events()}


@pytest.mark.parametrize("tier", [KillTier.NO_NEW, KillTier.FLATTEN])
@pytest.mark.parametrize("keys", [TRADING, (FILLS,)], ids=["whole run", "fills alone"])
def test_no_route_reaches_the_broker_while_the_gate_is_closed(
    house: Installation, books: PostgresLedger, tier: KillTier, keys: tuple[dg.AssetKey, ...]
) -> None:
    if keys == (FILLS,):
        assert house.run(LAST, (TARGET, APPROVED)).success, "approved while it was still open"
    latch(books, house, tier)
    result = house.run(LAST, keys)
    assert not result.success
    assert "execution/fills" not in materialized(result)
    assert books.orders(house.book) == []
    assert sent(house) == []


def test_a_closed_gate_stops_the_run_at_the_check_and_leaves_an_audit_record(
    house: Installation, books: PostgresLedger
) -> None:
    latch(books, house, KillTier.NO_NEW)
    result = house.run(LAST)
    assert checks(result)["kill_switch_open"] is False
    assert materialized(result) == {"portfolio/target", "risk/approved_orders"}
    (approval,) = leaves(books, house, "approval")
    assert (approval["tier"], approval["reason"]) == ("NO_NEW", "a test said so")
    assert books.audit_verify().ok


def test_fills_alone_say_why_they_refuse(house: Installation, books: PostgresLedger) -> None:
    assert house.run(LAST, (TARGET, APPROVED)).success
    latch(books, house, KillTier.FLATTEN)
    assert problem(house.run(LAST, (FILLS,))) == "execution/fills: kill switch at FLATTEN: a test said so"


def test_an_open_gate_sends_orders(house: Installation, books: PostgresLedger) -> None:
    result = house.run(LAST)
    assert result.success, problem(result)
    assert all(passed for name, passed in checks(result).items() if name != "slippage_in_band")
    assert set(sent(house)) == {intent.client_order_id for intent, _ in books.orders(house.book)}
    assert sent(house)


def test_a_second_run_of_a_session_sends_no_second_order(house: Installation, books: PostgresLedger) -> None:
    assert house.run(LAST).success
    first = (sent(house), house.account.cash_usd, books.book_state(house.book))
    stored = house.warehouse.read("execution", "fills", LAST, LAST)
    again = house.run(LAST)
    assert again.success, problem(again)
    assert (sent(house), house.account.cash_usd, books.book_state(house.book)) == first
    assert house.warehouse.read("execution", "fills", LAST, LAST).equals(stored)


def test_fills_alone_a_second_time_send_nothing(house: Installation, books: PostgresLedger) -> None:
    assert house.run(LAST).success
    before = sent(house)
    assert house.run(LAST, (FILLS,)).success
    assert sent(house) == before


@pytest.mark.parametrize("keys", [TRADING, (FILLS,)], ids=["whole run", "fills alone"])
def test_a_session_that_is_not_the_current_one_sends_nothing(
    house: Installation, books: PostgresLedger, keys: tuple[dg.AssetKey, ...]
) -> None:
    result = house.run(BEFORE, keys, current=LAST)
    assert not result.success
    assert f"orders are sent for the current session {LAST} only, not {BEFORE}" in problem(result)
    assert books.orders(house.book) == []
    assert sent(house) == []
    assert books.last_session(house.book) is None, "the book was not opened for a session it does not trade"


def test_a_backfill_of_an_earlier_session_leaves_the_book_as_it_is(house: Installation, books: PostgresLedger) -> None:
    assert house.run(LAST).success
    before = books.book_state(house.book)
    result = house.run(BEFORE, (TARGET, APPROVED), current=LAST)
    assert not result.success
    assert books.book_state(house.book) == before


def test_fills_without_an_approval_are_refused(house: Installation, books: PostgresLedger) -> None:
    result = house.run(LAST, (FILLS,))
    assert f"risk/approved_orders holds nothing for {LAST} in book {house.book}" in problem(result)
    assert sent(house) == []


def test_books_that_differ_on_two_looks_stop_the_run(house: Installation, books: PostgresLedger) -> None:
    house.broker.open(LAST)
    house.account.cash_usd -= Decimal(25_000)  # money the ledger knows nothing of
    first = house.run(LAST, (TARGET, APPROVED))
    assert checks(first)["books_match_broker"], "once may be a broker that lags its own stream"
    result = house.run(LAST)
    assert not result.success
    assert checks(result)["books_match_broker"] is False
    assert "execution/fills" not in materialized(result)
    assert sent(house) == []


def test_throttle_halves_what_may_be_traded(house: Installation, books: PostgresLedger) -> None:
    assert house.run(LAST, (TARGET, APPROVED)).success
    full = house.warehouse.read("risk", "approved_orders", LAST, LAST).sort("symbol")
    latch(books, house, KillTier.THROTTLE)
    result = house.run(LAST, (TARGET, APPROVED))
    assert result.success, problem(result)
    half = house.warehouse.read("risk", "approved_orders", LAST, LAST).sort("symbol")
    traded = half.filter(pl.col("approved_shares") != 0)
    assert not traded.is_empty()
    assert set(traded["tier"]) == {"THROTTLE"}
    assert traded["reasons"].str.contains("THROTTLE").all()
    both = half.join(full, on="symbol", suffix="_full").filter(pl.col("reasons") == "THROTTLE")
    assert (both["approved_shares"] - both["approved_shares_full"] / 2).abs().max() < 1e-6


def test_a_loss_latches_the_tier_before_anything_is_sent(house: Installation, books: PostgresLedger) -> None:
    """Yesterday's opening was worth 10 % more: beyond the daily loss limit."""
    yesterday = BookState(
        book=house.book,
        cash_usd=Decimal(1_000_000),
        session=BEFORE,
        equity_usd=1_100_000.0,
        peak_equity_usd=1_100_000.0,
    )
    books.record_opening(BEFORE, yesterday)
    result = house.run(LAST)
    assert not result.success
    assert books.gate(house.book).tier >= KillTier.NO_NEW
    assert books.kill_states(house.book, limit=1)[0][2] == "kill switch"
    assert sent(house) == []


def test_a_gate_that_closes_between_approval_and_fills_is_seen(house: Installation, books: PostgresLedger) -> None:
    """The run has approved its orders; then someone latches the tier while the broker is opened for the fills."""

    class ClosesTheGate(SimBrokerResource):
        def open(self, session: dt.date) -> Broker:
            if books.last_session(house.book) is not None and house.warehouse.client.path("risk").exists():
                approved = house.warehouse.read("risk", "approved_orders", session, session)
                if not approved.is_empty():
                    latch(books, house, KillTier.NO_NEW)
            return super().open(session)

    house.run(LAST, broker=ClosesTheGate(key=house.book))
    assert sent(house) == []
    assert {state.value for _, state in books.orders(house.book)} == {"CANCELLED"}


def test_flatten_closes_every_position(house: Installation, books: PostgresLedger) -> None:
    assert house.run(LAST).success
    assert house.account.positions()
    config = {"ops": {"ops__flatten": {"config": {"raise_tier": True, "reason": "a test", "actor": "Ada"}}}}
    result = house.run(LAST, (), job="flatten", config=config)
    assert result.success, problem(result)
    assert house.account.positions() == []
    assert books.book_state(house.book).positions == {}
    assert books.gate(house.book).tier is KillTier.FLATTEN


def test_flatten_is_refused_below_its_tier(house: Installation, books: PostgresLedger) -> None:
    assert house.run(LAST).success
    held = house.account.positions()
    result = house.run(LAST, (), job="flatten")
    assert f"book {house.book} is at NORMAL: raise it to FLATTEN first" in problem(result)
    assert house.account.positions() == held
