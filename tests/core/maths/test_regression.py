"""Regressions over stacked windows: the specification's checks, published critical values and statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as hyp
from statsmodels.tsa.adfvalues import mackinnoncrit
from statsmodels.tsa.stattools import adfuller

from qgtm_core.maths import regression
from qgtm_core.maths.regression import FloatArray


def paths(count: int, seed: int = 0, decay: float = 0.95) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Two random walks and a third variable that hangs together with them."""
    rng = np.random.default_rng(seed)
    a, b = (start + np.cumsum(rng.normal(0, 0.01, count)) for start in (5.0, 3.0))
    noise = rng.normal(0, 0.01, count)
    deviation = np.zeros(count)
    for i in range(1, count):
        deviation[i] = decay * deviation[i - 1] + noise[i] + 0.3 * noise[i - 1]
    return 1.0 + 0.8 * a - 0.3 * b + deviation, a, b


def dickey_fuller(x: FloatArray, lags: int) -> tuple[float, float]:
    """Statistic and lags of statsmodels, without a constant, lags by AIC."""
    found = adfuller(x, maxlag=lags, regression="n", autolag="AIC", result_object=False)
    return found[0], found[2]


@pytest.mark.parametrize("seed", range(5))
def test_least_squares_agree_with_statsmodels(seed):
    y, a, b = paths(200, seed)
    want = sm.OLS(y, sm.add_constant(np.column_stack([a, b]))).fit()
    got = regression.least_squares(y[None], (a[None], b[None]))
    assert [got.intercept[0], *got.slopes[0]] == pytest.approx(want.params, rel=1e-9)
    assert got.residual[0] == pytest.approx(want.resid, abs=1e-12)
    assert got.r2[0] == pytest.approx(want.rsquared)
    assert got.residual_sd[0] == pytest.approx(np.std(want.resid, ddof=1))
    assert got.z[0] == pytest.approx(want.resid[-1] / np.std(want.resid, ddof=1))


def test_weighted_least_squares_agree_with_statsmodels():
    y, a, b = paths(252)
    weights = regression.age_weights(252, 63.0)
    want = sm.WLS(y, sm.add_constant(np.column_stack([a, b])), weights=weights).fit()
    got = regression.least_squares(y[None], (a[None], b[None]), weights=weights)
    assert [got.intercept[0], *got.slopes[0]] == pytest.approx(want.params, rel=1e-8)
    assert got.r2[0] == pytest.approx(want.rsquared)
    spread = np.sqrt(np.average(want.resid**2, weights=weights) * 252 / 251)
    assert got.residual_sd[0] == pytest.approx(spread)


def test_weights_halve_with_each_half_life():
    assert regression.age_weights(7, 3.0)[[6, 3, 0]] == pytest.approx([1.0, 0.5, 0.25])


def test_a_ridge_shrinks_the_slopes_as_the_formula_says():
    y, a, b = paths(150)
    weights = regression.age_weights(150, 50.0) * 150 / regression.age_weights(150, 50.0).sum()
    x = np.column_stack([a - np.average(a, weights=weights), b - np.average(b, weights=weights)])
    level = y - np.average(y, weights=weights)
    want = np.linalg.inv(x.T @ np.diag(weights) @ x + 0.5 * np.eye(2)) @ x.T @ np.diag(weights) @ level
    got = regression.least_squares(y[None], (a[None], b[None]), weights=weights, ridge=0.5)
    assert got.slopes[0] == pytest.approx(want)


def test_collinear_regressors_and_missing_values_give_no_fit():
    y, a, b = (np.tile(part, (4, 1)) for part in paths(60))
    b = b.copy()
    b[1] = 2.0 * a[1] + 1.0  # collinear
    b[2] = 3.0  # constant
    b[3, 7] = np.nan
    fit = regression.least_squares(y, (a, b))
    assert np.isfinite(fit.slopes).all(axis=1).tolist() == [True, False, False, False]
    assert np.isfinite(fit.z).tolist() == [True, False, False, False]


def test_a_slope_of_minus_a_twentieth_has_the_specified_half_life():
    x = 0.95 ** np.arange(60.0)
    assert regression.half_life(x[None])[0] == pytest.approx(13.513, abs=5e-4)


