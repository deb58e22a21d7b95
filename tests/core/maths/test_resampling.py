"""The interval of a Sharpe ratio covers the truth as often as it says, and is the one of an independent package."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import lfilter

from qgtm_core.kernels.bootstrap import resample_sharpe, resample_sharpe_nb
from qgtm_core.maths.resampling import MIN_BLOCK, optimal_block, stationary_bootstrap_sharpe


def autoregressive(seed: int, persistence: float, sharpe: float, periods: int = 750) -> np.ndarray:
    """AR(1) returns with standard deviation 1 % and a known Sharpe ratio."""
    shocks = np.random.default_rng(seed).normal(0.0, 1.0, periods + 100)
    noise = lfilter([math.sqrt(1.0 - persistence**2)], [1.0, -persistence], shocks)[100:]
    return np.asarray(0.01 * (sharpe + noise))


@pytest.mark.parametrize("persistence", [-0.2, 0.0, 0.3])
def test_19_of_20_intervals_cover_the_true_ratio(persistence: float) -> None:
    found = [stationary_bootstrap_sharpe(autoregressive(s, persistence, 0.05), 400, seed=s) for s in range(300)]
    assert 0.90 <= np.mean([i.low <= 0.05 <= i.high for i in found]) <= 0.98


def test_single_returns_drawn_from_a_persistent_series_are_too_sure_of_it() -> None:
    found = [stationary_bootstrap_sharpe(autoregressive(s, 0.3, 0.05, 300), 300, 1.0, seed=s) for s in range(200)]
    assert np.mean([i.low <= 0.05 <= i.high for i in found]) < 0.90


@given(st.integers(0, 2**40), st.floats(1.0, 60.0))
def test_the_same_seed_draws_the_same_interval(seed: int, block: float) -> None:
    returns = autoregressive(1, 0.1, 0.05, 60)
    one, two = (stationary_bootstrap_sharpe(returns, 50, block, seed=seed) for _ in range(2))
    assert one == two
    assert one != stationary_bootstrap_sharpe(returns, 50, block, seed=seed + 1)
    assert one.low < one.high
    assert one.block == block


@given(st.integers(0, 99), st.sampled_from([1.0, 5.0, 400.0]))
def test_the_compiled_form_is_the_plain_one(seed: int, block: float) -> None:
    returns = np.tile(autoregressive(seed, 0.2, 0.1, 40), 2)
    sums = [np.append(0.0, np.cumsum(values)) for values in (returns, returns**2)]
    plain, compiled = np.empty(9), np.empty(9)
    for function, out in ((resample_sharpe, plain), (resample_sharpe_nb, compiled)):
        function(*sums, block, 1e-12, np.random.default_rng(seed), out)
    assert compiled == pytest.approx(plain, rel=1e-12)


def test_blocks_without_an_end_only_turn_the_series() -> None:
    returns = autoregressive(2, 0.5, 0.1, 300)
    found = stationary_bootstrap_sharpe(returns, 100, 1e12, seed=1)
    sharpe = returns.mean() / returns.std(ddof=1)
    assert (found.low, found.high) == (pytest.approx(sharpe), pytest.approx(sharpe))


def test_the_interval_is_that_of_the_independent_bootstrap() -> None:
    from arch.bootstrap import StationaryBootstrap

    returns = autoregressive(3, 0.2, 0.06, 600)
    ours = stationary_bootstrap_sharpe(returns, 40_000, 21.0, seed=1)
    theirs = StationaryBootstrap(21, returns, seed=1).apply(lambda r: r.mean() / r.std(ddof=1), 4000)
    density = math.exp(-(1.96**2) / 2.0) / math.sqrt(2.0 * math.pi)
    error = theirs.std() / density * math.sqrt(0.025 * 0.975 / 4000)  # of their quantile; ours has ten times the draws
    assert (ours.low, ours.high) == pytest.approx(tuple(np.quantile(theirs, [0.025, 0.975])), abs=3.0 * error)


def test_the_length_of_blocks_is_that_of_the_independent_package() -> None:
    from arch.bootstrap import optimal_block_length

    for seed, persistence in enumerate([-0.4, 0.0, 0.1, 0.2, 0.5, 0.9, 0.99] * 3):
        returns = autoregressive(seed, persistence, 0.05, (120, 750, 3000)[seed % 3])
        theirs = float(optimal_block_length(returns)["stationary"].iloc[0])
        assert optimal_block(returns) == pytest.approx(max(theirs, 1.0), rel=1e-9)


def test_blocks_grow_with_persistence_within_bounds() -> None:
    lengths = [optimal_block(autoregressive(4, p, 0.0, 3000)) for p in (0.0, 0.3, 0.6, 0.9)]
    assert lengths == sorted(lengths)
    assert all(1.0 <= length <= 165.0 for length in lengths)  # 3·√3000
    assert optimal_block(np.sin(0.3 * np.arange(120))) == 33.0  # 3·√120, rounded up
    assert stationary_bootstrap_sharpe(autoregressive(5, 0.0, 0.0), 10, seed=1).block == MIN_BLOCK


@pytest.mark.parametrize("returns", [np.empty(0), np.ones(1), np.full(90, 0.001), np.arange(8.0)])
def test_too_little_to_tell_means_blocks_of_one(returns: np.ndarray) -> None:
    assert optimal_block(returns) == 1.0


@pytest.mark.parametrize("returns", [np.empty(0), np.ones(1), np.full(90, 0.001)])
def test_returns_that_never_vary_have_no_interval(returns: np.ndarray) -> None:
    found = stationary_bootstrap_sharpe(returns, seed=1)
    assert all(math.isnan(value) for value in (found.low, found.high, found.block))


def test_a_resample_without_a_trade_earned_nothing() -> None:
    returns = np.zeros(400)
    returns[7] = 0.01  # one trade: more than a third of the resamples miss it
    found = stationary_bootstrap_sharpe(returns, seed=1)
    assert found.low == 0.0
    assert 0.0 < found.high < 0.2


@pytest.mark.parametrize(
    ("returns", "draws", "block", "confidence"),
    [
        (np.array([0.1, math.nan, 0.2]), 10, None, 0.95),
        (np.arange(9.0), 0, None, 0.95),
        (np.arange(9.0), 10, 0.5, 0.95),
        (np.arange(9.0), 10, math.nan, 0.95),
        (np.arange(9.0), 10, None, 1.0),
    ],
)
def test_what_cannot_be_resampled_is_an_error(
    returns: np.ndarray, draws: int, block: float | None, confidence: float
) -> None:
    with pytest.raises(ValueError, match=r"cannot be resampled|has no length"):
        stationary_bootstrap_sharpe(returns, draws, block, seed=1, confidence=confidence)
