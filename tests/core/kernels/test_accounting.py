"""Accounting of weights to the share: by hand, against a plain loop, with what is missing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qgtm_core.backtest.research.vectorised import simulate
from qgtm_core.errors import DataError
from qgtm_core.kernels.accounting import account

CASH = 1_000.0


def test_one_book_by_hand_buys_half_and_pays_its_cost() -> None:
    run = simulate(np.array([[10.0], [12.0]]), np.array([[0.5], [0.0]]), cost_rate=0.01, cash_usd=CASH)
    assert run.traded_usd.tolist() == pytest.approx([500.0, 600.0])  # 50 shares at 10, sold at 12
    assert run.cost_usd.tolist() == pytest.approx([5.0, 6.0])
    assert run.equity_usd.tolist() == pytest.approx([995.0, 1_089.0])  # 995 + 50 × 2 − 6
    assert run.returns.tolist() == pytest.approx([0.0, 1_089.0 / 995.0 - 1.0])


def test_without_costs_the_return_of_a_full_book_is_that_of_its_price() -> None:
    price = np.array([[10.0], [11.0], [8.8]])
    assert simulate(price, np.ones((3, 1))).returns.tolist() == pytest.approx([0.0, 0.1, -0.2])


def test_rows_that_do_not_trade_keep_shares_not_weights() -> None:
    run = simulate(np.array([[10.0], [20.0]]), np.array([[0.5], [0.0]]), np.array([True, False]), 0.0, CASH)
    assert run.equity_usd.tolist() == pytest.approx([1_000.0, 1_500.0])
    assert run.traded_usd.tolist() == pytest.approx([500.0, 0.0])


def test_without_a_price_a_position_stays_at_its_last_mark() -> None:
    price = np.array([[10.0, 5.0], [np.nan, 6.0], [20.0, 6.0]])
    weight = np.array([[0.5, 0.0], [0.0, 0.0], [0.0, 0.0]])
    run = simulate(price, weight, cash_usd=CASH)
    assert run.equity_usd.tolist() == pytest.approx([1_000.0, 1_000.0, 1_500.0])
    assert run.traded_usd.tolist() == pytest.approx([500.0, 0.0, 1_000.0])


def test_without_a_weight_a_position_stays() -> None:
    run = simulate(np.array([[10.0], [20.0], [20.0]]), np.array([[0.5], [np.nan], [0.0]]), cash_usd=CASH)
    assert run.traded_usd.tolist() == pytest.approx([500.0, 0.0, 1_000.0])


def test_an_account_worth_nothing_sells_out_and_never_trades_again() -> None:
    price = np.array([[10.0], [1.0], [30.0], [40.0]])
    run = simulate(price, np.full((4, 1), 3.0), cash_usd=CASH)
    assert run.equity_usd.tolist() == pytest.approx([1_000.0, -1_700.0, -1_700.0, -1_700.0])
    assert np.isnan(run.returns[2:]).all()


def test_every_instrument_and_session_can_have_its_own_cost() -> None:
    price, weight = np.full((2, 2), 10.0), np.array([[0.5, 0.5], [0.0, 0.0]])
    by_instrument = simulate(price, weight, None, np.array([0.0, 0.01]), CASH)
    assert by_instrument.cost_usd.tolist() == pytest.approx([5.0, 5.0])
    dated = simulate(price, weight, None, np.array([[0.0, 0.01], [0.02, 0.0]]), CASH)
    assert dated.cost_usd.tolist() == pytest.approx([5.0, 10.0])


def plain(price: np.ndarray, weight: np.ndarray, trade: np.ndarray, rate: np.ndarray) -> np.ndarray:
    shares, cash, equity = np.zeros(price.shape[1]), CASH, []
    for t, p in enumerate(price):
        if trade[t]:
            wanted = weight[t] * (cash + shares @ p) / p
            cash -= (wanted - shares) @ p + np.abs(wanted - shares) @ (p * rate[t])
            shares = wanted
        equity.append(cash + shares @ p)
    return np.array(equity)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 3), st.integers(1, 30))
def test_every_book_of_a_family_agrees_with_a_plain_loop_and_alone(seed: int, books: int, sessions: int) -> None:
    rng = np.random.default_rng(seed)
    price = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, (sessions, 3)), axis=0))
    weight, trade = rng.normal(0, 0.3, (books, sessions, 3)), rng.random(sessions) < 0.5
    rate = rng.random((sessions, 3)) * 1e-3
    run = simulate(price, weight, trade, rate, CASH)
    for k in range(books):
        np.testing.assert_allclose(run.equity_usd[k], plain(price, weight[k], trade, rate), rtol=1e-10)
        assert np.array_equal(run.equity_usd[k], simulate(price, weight[k], trade, rate, CASH).equity_usd)
        outs = [np.empty(sessions) for _ in range(3)]
        account(price, weight[k], trade, rate, CASH, *outs)
        np.testing.assert_allclose(outs[0], run.equity_usd[k], rtol=1e-12)
        np.testing.assert_allclose(outs[2], run.cost_usd[k], rtol=1e-12, atol=1e-12)


def test_the_plain_kernel_keeps_marks_and_stops_at_nothing_as_the_compiled_one() -> None:
    price = np.array([[10.0, 5.0], [np.nan, 5.0], [1.0, 5.0], [9.0, 5.0]])
    weight = np.array([[3.0, np.nan], [3.0, 0.1], [3.0, 0.1], [3.0, 0.1]])
    outs = [np.empty(4) for _ in range(3)]
    account(price, weight, np.ones(4, np.bool_), np.zeros((1, 2)), CASH, *outs)
    run = simulate(price, weight, cash_usd=CASH)
    for plain_one, compiled in zip(outs, (run.equity_usd, run.traded_usd, run.cost_usd), strict=True):
        np.testing.assert_allclose(plain_one, compiled)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"price": np.ones(3)}, "price has shape"),
        ({"target_weight": np.ones((3, 1))}, "target_weight has shape"),
        ({"trade": np.ones(2, np.bool_)}, "trade has shape"),
        ({"cost_rate": np.ones(3)}, "cost_rate has shape"),
        ({"cost_rate": np.array([[0.0, 0.0], [0.0, np.nan], [0.0, 0.0]])}, "column 'cost_rate', row 1"),
        ({"cash_usd": 0.0}, "cash_usd is 0.0"),
    ],
)
def test_input_that_does_not_fit_is_refused_by_name(change: dict[str, np.ndarray], words: str) -> None:
    given = {"price": np.ones((3, 2)), "target_weight": np.ones((3, 2)), **change}
    with pytest.raises(DataError, match=words):
        simulate(**given)
