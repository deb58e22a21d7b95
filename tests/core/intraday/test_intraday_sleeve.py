"""The intraday sleeve in the one book: its part and the daily part always add up, and no tick trades twice."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qgtm_core import calendar
from qgtm_core.backtest.simbroker import SimBroker
from qgtm_core.engine import approve_stage, open_session, plan_stage, step_session, target_stage
from qgtm_core.errors import InvariantError
from qgtm_core.intraday import clock
from qgtm_core.intraday.evaluate import evaluate_intraday
from qgtm_core.intraday.quotes import tick_quotes
from qgtm_core.intraday.rows import sleeve_order_rows, tick_rows
from qgtm_core.intraday.sleeve import intraday_step, of_sleeve, run_ticks, shares_of, sleeve_positions, tick_view
from qgtm_core.policy import IntradayPolicy, Policy, PortfolioPolicy
from qgtm_core.schemas.intraday import INTRADAY_ORDERS, INTRADAY_TARGET
from qgtm_core.schemas.pit import PIT_TABLES
from qgtm_core.strategies.registry import INTRADAY
from qgtm_core.types import BookState, KillTier, OrderState, Quote, Side
from qgtm_core.view import SessionView
from tests.core.intraday import markets
from tests.core.views import SESSION, SYMBOLS, book, market_row, view

POLICY = Policy()
SHORTS = Policy(portfolio=PortfolioPolicy(allow_short=True))
TICKS = clock.ticks(SESSION, SESSION)["decided_at"].to_list()
NOON = TICKS[29]
SIZES = (2,)  # one strategy of two symbols


def at(tick: dt.datetime, score: Sequence[float], mid: Sequence[float] = (200.0, 25.0, 35.0, 80.0)) -> SessionView:
    return replace(view(score=list(score), mid=list(mid)), decided_at=tick)


def filled(state: BookState, market: SessionView, policy: Policy = POLICY, **sleeve: int) -> dict[str, int]:
    """Signed shares ordered at one tick."""
    own = {symbol: Decimal(shares) for symbol, shares in sleeve.items()}
    tick = intraday_step(state, market, own, SIZES, policy)
    return {i.symbol: i.side.sign * int(i.quantity_shares) for i in tick.intents}


def test_the_budget_is_spread_over_strategies_and_their_symbols() -> None:
    tick = intraday_step(book(), at(NOON, [1.0, -1.0, np.nan, np.nan]), {}, SIZES, SHORTS)
    np.testing.assert_allclose(tick.sleeve_weight, [0.05, -0.05, 0, 0])
    assert filled(book(), at(NOON, [1.0, -1.0, np.nan, np.nan]), SHORTS) == {"GLD": 250, "SLV": -2000}
    silent = replace(view(score=np.array([[1.0, -1.0, np.nan, np.nan], [np.nan] * 4])), decided_at=NOON)
    two = intraday_step(book(), silent, {}, (2, 1), SHORTS)
    np.testing.assert_allclose(two.sleeve_weight, [0.025, -0.025, 0, 0])


def test_every_strategy_of_the_view_has_a_size() -> None:
    with pytest.raises(InvariantError, match="1 strategies, 2 sizes"):
        intraday_step(book(), at(NOON, [1.0, -1.0, np.nan, np.nan]), {}, (2, 1), SHORTS)


def test_the_sleeve_keeps_to_a_volatility_of_its_own() -> None:
    tight = replace(SHORTS, intraday=IntradayPolicy(annual_vol_limit=0.005))
    tick = intraday_step(book(), at(NOON, [1.0, 1.0, np.nan, np.nan]), {}, SIZES, tight)
    assert 0.0 < tick.sleeve_weight[0] < 0.05
    both = np.abs(tick.sleeve_weight[:2]).sum() * 0.2
    assert 0.005 <= both <= 0.008  # nearly uncorrelated returns in this market


def test_what_the_daily_sleeve_holds_is_left_alone() -> None:
    state = book("900000", GLD=500, GDX=400)
    assert filled(state, at(NOON, [0.5, np.nan, np.nan, np.nan])) == {"GLD": 126}
    assert filled(state, at(NOON, [np.nan] * 4)) == {}


def test_a_negative_view_reduces_a_daily_position_and_never_goes_short_of_it() -> None:
    assert filled(book("900000", GLD=500), at(NOON, [-1.0, np.nan, np.nan, np.nan])) == {"GLD": -250}
    tick = intraday_step(book("900000", GLD=100), at(NOON, [-1.0, -1.0, np.nan, np.nan]), {}, SIZES, POLICY)
    assert {i.symbol: int(i.quantity_shares) for i in tick.intents} == {"GLD": 100}
    assert tick.reasons[:2] == ("NO_SHORT", "NO_SHORT")
    assert filled(book("900000", GLD=100), at(NOON, [-1.0, np.nan, np.nan, np.nan]), SHORTS) == {"GLD": -230}


def test_an_exit_closes_the_sleeve_to_the_share_and_leaves_the_daily_part() -> None:
    state = book("900000", GLD=537, SLV=3)
    assert filled(state, at(NOON, [0.0, 0.0, np.nan, np.nan]), GLD=237, SLV=3) == {"GLD": -237, "SLV": -3}
    assert filled(state, at(NOON, [np.nan] * 4), GLD=-63) == {"GLD": 63}


def test_a_small_change_of_mind_is_not_traded() -> None:
    state = book("950000", GLD=250)
    assert filled(state, at(NOON, [0.99, np.nan, np.nan, np.nan]), GLD=250) == {}
    assert filled(state, at(NOON, [0.5, np.nan, np.nan, np.nan]), GLD=250) == {"GLD": -125}


def test_a_daily_position_over_its_limit_is_not_trimmed_within_the_day() -> None:
    state = book("100000", GLD=4500)  # 90 % of equity
    assert filled(state, at(NOON, [0.0, np.nan, np.nan, np.nan])) == {}
    assert filled(state, at(NOON, [1.0, np.nan, np.nan, np.nan])) == {}
    assert filled(state, at(NOON, [-1.0, np.nan, np.nan, np.nan])) == {"GLD": -250}


def test_a_symbol_with_an_unsettled_order_waits() -> None:
    market = at(NOON, [1.0, 1.0, np.nan, np.nan])
    tick = intraday_step(book(), market, {}, SIZES, POLICY, busy={"GLD"})
    assert [i.symbol for i in tick.intents] == ["SLV"]
    assert tick.reasons[0] == "IN_FLIGHT"


def test_yesterdays_close_marks_the_book_but_nothing_new_is_bought_at_it() -> None:
    market = replace(at(NOON, [1.0, np.nan, np.nan, np.nan]), quote_basis=("previous_close",) * 4)
    assert filled(book("900000", GLD=500), market) == {}
    assert filled(book("900000", GLD=500), market, GLD=100) == {"GLD": -100}


@pytest.mark.parametrize("tier", [KillTier.NO_NEW, KillTier.FLATTEN])
def test_a_closed_gate_plans_no_order(tier: KillTier) -> None:
    state = replace(book("900000", GLD=500), latched=tier, latched_reason="by hand")
    for score in (1.0, -1.0, 0.0):
        assert filled(state, at(NOON, [score, np.nan, np.nan, np.nan]), GLD=100) == {}


def test_throttled_the_budget_is_half_and_so_is_what_adds() -> None:
    state = replace(book(), latched=KillTier.THROTTLE, latched_reason="by hand")
    assert filled(state, at(NOON, [1.0, np.nan, np.nan, np.nan])) == {"GLD": 62}


def test_a_loss_within_the_day_is_measured_from_the_last_decision() -> None:
    before = open_session(
        book("900000", GLD=500), replace(at(NOON, [np.nan] * 4), session=calendar.previous_session(SESSION)), POLICY
    ).state
    hit = intraday_step(before, at(NOON, [1.0, np.nan, np.nan, np.nan], mid=(150.0, 25, 35, 80)), {}, SIZES, POLICY)
    assert hit.opened.gate.tier is KillTier.NO_NEW
    assert hit.intents == ()


# Identity of orders


def test_ids_tell_the_tick_and_a_rerun_finds_the_same_ones() -> None:
    def ids(tick: dt.datetime) -> list[str]:
        found = intraday_step(book(), at(tick, [1.0, 1.0, np.nan, np.nan]), {}, SIZES, POLICY).intents
        assert all(of_sleeve(i) and i.decided_at == tick for i in found)
        return [i.client_order_id for i in found]

    every = [name for tick in TICKS for name in ids(tick)]
    assert len(set(every)) == len(every) == 2 * len(TICKS)
    assert ids(NOON) == ids(NOON)
    daily = plan_stage(open_session(book(), view(), POLICY), np.array([5.0, 5, 0, 0]), view(), POLICY)
    assert not any(of_sleeve(i) for i in daily)
    assert {i.client_order_id for i in daily}.isdisjoint(every)


def account(state: BookState, market: SessionView) -> SimBroker:
    broker = SimBroker(state.cash_usd)
    broker._positions.update(state.positions)
    move(broker, market)
    return broker


def move(broker: SimBroker, market: SessionView) -> None:
    rows = {s: market_row(s, float(m)) for s, m in zip(market.symbols, market.mid, strict=True)}
    broker.open_session(market.session, rows, market.decided_at)


scores = st.lists(st.floats(-1, 1), min_size=2, max_size=2)
held = st.integers(0, 800)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(scores, min_size=1, max_size=8),
    held,
    held,
    st.booleans(),
    st.lists(st.floats(0.97, 1.03), min_size=8, max_size=8),
)
def test_the_parts_of_both_sleeves_add_up_to_the_book_whatever_happens(
    path: list[list[float]], gld: int, slv: int, shorts: bool, drift: list[float]
) -> None:
    policy = SHORTS if shorts else POLICY
    start = book("1000000", GLD=gld, SLV=slv)
    markets_seen = [
        at(TICKS[10 + n], [*score, np.nan, np.nan], mid=(200.0 * drift[n], 25.0 * drift[-n - 1], 35.0, 80.0))
        for n, score in enumerate(path)
    ]
    broker = account(start, markets_seen[0])

    def moved() -> list[SessionView]:
        for market in markets_seen:
            move(broker, market)
            yield market

    state, sleeve, done = run_ticks(start, moved(), SIZES, policy, broker)
    at_broker = {p.symbol: p.quantity_shares for p in broker.positions() if p.quantity_shares}
    assert at_broker == {s: q for s, q in state.positions.items() if q}
    assert broker.cash_usd == state.cash_usd
    for symbol in ("GLD", "SLV"):
        assert state.positions.get(symbol, 0) - sleeve.get(symbol, 0) == start.positions[symbol]
        if not shorts:
            assert state.positions.get(symbol, 0) >= 0
    intents = [i for tick in done for i in tick.intents]
    assert len({i.client_order_id for i in intents}) == len(intents)
    assert sleeve_positions(intents, broker.executions()) == sleeve
    before = len(broker.executions())
    last = done[-1]
    for intent in last.intents:  # the same tick again
        broker.submit(intent)
    assert len(broker.executions()) == before
    flat = at(TICKS[-2], [0.0, 0.0, np.nan, np.nan])
    move(broker, flat)
    closing = intraday_step(state, flat, sleeve, SIZES, policy)
    assert {i.symbol: i.side.sign * i.quantity_shares for i in closing.intents} == {s: -q for s, q in sleeve.items()}


@settings(max_examples=60, deadline=None)
@given(st.floats(-1, 1), held, st.integers(-200, 200), st.booleans())
def test_the_daily_rebalance_closes_the_sleeve_in_the_same_order(
    score: float, daily: int, own: int, fine: bool
) -> None:
    """What it trades with a sleeve is what it trades without, less the sleeve."""
    policy = SHORTS if not fine else POLICY
    limits = replace(policy.limits, min_order_notional_usd=0.0, max_position_weight=1.0)
    policy = replace(policy, limits=limits)
    market = at(calendar.decision_time(SESSION), [score, np.nan, np.nan, np.nan])
    alone, both = (
        book(str(1_000_000 - daily * 200), GLD=daily),
        book(str(1_000_000 - (daily + own) * 200), GLD=daily + own),
    )

    def wanted(state: BookState, sleeve: int) -> float:
        opened = open_session(state, market, policy)
        target = target_stage(opened, market, ["trend"], policy, shares_of({"GLD": Decimal(sleeve)}, SYMBOLS))
        return float(approve_stage(opened, target.target_weight, market, policy).approved_shares[0])

    assert wanted(both, own) == pytest.approx(wanted(alone, 0) - own, abs=1e-6)


# A session from bars to the flat book


def whole_day(
    day: dt.date, seed: int, policy: Policy = SHORTS
) -> tuple[BookState, dict[str, Decimal], list, SimBroker]:
    """Signals, ticks and fills of one session at the prices of its bars."""
    pit, ticks = markets.pit(seed), markets.ticks(day, day)
    chosen = {k: INTRADAY[k] for k in ("gold_silver_ratio_intraday", "vwap_reversion_intraday", "gold_gamma_scalp")}
    told = {k: evaluate_intraday(s, pit, ticks) for k, s in chosen.items()}
    base = view(calendar.previous_session(day), symbols=("GLD", "SLV", "GDX"), score=np.nan, vol=0.2)
    start = book("800000", GLD=400, GDX=300)
    broker = SimBroker(start.cash_usd)
    broker._positions.update(start.positions)

    def views() -> list[SessionView]:
        for instant in ticks["decided_at"]:
            quotes = tick_quotes(base.symbols, pit["bars_intraday"], PIT_TABLES["prices"].empty(), instant)
            now = {k: frame.filter(pl.col("decided_at") == instant) for k, frame in told.items()}
            market = tick_view(base, now, quotes, day, instant)
            move(broker, market)
            yield market

    state, sleeve, done = run_ticks(start, views(), [len(s.symbols) for s in chosen.values()], policy, broker)
    return state, sleeve, done, broker


@pytest.mark.parametrize("seed", [3, 4, 5])
@pytest.mark.parametrize("day", [dt.date(2024, 7, 1), dt.date(2024, 7, 3)], ids=["full day", "early close"])
def test_a_day_ends_flat_at_the_broker_with_the_daily_positions_untouched(day: dt.date, seed: int) -> None:
    state, sleeve, done, broker = whole_day(day, seed)
    assert sleeve == {}
    assert state.positions == {"GLD": Decimal(400), "GDX": Decimal(300)}
    assert {p.symbol: p.quantity_shares for p in broker.positions()} == state.positions
    assert broker.cash_usd == state.cash_usd
    intents = [i for tick in done for i in tick.intents]
    assert intents
    last = calendar.close_at(day) - clock.FLAT_BEFORE_CLOSE
    assert max(f.executed_at for f in broker.executions()) <= last
    for tick in done:
        assert np.abs(tick.sleeve_weight).sum() <= POLICY.intraday.max_gross_weight + 1e-9
    rows = tick_rows(done[-1], _last_view(day), POLICY.policy_hash)
    INTRADAY_TARGET.require_valid(rows)
    orders = sleeve_order_rows([(i, OrderState.FILLED) for i in intents], broker.executions())
    INTRADAY_ORDERS.require_valid(orders)
    assert (orders["filled_shares"] == orders["quantity_shares"]).all()


def _last_view(day: dt.date) -> SessionView:
    base = view(day, symbols=("GLD", "SLV", "GDX"), score=np.nan)
    return replace(base, decided_at=clock.ticks(day, day)["decided_at"][-1])


def test_the_same_day_again_gives_the_same_orders() -> None:
    one, two = (whole_day(dt.date(2024, 7, 1), 3) for _ in range(2))
    assert [i for t in one[2] for i in t.intents] == [i for t in two[2] for i in t.intents]
    assert one[3].executions() == two[3].executions()


def test_the_rebalance_after_the_ticks_leaves_no_share_of_the_sleeve() -> None:
    start = book("1000000")
    market = at(NOON, [1.0, 0.8, np.nan, np.nan])
    broker = account(start, market)
    state, sleeve, _ = run_ticks(start, [market], SIZES, POLICY, broker)
    assert set(sleeve) == {"GLD", "SLV"}
    decision = at(calendar.decision_time(SESSION), [0.6, np.nan, np.nan, np.nan])
    move(broker, decision)
    policy = replace(POLICY, limits=replace(POLICY.limits, max_position_weight=1.0))
    after, step = step_session(state, decision, ["trend"], policy, broker, shares_of(sleeve, SYMBOLS))
    assert "SLV" not in after.positions
    assert float(after.positions["GLD"]) == pytest.approx(
        step.target.target_weight[0] * step.opened.equity_usd / 200, abs=1
    )
    assert sum(i.symbol == "GLD" for i in step.intents) == 1


# Prices at a tick


def test_the_price_of_a_tick_is_a_quote_else_a_bar_of_today_else_the_close_before() -> None:
    bars = markets.bars()
    day = dt.date(2024, 7, 1)
    tick = clock.ticks(day, day)["decided_at"][10]
    closes = markets.finish(
        "prices",
        pl.DataFrame(
            {
                "symbol": ["GLD", "NEM"],
                "event_date": [dt.date(2024, 6, 28)] * 2,
                "close": [1.0, 42.0],
                "adj_close": [1.0, 42.0],
            }
        ).with_columns(
            event_at=pl.lit(dt.datetime(2024, 6, 28, 20, tzinfo=dt.UTC)),
            available_at=pl.lit(dt.datetime(2024, 6, 28, 20, 15, tzinfo=dt.UTC)),
        ),
    )
    fresh = Quote("SLV", 27.0, 27.02, tick - dt.timedelta(seconds=3), "quote")
    old = Quote("GLD", 1.0, 1.1, tick - dt.timedelta(minutes=6), "quote")
    crossed = Quote("GDX", 5.0, 4.0, tick, "quote")
    found = tick_quotes(
        ("GLD", "SLV", "GDX", "NEM", "AEM"), bars, closes, tick, {"SLV": fresh, "GLD": old, "GDX": crossed}
    )
    assert found["symbol"].to_list() == ["GLD", "SLV", "GDX", "NEM"]
    assert found["basis"].to_list() == ["intraday_bar", "quote", "intraday_bar", "previous_close"]
    known = bars.filter((pl.col("symbol") == "GLD") & (pl.col("interval") == "5m") & (pl.col("available_at") <= tick))
    assert found["mid"][0] == known.sort("event_at")["close"][-1]
    assert found["mid"].to_list()[1::2] == [pytest.approx(27.01), 42.0]


def test_a_buy_of_the_sleeve_is_worked_before_the_next_tick() -> None:
    market = at(NOON, [1.0, np.nan, np.nan, np.nan])
    broker = account(book(), market)
    (intent,) = intraday_step(book(), market, {}, SIZES, POLICY).intents
    broker.submit(intent)
    assert intent.side is Side.BUY
    assert all(NOON < fill.executed_at < NOON + clock.TICK for fill in broker.executions())
