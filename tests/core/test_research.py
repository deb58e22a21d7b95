"""Every strategy on its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from qgtm_core.backtest.research import StrategyRecord, strategy_records
from tests.core.views import panel

NAN = np.nan
FREE = np.zeros((4, 2))
AHEAD = np.array([[0.01, 0.02], [-0.01, NAN], [0.03, 0.0], [NAN, NAN]])


def record(
    score: Sequence[Sequence[float]], ahead: np.ndarray = AHEAD, spread: np.ndarray = FREE, vol: float = 0.2
) -> StrategyRecord:
    market = replace(panel(np.full((4, 2), 100.0), vol=vol), score=np.array(score)[:, None, :])
    (found,) = strategy_records(market, ahead, spread)
    return found


def test_a_score_is_sized_to_its_volatility_and_shared_over_the_symbols() -> None:
    found = record([[1.0, 1.0], [0.5, 1.0], [-1.0, 1.0], [0.0, 0.0]])
    np.testing.assert_allclose(found.returns, [0.25 * 0.03, -0.125 * 0.01, -0.25 * 0.03, 0.0])
    assert found.active == 4
    assert found.performance.sessions == 4


def test_a_symbol_without_any_signal_takes_no_share() -> None:
    found = record([[1.0, NAN]] * 4)
    np.testing.assert_allclose(found.returns, [0.005, -0.005, 0.015, 0.0])


def test_a_calm_symbol_is_not_levered_beyond_its_full_weight() -> None:
    found = record([[1.0, NAN]] * 4, vol=0.01)
    np.testing.assert_allclose(found.returns[:3], AHEAD[:3, 0])


@pytest.mark.parametrize("vol", [0.0, NAN])
def test_without_a_volatility_there_is_no_position(vol: float) -> None:
    found = record([[1.0, 1.0]] * 4, vol=vol)
    assert found.returns.tolist() == [0.0] * 4
    assert found.annual_turnover == 0.0


def test_every_change_of_weight_pays_half_the_spread() -> None:
    spread = np.full((4, 2), 10.0)
    free = record([[1.0, NAN], [1.0, NAN], [-1.0, NAN], [NAN, NAN]])
    found = record([[1.0, NAN], [1.0, NAN], [-1.0, NAN], [NAN, NAN]], spread=spread)
    paid = 1e-3
    np.testing.assert_allclose(free.returns - found.returns, [0.5 * paid, 0.0, 1.0 * paid, 0.5 * paid], atol=1e-15)
    assert found.annual_turnover == pytest.approx(2.0 / 4 * 252)
    assert found.gross_sharpe == free.gross_sharpe


def test_the_sample_starts_with_the_first_signal() -> None:
    found = record([[NAN, NAN], [NAN, NAN], [1.0, NAN], [1.0, NAN]])
    assert (found.first_active, found.active, found.performance.sessions) == (2, 2, 2)
    assert found.returns[:2].tolist() == [0.0, 0.0]


def test_a_strategy_that_never_spoke_has_an_empty_record() -> None:
    found = record([[NAN, NAN]] * 4)
    assert (found.first_active, found.active, found.performance.sessions) == (-1, 0, 0)
    assert found.gross_sharpe is None
    assert found.annual_turnover == 0.0


def test_returns_that_are_no_numbers_earn_nothing() -> None:
    found = record([[1.0, 1.0]] * 4, ahead=np.full((4, 2), np.inf), spread=np.full((4, 2), NAN))
    assert found.returns.tolist() == [0.0] * 4
