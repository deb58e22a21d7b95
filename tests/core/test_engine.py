"""One session from opinions to costs."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qgtm_core import calendar
from qgtm_core.backtest.simbroker import SimBroker
from qgtm_core.engine import (
    Step,
    apply_executions,
    approve_stage,
    costs,
    flatten_stage,
    open_session,
    plan_stage,
    step_session,
    target_stage,
)
from qgtm_core.errors import InvariantError
from qgtm_core.policy import Policy
from qgtm_core.types import BookState, Execution, KillTier, OrderIntent, Side
from qgtm_core.view import SessionView
from tests.core.views import SESSION, book, execution, intent, market_row, view

NAN = np.nan
POLICY = Policy()
CLUSTERS = ["trend"]
NEXT = calendar.next_session(SESSION)
quantities = st.integers(0, 3000)
prices = st.floats(20, 500).map(lambda v: round(v, 2))


def orders_of(state: BookState, market: SessionView, policy: Policy = POLICY) -> tuple[OrderIntent, ...]:
    opened = open_session(state, market, policy)
    target = target_stage(opened, market, CLUSTERS, policy)
    approval = approve_stage(opened, target.target_weight, market, policy)
    return plan_stage(opened, approval.approved_shares, market, policy)


def step(state: BookState, market: SessionView, policy: Policy = POLICY) -> tuple[BookState, Step]:
    broker = SimBroker(state.cash_usd)
    held = [(s, int(q)) for s, q in state.positions.items()]
    today = {s: market_row(s, float(m)) for s, m in zip(market.symbols, market.mid, strict=True) if np.isfinite(m)}
    broker.open_session(market.session, today, market.decided_at)
    broker._positions.update({s: Decimal(q) for s, q in held})
    return step_session(state, market, CLUSTERS, policy, broker)


def test_a_book_is_marked_at_the_decision() -> None:
    opened = open_session(book("900000", GLD=500, SLV=-100), view(mid=[200, 50, 100, 100]), POLICY)
    assert opened.equity_usd == 900_000 + 100_000 - 5_000
    np.testing.assert_allclose(opened.weights, np.array([100_000, -5_000, 0, 0]) / 995_000)
    assert opened.gate.tier is KillTier.NORMAL
    assert opened.state.session == SESSION
    assert (opened.state.equity_usd, opened.state.peak_equity_usd) == (995_000, 995_000)
    assert opened.state.previous_equity_usd is None


def test_the_peak_only_rises_and_the_previous_mark_is_that_of_the_session_before() -> None:
    first = open_session(book(), view(), POLICY).state
    second = open_session(replace(first, cash_usd=Decimal(995_000)), view(NEXT), POLICY).state
    assert (second.peak_equity_usd, second.equity_usd, second.previous_equity_usd) == (1e6, 995_000, 1e6)


@pytest.mark.parametrize(
    ("equity", "tier"),
    [
        ("989000", KillTier.WARN),
        ("984000", KillTier.THROTTLE),
        ("979000", KillTier.NO_NEW),
        ("849000", KillTier.FLATTEN),
        ("-1000", KillTier.FLATTEN),
    ],
)
def test_a_loss_latches_its_tier_with_session_and_reason(equity: str, tier: KillTier) -> None:
    before = replace(open_session(book(), view(), POLICY).state, cash_usd=Decimal(equity))
    state = open_session(before, view(NEXT), POLICY).state
    assert (state.latched, state.latched_session) == (tier, NEXT)
    assert "against" in state.latched_reason
    recovered = open_session(replace(state, cash_usd=Decimal(1_000_000)), view(calendar.next_session(NEXT)), POLICY)
    assert recovered.gate.tier is tier
    assert recovered.state.latched_session == NEXT


def test_a_missing_mark_closes_the_gate_and_is_not_taken_for_a_loss() -> None:
    first = open_session(book("0", GLD=10_000), view(), POLICY).state
    opened = open_session(first, view(NEXT, mid=[NAN, 100, 100, 100]), POLICY)
    assert opened.gate.tier is KillTier.NO_NEW
    assert opened.gate.reason == "marks are missing"
    assert (opened.state.equity_usd, opened.state.peak_equity_usd) == (1e6, 1e6)
    assert orders_of(first, view(NEXT, mid=[NAN, 100, 100, 100])) == ()
    assert open_session(first, view(NEXT, mid=[100, NAN, NAN, NAN]), POLICY).gate.open


def test_a_position_outside_the_universe_stops_the_session() -> None:
    with pytest.raises(InvariantError, match=r"book test holds \['TSLA'\]"):
        open_session(book("1000", TSLA=5), view(), POLICY)
    assert open_session(book("1000", TSLA=0), view(), POLICY).equity_usd == 1000.0


@pytest.mark.parametrize("cash", ["0", "-500"])
def test_a_book_without_equity_trades_nothing(cash: str) -> None:
    opened = open_session(book(cash), view(), POLICY)
    assert not opened.gate.open
    assert opened.weights.tolist() == [0, 0, 0, 0]
    assert orders_of(book(cash), view()) == ()


@pytest.mark.parametrize(
    "market", [view(score=NAN), view(vol=NAN), view(mid=NAN)], ids=["no signals", "no volatility", "no quotes"]
)
def test_nothing_known_gives_no_orders(market: SessionView) -> None:
    assert orders_of(book(), market) == ()


def test_no_order_leaves_while_the_gate_is_closed() -> None:
    state = replace(book("900000", GLD=1000), latched=KillTier.NO_NEW, latched_reason="by hand")
    assert orders_of(state, view()) == ()
    assert flatten_stage(open_session(state, view(), POLICY), view(), POLICY) == ()


def test_flatten_closes_every_position_under_ids_of_its_own() -> None:
    state = replace(book("900000", GLD=1000, GDX=-30), latched=KillTier.FLATTEN, latched_reason="by hand")
    opened = open_session(state, view(), POLICY)
    assert plan_stage(opened, -opened.shares, view(), POLICY) == ()
    found = flatten_stage(opened, view(), POLICY)
    assert [(i.symbol, i.side, i.quantity_shares) for i in found] == [("GLD", Side.SELL, 1000), ("GDX", Side.BUY, 30)]
    after, done = step(state, view())
    assert after.positions == {}
    assert {i.client_order_id for i in done.intents} == {i.client_order_id for i in found}
    assert done.approval.approved_shares.tolist() == [-1000, 0, 30, 0]


def test_a_position_inherited_short_is_bought_back_when_shorts_are_not_allowed() -> None:
    (found,) = orders_of(book("1000000", GLD=-500), view(score=[-0.5, NAN, NAN, NAN]))
    assert (found.side, found.quantity_shares) == (Side.BUY, 500)


def test_a_step_trades_towards_the_target_and_books_exact_cash() -> None:
    state, done = step(book(), view(score=[0.5, 0.3, 0.0, 0.0]))
    assert {i.symbol for i in done.intents} == {"GLD", "SLV"}
    assert not done.reset
    spent = sum(e.side.sign * e.quantity_shares * e.price for e in done.executions)
    assert isinstance(state.cash_usd, Decimal)
    assert state.cash_usd + spent == Decimal(1_000_000)
    assert state.positions == {
        s: sum(e.quantity_shares for e in done.executions if e.symbol == s) for s in ("GLD", "SLV")
    }
    frame = costs(done, {s: market_row(s, 100.0) for s in ("GLD", "SLV")}, view())
    assert (frame["shortfall_usd"] > 0).all()
    assert frame["decision_basis"].to_list() == ["quote", "quote"]


@given(
    st.lists(quantities, min_size=4, max_size=4),
    st.lists(prices, min_size=4, max_size=4),
    st.lists(st.one_of(st.just(NAN), st.floats(-1, 1)), min_size=4, max_size=4),
    st.one_of(st.none(), st.floats(5e5, 3e6)),
    st.sampled_from(list(KillTier)),
    st.booleans(),
)
def test_opening_a_session_again_from_its_record_gives_the_same_orders(
    shares: list[int],
    mids: list[float],
    score: list[float],
    before: float | None,
    latched: KillTier,
    gap: bool,
) -> None:
    state = book("500000", **dict(zip(("GLD", "SLV", "GDX", "UGL"), shares, strict=True)))
    state = replace(state, equity_usd=before, peak_equity_usd=before, latched=latched, session=SESSION)
    market = view(NEXT, mid=[NAN if gap else mids[0], *mids[1:]], score=score)
    first = open_session(state, market, POLICY)
    again = open_session(first.state, market, POLICY)
    assert again.state == first.state
    assert again.gate == first.gate
    assert again.equity_usd == first.equity_usd
    assert orders_of(first.state, market) == orders_of(state, market)
    assert flatten_stage(again, market, POLICY) == flatten_stage(first, market, POLICY)


fills_list = st.lists(
    st.tuples(
        st.sampled_from(["GLD", "SLV"]),
        st.sampled_from(list(Side)),
        st.integers(1, 999),
        st.integers(1, 10**7).map(lambda n: Decimal(n) / 10_000),
    ),
    max_size=12,
)


@given(fills_list)
def test_fills_move_cash_and_positions_to_the_last_digit(found: list[tuple[str, Side, int, Decimal]]) -> None:
    fills: list[Execution] = [
        execution(intent(quantity, side, symbol), quantity, str(price), n)
        for n, (symbol, side, quantity, price) in enumerate(found)
    ]
    state = apply_executions(book("12345.67", GLD=7), fills)
    net = {
        s: sum((f.side.sign * f.quantity_shares for f in fills if f.symbol == s), Decimal(0)) for s in ("GLD", "SLV")
    }
    spent = sum((f.side.sign * f.quantity_shares * f.price for f in fills), Decimal(0))
    assert state.cash_usd == Decimal("12345.67") - spent
    assert state.positions == {s: q for s, q in {"GLD": 7 + net["GLD"], "SLV": net["SLV"]}.items() if q}


def test_a_latched_tier_is_reset_only_where_a_policy_says_so_and_only_after_its_sessions() -> None:
    state = replace(
        book(), session=dt.date(2024, 3, 27), equity_usd=1e6, peak_equity_usd=2e6, previous_equity_usd=1e6,
        latched=KillTier.FLATTEN, latched_reason="drawdown", latched_session=dt.date(2024, 3, 27),
    )  # fmt: skip
    simulated = Policy(simulated_reset_sessions=2)
    monday = view(dt.date(2024, 4, 1))  # two sessions on: Good Friday is a weekday without one
    assert step(state, monday)[1].opened.gate.tier is KillTier.FLATTEN
    assert not step(state, view(dt.date(2024, 3, 28)), simulated)[1].reset
    _, done = step(state, monday, simulated)
    assert done.reset
    assert done.opened.gate.tier is KillTier.NORMAL
    assert done.opened.state.peak_equity_usd == 1e6  # the drawdown that flattened is history
    three = Policy(simulated_reset_sessions=3)
    assert not step(state, monday, three)[1].reset


def test_a_reset_of_a_lesser_tier_keeps_the_peak() -> None:
    state = replace(
        book(), session=SESSION, equity_usd=1e6, peak_equity_usd=1.1e6,
        latched=KillTier.NO_NEW, latched_reason="daily loss", latched_session=SESSION,
    )  # fmt: skip
    after, done = step(state, view(NEXT), Policy(simulated_reset_sessions=1))
    assert done.reset
    assert after.peak_equity_usd == 1.1e6
    assert (after.latched, after.latched_reason, after.latched_session) == (KillTier.NORMAL, "", None)