@pytest.mark.parametrize("x", [1.05 ** np.arange(60.0), (-0.5) ** np.arange(60.0) * 3.0 * (-1.0) ** np.arange(60)])
def test_growth_has_no_half_life_and_decay_has_one(x):
    found = regression.half_life(x[None])[0]
    assert np.isnan(found) if x[-1] > x[0] else found == pytest.approx(1.0)


@pytest.mark.parametrize(("seed", "decay"), [(0, 0.95), (1, 0.99), (2, 0.5), (3, 0.9), (4, 1.0), (5, 0.7)])
def test_the_augmented_dickey_fuller_statistic_agrees_with_statsmodels(seed, decay):
    x = paths(252, seed, decay)[0]
    x = x - x.mean()
    t, lag = regression.adf(x[None])
    assert (t[0], lag[0]) == pytest.approx(dickey_fuller(x, 5), rel=1e-8)


@settings(deadline=None, max_examples=60)
@given(seed=hyp.integers(0, 10_000), count=hyp.integers(30, 120), lags=hyp.integers(0, 5))
def test_the_statistic_agrees_with_statsmodels_for_any_length_and_lags(seed, count, lags):
    x = np.random.default_rng(seed).standard_t(3, count).cumsum() * 0.1
    t, lag = regression.adf(x[None], lags)
    assert (t[0], lag[0]) == pytest.approx(dickey_fuller(x, lags), rel=1e-6)


@pytest.mark.parametrize("variables", [2, 3])
def test_the_critical_values_are_those_of_mackinnon_for_long_samples(variables):
    want = mackinnoncrit(N=variables, regression="c", nobs=np.inf)
    assert regression.MACKINNON_2010[variables] == pytest.approx(want, abs=0.01)


@pytest.mark.parametrize("variables", [2, 3])
def test_one_in_twenty_unrelated_walks_passes_for_cointegrated_at_five_per_cent(variables):
    rng = np.random.default_rng(variables)
    walks = rng.normal(size=(variables, 3000, 252)).cumsum(axis=2)
    t = regression.engle_granger(walks[0], tuple(walks[1:]))
    shares = [(t < critical).mean() for critical in regression.MACKINNON_2010[variables]]
    assert shares == pytest.approx([0.01, 0.05, 0.10], abs=0.025)  # a little more often in short samples


def test_related_walks_pass_and_scale_does_not_matter():
    y, a, _ = paths(252, seed=3, decay=0.5)
    related = 2.0 * a + y - 0.8 * a
    first = regression.engle_granger(related[None], (a[None],))
    scaled = regression.engle_granger(7.0 + 100.0 * related[None], (a[None] * 3.0 - 2.0,))
    assert scaled == pytest.approx(first, rel=1e-7)


def test_a_window_without_variance_has_no_statistic():
    t, lag = regression.adf(np.zeros((2, 60)))
    assert np.isnan(t).all()
    assert np.isnan(lag).all()


def test_each_window_gives_the_same_bits_alone_and_among_others():
    y, a, b = paths(900)
    ends = np.arange(251, 900)

    def measures(at):
        windows = [regression.stack(part, at, 252) for part in (y, a, b)]
        fit = regression.least_squares(windows[0], (windows[1], windows[2]))
        t, lag = regression.adf(fit.residual)
        half = regression.half_life(fit.residual)
        return np.column_stack([fit.z, fit.r2, fit.slopes, fit.intercept, t, lag, half, regression.zscore(windows[0])])

    whole = regression.in_chunks(measures, ends, 9)
    for some in ([0], [1], [17, 18, 19], [648], list(range(100, 400))):
        assert np.array_equal(measures(ends[some]), whole[some], equal_nan=True)


def test_a_z_score_of_a_window_is_that_of_its_newest_value():
    x = paths(100)[0]
    assert regression.zscore(x[None])[0] == pytest.approx((x[-1] - x.mean()) / x.std(ddof=1))


def test_a_stack_holds_the_values_up_to_each_end():
    got = regression.stack(np.arange(10.0), np.array([2, 9]), 3)
    assert got.tolist() == [[0.0, 1.0, 2.0], [7.0, 8.0, 9.0]]
    assert got.flags.c_contiguous


def test_no_windows_give_no_rows():
    assert regression.in_chunks(lambda at: np.empty((len(at), 3)), np.array([], dtype=np.intp), 3).shape == (0, 3)
