"""The loop over bars: by hand, against plain Python, and against the broker in memory where assumptions agree."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qgtm_core import calendar
from qgtm_core.backtest.fills import FillModel, MarketRow
from qgtm_core.backtest.research.events import BarRules, BarRun, FillAt, compile_decision, run_bars
from qgtm_core.backtest.simbroker import AccountRules, SimBroker
from qgtm_core.errors import DataError
from qgtm_core.types import Algo, OrderIntent, OrderType, Side

CASH = 1_000_000.0
SCHEDULE = np.array([300.0, 300.0, -2_500.0, 0.0, 40.5])


def scheduled(t: int, bar: np.ndarray, shares: np.ndarray, state: np.ndarray, target: np.ndarray) -> None:
    """Targets from the rule's memory, one a bar, for every instrument the same."""
    target[:] = state[t]


def trending(t: int, bar: np.ndarray, shares: np.ndarray, state: np.ndarray, target: np.ndarray) -> None:
    """Buy what rose since the last bar and sell what fell; no opinion on what has no price, and on the second bar."""
    for i in range(len(shares)):
        price = bar[i, 3]
        if t == 2:
            target[i] = math.nan
        elif price == price:  # noqa: PLR0124 - NaN
            target[i] = 10.0 * (i + 1) * (1.0 if price > state[i] else -1.0)
            state[i] = price


SCHEDULED, TRENDING = compile_decision(scheduled), compile_decision(trending)


def bars(close: list[float], volume: float = 10_000.0) -> np.ndarray:
    prices = np.array(close)
    return np.stack([prices, prices, prices, prices, np.full(len(close), volume)], axis=1)


def fills(run: BarRun) -> list[tuple[int, int, float, float]]:
    columns = run.bar.tolist(), run.instrument.tolist(), run.shares.tolist(), run.price_usd.tolist()
    return list(zip(*columns, strict=True))


def test_an_order_fills_at_this_close_or_at_the_next_one() -> None:
    prices, wanted = bars([10.0, 11.0, 12.0]), np.array([5.0, 5.0, 0.0])
    now = run_bars(prices, SCHEDULED, wanted, BarRules(FillAt.THIS_CLOSE), CASH)
    assert fills(now) == [(0, 0, 5.0, 10.0), (2, 0, -5.0, 12.0)]
    assert (now.equity_usd - CASH).tolist() == [0.0, 5.0, 10.0]
    later = run_bars(prices, SCHEDULED, wanted, BarRules(FillAt.NEXT_CLOSE), CASH)
    assert fills(later) == [(1, 0, 5.0, 11.0)]  # the order of the last bar has no next one
    assert (later.equity_usd - CASH).tolist() == [0.0, 0.0, 5.0]


def test_what_the_volume_does_not_admit_is_cancelled_and_ordered_anew() -> None:
    rules = BarRules(FillAt.THIS_CLOSE, participation=0.1)
    run = run_bars(bars([10.0, 10.0, 10.0], volume=45.0), SCHEDULED, np.full(3, 10.0), rules, CASH)
    assert run.shares.tolist() == [4.0, 4.0, 2.0]  # whole shares of 4.5
    pending = BarRules(FillAt.NEXT_CLOSE, participation=0.1)
    run = run_bars(bars([10.0, 10.0, 10.0], volume=45.0), SCHEDULED, np.full(3, 10.0), pending, CASH)
    assert run.shares.tolist() == [4.0, 4.0]


def test_a_bar_without_price_or_needed_volume_fills_nothing_and_keeps_the_mark() -> None:
    run = run_bars(bars([10.0, np.nan, 12.0]), SCHEDULED, np.array([5.0, 0.0, 5.0]), BarRules(FillAt.THIS_CLOSE), CASH)
    assert len(run.bar) == 1
    assert (run.equity_usd - CASH).tolist() == [0.0, 0.0, 10.0]
    unknown = bars([10.0], volume=np.nan)
    assert len(run_bars(unknown, SCHEDULED, np.ones(1), BarRules(FillAt.THIS_CLOSE, participation=0.1)).bar) == 0
    assert len(run_bars(unknown, SCHEDULED, np.ones(1), BarRules(FillAt.THIS_CLOSE)).bar) == 1


def test_costs_are_a_share_of_the_notional_and_lots_may_be_fractions() -> None:
    rules = BarRules(FillAt.THIS_CLOSE, cost_rate=0.01, lot_shares=0.0)
    for rule in (SCHEDULED, scheduled):
        run = run_bars(bars([10.0]), rule, np.array([2.5]), rules, CASH)
        assert run.fee_usd.tolist() == [0.25]
        assert run.equity_usd.tolist() == [CASH - 0.25]
        assert run.position_shares.tolist() == [2.5]


def test_bars_that_may_not_be_written_are_read_all_the_same() -> None:
    prices = bars([10.0, 11.0])
    prices.setflags(write=False)
    assert fills(run_bars(prices, SCHEDULED, np.array([5.0, 5.0]))) == [(1, 0, 5.0, 11.0)]


