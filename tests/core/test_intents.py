"""Approved changes into orders."""

from __future__ import annotations

import dataclasses
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qgtm_core.execution.intents import client_order_id, plan_orders
from qgtm_core.policy import RoutingPolicy
from qgtm_core.types import Algo, OrderIntent, OrderType, Side
from qgtm_core.view import Array
from tests.core.views import SESSION, full, view

NAN = np.nan
POLICY = RoutingPolicy()
changes = hnp.arrays(float, 4, elements=st.floats(-5000, 5000))
whole_positions = hnp.arrays(float, 4, elements=st.integers(-5000, 5000).map(float))


def plan(
    change: float | list[float] | Array, current: float | list[float] | Array = 0.0, **market: object
) -> tuple[OrderIntent, ...]:
    return plan_orders(view(**market), full(change), full(current), "paper", POLICY)  # type: ignore[arg-type]


def only(*args: object, **market: object) -> OrderIntent:
    (found,) = plan(*args, **market)  # type: ignore[arg-type]
    return found


def test_sales_come_first_then_symbols_in_order() -> None:
    found = plan([10, -5, 20, -7])
    assert [(i.symbol, i.side, i.quantity_shares) for i in found] == [
        ("SLV", Side.SELL, 5),
        ("UGL", Side.SELL, 7),
        ("GDX", Side.BUY, 20),
        ("GLD", Side.BUY, 10),
    ]


@pytest.mark.parametrize(
    ("change", "held", "shares"),
    [
        (10.9, 0.0, 10),
        (-10.9, 50.0, -10),
        (0.99, 0.0, 0),
        (-99.9999999, 100.0, -100),
        (99.9999999, -100.0, 100),
        (-10.6, 10.6, -10),  # a fraction is left rather than sold short
        (NAN, 10.0, 0),
        (1e-9, 0.0, 0),
    ],
)
def test_shares_are_whole_toward_zero_but_closing_closes(change: float, held: float, shares: int) -> None:
    found = plan([change, 0, 0, 0], [held, 0, 0, 0])
    assert sum(i.side.sign * i.quantity_shares for i in found) == shares


def test_without_a_decision_price_nothing_is_sent() -> None:
    assert plan([-5, 0, 0, 0], [5, 0, 0, 0], mid=[NAN, 100, 100, 100]) == ()


def test_no_change_gives_no_orders() -> None:
    assert plan(0.0) == ()
    assert plan(-0.0, 0.0) == ()


@pytest.mark.parametrize(
    ("shares", "algo"),
    [(10_000, Algo.SINGLE), (10_001, Algo.VWAP), (50_000, Algo.VWAP), (50_001, Algo.TWAP)],
)
def test_routing_follows_the_share_of_daily_volume(shares: int, algo: Algo) -> None:
    assert only([shares, 0, 0, 0]).algo is algo
    assert only([-shares, 0, 0, 0]).algo is algo


def test_an_unknown_volume_is_worked_most_carefully() -> None:
    assert only([1, 0, 0, 0], adv=NAN).algo is Algo.TWAP


def test_a_narrow_market_gets_a_market_order() -> None:
    found = only([1, 0, 0, 0], spread=4.0)
    assert (found.order_type, found.limit_price) == (OrderType.MARKET, None)


@pytest.mark.parametrize(
    ("change", "mid", "limit"),
    [
        (1, 100.0, "103.00"),
        (-1, 100.0, "97.00"),
        (1, 107.0, "110.21"),  # the float product is 110.21000000000001, which would round up a cent
        (1, 33.333, "34.34"),
        (-1, 33.333, "32.33"),
    ],
)
def test_a_wide_market_gets_a_collar_rounded_away_from_the_mid(change: float, mid: float, limit: str) -> None:
    found = only([change, 0, 0, 0], mid=mid, spread=4.1)
    assert found.order_type is OrderType.LIMIT
    assert found.limit_price == Decimal(limit)


def test_an_intent_carries_its_decision() -> None:
    found = only([3, 0, 0, 0], mid=182.12345)
    assert found.decision_mid == Decimal("182.1234")
    assert found.decided_at == view().decided_at
    assert found.correlation_id.startswith("sig-20240612-153000-")
    assert found.client_order_id == client_order_id(SESSION, "paper", "GLD", Side.BUY, "1")
    assert found.client_order_id.startswith("q1-20240612-paper-GLD-buy-")


def test_the_id_depends_on_everything_but_the_quantity() -> None:
    assert only([3, 0, 0, 0]).client_order_id == only([4000, 0, 0, 0], mid=99.0).client_order_id
    one = dataclasses.astuple(only([3, 0, 0, 0]))[0]
    others = {
        only([-3, 0, 0, 0]).client_order_id,
        only([0, 3, 0, 0]).client_order_id,
        plan_orders(view(), full([3, 0, 0, 0]), full(0), "other", POLICY)[0].client_order_id,
        plan_orders(view(), full([3, 0, 0, 0]), full(0), "paper", POLICY, attempt="2")[0].client_order_id,
    }
    assert len(others | {one}) == 5


@given(changes, whole_positions)
def test_orders_never_exceed_what_was_approved(change: Array, current: Array) -> None:
    found = plan(change, current)
    by_symbol = {i.symbol: i.side.sign * i.quantity_shares for i in found}
    assert len(by_symbol) == len(found)
    for symbol, approved in zip(view().symbols, change.tolist(), strict=True):
        sent = by_symbol.get(symbol, Decimal(0))
        assert sent == int(sent)
        assert abs(sent) <= abs(approved) + 1e-6
        assert abs(float(sent) - approved) < 1.0
        assert float(sent) * approved >= 0


@given(whole_positions)
def test_closing_everything_leaves_no_share(current: Array) -> None:
    sent = {i.symbol: i.side.sign * i.quantity_shares for i in plan(-current * (1 + 1e-13), current)}
    for symbol, held in zip(view().symbols, current.tolist(), strict=True):
        assert Decimal(int(held)) + sent.get(symbol, 0) == 0


@given(changes, whole_positions)
def test_planning_twice_gives_the_same_orders(change: Array, current: Array) -> None:
    assert plan(change, current) == plan(change, current)
