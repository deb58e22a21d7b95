"""Performance figures."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qgtm_core.backtest.metrics import METRICS, Performance, annual_sharpe, performance

NAN = np.nan


def test_figures_of_a_small_series() -> None:
    found = performance(np.array([0.10, -0.10, 0.05, 0.0]))
    assert found.sessions == 4
    assert found.total_return == pytest.approx(1.1 * 0.9 * 1.05 - 1)
    assert found.annual_return == pytest.approx((1.1 * 0.9 * 1.05) ** 63 - 1)
    sd = np.std([0.10, -0.10, 0.05, 0.0], ddof=1)
    assert found.annual_vol == pytest.approx(sd * 252**0.5)
    assert found.sharpe == pytest.approx(0.0125 / sd * 252**0.5)
    assert found.sharpe_standard_error == pytest.approx(((1 + (0.0125 / sd) ** 2 / 2) / 4 * 252) ** 0.5)
    assert found.max_drawdown == pytest.approx(0.10)
    assert found.longest_drawdown_sessions == 3
    assert found.hit_rate == pytest.approx(2 / 3)
    assert found.worst_day == -0.10


def test_a_drawdown_from_the_first_day_counts_from_the_start() -> None:
    found = performance(np.array([-0.2, 0.1, 0.2]))
    assert found.max_drawdown == pytest.approx(0.2)
    assert found.longest_drawdown_sessions == 2


def test_an_empty_series_has_no_figures() -> None:
    for found in (performance(np.array([])), performance(np.array([NAN, np.inf]))):
        assert (found.sessions, found.total_return, found.max_drawdown) == (0, 0.0, 0.0)
        assert found.longest_drawdown_sessions == 0
        for name in ("annual_return", "annual_vol", "sharpe", "sharpe_standard_error", "hit_rate", "worst_day"):
            assert found.as_dict()[name] is None


def test_one_session_has_no_volatility() -> None:
    found = performance(np.array([0.01]))
    assert found.annual_vol is None
    assert found.sharpe is None
    assert found.total_return == pytest.approx(0.01)


@pytest.mark.parametrize("level", [0.0, 0.001, 0.1, -0.003])
def test_a_constant_series_has_no_sharpe_ratio(level: float) -> None:
    found = performance(np.full(10, level))
    assert found.annual_vol == 0.0
    assert found.sharpe is None
    assert found.hit_rate == (None if level == 0.0 else float(level > 0))


def test_missing_sessions_are_left_out() -> None:
    assert performance(np.array([0.01, NAN, -0.02])) == performance(np.array([0.01, -0.02]))


def test_a_total_loss_has_no_annual_return() -> None:
    found = performance(np.array([0.1, -1.0]))
    assert (found.total_return, found.annual_return, found.max_drawdown) == (-1.0, None, 1.0)


def test_a_sample_too_short_to_annualise_says_nothing() -> None:
    assert performance(np.array([20.0])).annual_return is None


@given(hnp.arrays(float, st.integers(2, 60), elements=st.floats(-0.5, 0.5)))
def test_figures_stay_in_their_ranges(returns: np.ndarray) -> None:
    found = performance(returns)
    assert 0.0 <= found.max_drawdown <= 1.0
    assert 0 <= found.longest_drawdown_sessions <= len(returns)
    for value in found.as_dict().values():
        assert value is None or math.isfinite(value)
    assert found.total_return == pytest.approx(np.prod(1 + returns) - 1)


def golden() -> np.ndarray:
    return np.random.default_rng(11).standard_t(4, 900) * 0.008 + 2e-4


def test_every_metric_equals_an_independent_computation() -> None:
    """Other libraries and loops over plain floats, on a series with fat tails."""
    import statistics

    from scipy import stats

    returns = golden()
    values = returns.tolist()
    wealth = peak = 1.0
    deepest, longest, run = 0.0, 0, 0
    for value in values:
        wealth *= 1.0 + value
        peak = max(peak, wealth)
        deepest = max(deepest, 1.0 - wealth / peak)
        run = run + 1 if wealth < peak else 0
        longest = max(longest, run)
    sd, mean = statistics.stdev(values), statistics.fmean(values)
    downside = math.sqrt(statistics.fmean(min(v, 0.0) ** 2 for v in values) * 252)
    annual = wealth ** (252 / 900) - 1
    expected = {
        "sessions": 900,
        "total_return": wealth - 1,
        "annual_return": annual,
        "annual_vol": sd * math.sqrt(252),
        "sharpe": mean / sd * math.sqrt(252),
        "sharpe_standard_error": math.sqrt((1 + 0.5 * (mean / sd) ** 2) / 900) * math.sqrt(252),
        "downside_vol": downside,
        "sortino": mean * 252 / downside,
        "max_drawdown": deepest,
        "calmar": annual / deepest,
        "longest_drawdown_sessions": longest,
        "hit_rate": sum(v > 0 for v in values) / sum(v != 0 for v in values),
        "worst_day": min(values),
        "expected_shortfall": statistics.fmean(sorted(values)[:45]),
        "skewness": stats.skew(returns),
        "kurtosis": stats.kurtosis(returns, fisher=False),
    }
    found = performance(returns).as_dict()
    assert set(found) == set(expected) == set(METRICS)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-10, abs=1e-12), name


def test_every_metric_has_one_definition_a_label_and_a_unit() -> None:
    assert len({m.definition for m in METRICS.values()}) == len(METRICS)
    assert len({m.label for m in METRICS.values()}) == len(METRICS)
    assert {m.unit for m in METRICS.values()} == {"sessions", "decimal", "annual", "share", "ratio"}
    assert tuple(METRICS) == tuple(Performance.__dataclass_fields__)


def test_the_sharpe_ratio_alone_is_the_one_of_the_table() -> None:
    assert annual_sharpe(golden()) == performance(golden()).sharpe