def plain(prices: np.ndarray, rules: BarRules) -> np.ndarray:
    """The same account with the trending rule, written with dictionaries."""
    count = prices.shape[1]
    cash, held, marks, seen = CASH, dict.fromkeys(range(count), 0.0), dict.fromkeys(range(count), 0.0), [0.0] * count
    pending: dict[int, float] = {}
    equity = []

    def fill(t: int) -> float:
        spent = 0.0
        for i, order in pending.items():
            price, volume = prices[t, i, 3], prices[t, i, 4]
            most = math.inf if rules.participation == math.inf else rules.participation * volume
            quantity = 0.0 if math.isnan(most) else float(math.floor(min(abs(order), most)))
            if quantity and price > 0.0:
                held[i] += math.copysign(quantity, order)
                spent += math.copysign(quantity, order) * price + quantity * price * rules.cost_rate
        pending.clear()
        return spent

    for t in range(len(prices)):
        if rules.fill_at is FillAt.NEXT_CLOSE:
            cash -= fill(t)
        for i in range(count):
            price = prices[t, i, 3]
            if not math.isnan(price):
                marks[i] = price
                if t != 2:
                    pending[i] = 10.0 * (i + 1) * (1.0 if price > seen[i] else -1.0) - held[i]
                    seen[i] = price
        if rules.fill_at is FillAt.THIS_CLOSE:
            cash -= fill(t)
        equity.append(cash + sum(held[i] * marks[i] for i in range(count)))
    return np.array(equity)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.sampled_from(FillAt), st.sampled_from([math.inf, 0.1]))
def test_compiled_and_plain_loops_agree_with_an_account_written_in_python(
    seed: int, fill_at: FillAt, participation: float
) -> None:
    rng = np.random.default_rng(seed)
    prices = 100 + np.cumsum(rng.normal(0, 1, (30, 2, 5)), axis=0)
    prices[:, :, 4] = rng.integers(0, 300, (30, 2))
    prices[rng.random((30, 2)) < 0.1] = np.nan
    rules = BarRules(fill_at, 2e-4, participation)
    compiled, stepped = (run_bars(prices, rule, np.zeros(2), rules, CASH) for rule in (TRENDING, trending))
    assert fills(compiled) == fills(stepped)
    assert np.array_equal(compiled.state, stepped.state)
    assert np.array_equal(compiled.equity_usd, stepped.equity_usd)
    np.testing.assert_allclose(compiled.equity_usd, plain(prices, rules), rtol=1e-13)


def test_the_loop_agrees_with_the_broker_in_memory_where_only_the_spread_costs() -> None:
    """Half a spread of 1 bp, no impact, 10 % of the volume, whole shares, filled at once: cash to the cent."""
    closes, volumes = [100.0, 101.0, 99.0, 98.0, 100.0], [20_000.0, 20_000.0, 20_000.0, 9_000.0, 9_000.0]
    broker = SimBroker(Decimal(int(CASH)), FillModel(impact_y=0.0), AccountRules(leverage=10.0))
    sessions = [dt.date(2024, 6, day) for day in range(3, 8)]
    equity = []
    for session, close, volume, wanted in zip(sessions, closes, volumes, SCHEDULE, strict=True):
        broker.open_session(session, {"GLD": MarketRow("GLD", close, 1.0, volume, 1e6, 0.01, close, close)})
        held = sum((p.quantity_shares for p in broker.positions()), Decimal(0))
        order = int(wanted) - int(held)
        if order:
            broker.submit(intent(session, order))
        held = sum((p.quantity_shares for p in broker.positions()), Decimal(0))
        equity.append(float(broker.account().cash_usd) + float(held) * close)
    prices = bars(closes)
    prices[:, 4] = volumes
    run = run_bars(prices, SCHEDULED, SCHEDULE, BarRules(FillAt.THIS_CLOSE, 1e-4, participation=0.1), CASH)
    assert run.shares.tolist() == [300.0, -2_000.0, 900.0, 840.0]
    assert run.equity_usd.tolist() == pytest.approx(equity, abs=0.01)


def intent(session: dt.date, shares: int) -> OrderIntent:
    return OrderIntent(
        client_order_id=f"q1-{session}-GLD-1",
        session=session,
        book="test",
        symbol="GLD",
        side=Side.BUY if shares > 0 else Side.SELL,
        quantity_shares=Decimal(abs(shares)),
        order_type=OrderType.MARKET,
        limit_price=None,
        decision_mid=Decimal(100),
        algo=Algo.SINGLE,
        correlation_id="c",
        decided_at=calendar.decision_time(session),
    )


def test_input_that_cannot_be_is_refused() -> None:
    with pytest.raises(DataError, match="bars have shape"):
        run_bars(np.ones((3, 4)), SCHEDULED, np.zeros(3))
    with pytest.raises(DataError, match="cash_usd"):
        run_bars(bars([1.0]), SCHEDULED, np.zeros(1), cash_usd=0.0)
    with pytest.raises(DataError, match="bar rules"):
        BarRules(cost_rate=-1.0)
