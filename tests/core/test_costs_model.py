"""The numbers behind the costs of trading, and the capital at which they are too much."""

from __future__ import annotations

import datetime as dt
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qgtm_core.backtest.research.capacity import CAPITALS_USD, capacity_curve, capacity_usd
from qgtm_core.backtest.research.costs import CostModel, days_held
from qgtm_core.backtest.research.regulatory_fees import SECTION_31, TRADING_ACTIVITY, section_31, trading_activity
from qgtm_core.backtest.research.returns import Account

DAY = dt.date


def account_of(before_impact: np.ndarray, impact: np.ndarray) -> Account:
    """An account of these returns before impact, (…, T)."""
    zero = np.zeros_like(impact)
    return Account(before_impact, zero, impact, zero, zero, before_impact - impact, zero, zero, zero, zero)


def sharpe(returns: np.ndarray) -> float:
    return float(returns.mean() / returns.std(ddof=1) * 252**0.5)


def noisy(seed: int, mean: float, impact: float) -> Account:
    draw = np.random.default_rng(seed)
    return account_of(draw.normal(mean, 0.01, 500), impact * draw.exponential(1.0, 500))


@pytest.mark.parametrize("field", [field.name for field in fields(CostModel)])
def test_the_hash_of_the_costs_follows_every_number(field: str) -> None:
    changed = replace(CostModel(), **{field: getattr(CostModel(), field) + 0.5})
    assert changed.costs_hash != CostModel().costs_hash
    assert CostModel().costs_hash == CostModel().costs_hash


@pytest.mark.parametrize("table", [SECTION_31, TRADING_ACTIVITY])
def test_every_fee_has_its_day_in_order_and_its_source(table: tuple[tuple[str, float, str], ...]) -> None:
    days = [dt.date.fromisoformat(day) for day, _, _ in table]
    assert days == sorted(set(days))
    assert days[0] <= dt.date(2006, 1, 1)
    assert all(rate >= 0.0 and source for _, rate, source in table)


def test_a_fee_holds_from_its_day_on() -> None:
    days = [DAY(2000, 1, 3), DAY(2006, 7, 3), DAY(2024, 5, 21), DAY(2024, 5, 22), DAY(2025, 12, 31), DAY(2030, 1, 2)]
    np.testing.assert_allclose(section_31(days) * 1e6, [30.7, 30.7, 8.0, 27.8, 0.0, 20.6])
    np.testing.assert_allclose(trading_activity(days) * 1e6, [75, 75, 166, 166, 166, 195])
    assert section_31([]).size == 0


def test_a_loan_of_shares_runs_over_the_weekend() -> None:
    assert days_held([DAY(2024, 6, 13), DAY(2024, 6, 14), DAY(2024, 6, 17)]).tolist() == [1.0, 3.0, 1.0]
    assert days_held([]).size == 0


def test_the_capacity_curve_is_the_sharpe_ratio_with_impact_at_each_capital() -> None:
    found = noisy(1, 0.001, 1e-4)
    curve = capacity_curve(found, 1e6)
    expected = [sharpe(found.gross - found.impact * (c / 1e6) ** 0.5) for c in CAPITALS_USD]
    np.testing.assert_allclose(curve, expected)
    both = account_of(np.stack([found.gross, np.full(500, 0.01)]), np.stack([found.impact, np.zeros(500)]))
    np.testing.assert_allclose(capacity_curve(both, 1e6), [expected, [np.nan] * 5])


@settings(max_examples=50)
@given(st.integers(0, 1000), st.floats(5e-4, 5e-3), st.floats(1e-7, 1e-2), st.floats(1e4, 1e9))
def test_at_capacity_impact_has_taken_half_of_the_sharpe_ratio(
    seed: int, mean: float, impact: float, capital: float
) -> None:
    found = noisy(seed, mean, impact)
    capacity = capacity_usd(found, capital)
    if sharpe(found.gross) <= 0.0:
        assert capacity is None
        return
    assert capacity is not None
    at = sharpe(found.gross - found.impact * (capacity / capital) ** 0.5)
    assert at == pytest.approx(sharpe(found.gross) / 2, rel=1e-6)


@pytest.mark.parametrize(
    ("before", "impact"),
    [
        ([-0.01, 0.005, 0.001], [1e-4] * 3),  # loses without impact
        ([0.01, -0.005, 0.001], [0.0] * 3),  # never traded
        ([0.01] * 3, [1e-4] * 3),  # no Sharpe ratio
        ([0.01], [1e-4]),
    ],
)
def test_capacity_is_unknown_without_a_positive_sharpe_ratio_or_without_impact(
    before: list[float], impact: list[float]
) -> None:
    assert capacity_usd(account_of(np.array(before), np.array(impact)), 1e6) is None
