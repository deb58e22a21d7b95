"""Trend formulas against their worked numbers, plain recomputation and their own symmetries."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qgtm_core.maths import trend
from qgtm_core.strategies.helpers import rank

TOLERANCE = 5e-4
PRICES = hnp.arrays(np.float64, st.integers(8, 60), elements=st.floats(5.0, 500.0))


def near(value: float) -> object:
    return pytest.approx(value, abs=TOLERANCE)


def of(expr: pl.Expr, **columns: object) -> list[object]:
    return pl.DataFrame(columns).select(out=expr)["out"].to_list()


def test_m7_size_is_target_over_volatility_up_to_the_cap() -> None:
    got = of(trend.vol_scale(pl.col("s"), 0.15), s=[0.30, 0.10, 0.0, None])
    assert got == [pytest.approx(0.5), 1.0, None, None]


def test_m8_worked_check() -> None:
    assert of(trend.t_statistic(pl.col("r"), pl.col("s"), 63), r=[0.05], s=[0.01])[0] == near(0.6299)


def test_m8_is_null_without_volatility() -> None:
    assert of(trend.t_statistic(pl.col("r"), pl.col("s"), 63), r=[0.05, 0.05], s=[0.0, None]) == [None, None]


def test_trend_t_reads_the_return_between_two_look_backs() -> None:
    log_price = np.log(np.linspace(100.0, 140.0, 30))
    got = of(trend.trend_t(pl.col("p"), pl.lit(0.01), 20, 5), p=log_price)
    assert got[:20] == [None] * 20
    assert got[29] == pytest.approx((log_price[24] - log_price[9]) / (0.01 * math.sqrt(15)))


def test_m16_worked_check_of_gold_and_silver() -> None:
    got = of(
        trend.time_series_momentum(pl.col("r"), pl.col("s"), 0.15, 1.0),
        r=[0.18, -0.05],
        s=[0.16, 0.30],
    )
    assert got == [near(0.9375), near(-0.5)]


def test_m17_is_the_rank_by_session() -> None:
    got = pl.DataFrame({"session": [1] * 4, "v": [0.25, 0.10, -0.02, -0.30]}).select(out=rank(pl.col("v")))
    assert got["out"].to_list() == [near(1.0), near(0.3333), near(-0.3333), near(-1.0)]


def test_student_t_of_a_mean_worked_check() -> None:
    assert of(trend.sample_t(pl.col("m"), pl.col("s"), pl.col("n")), m=[0.0014], s=[0.0095], n=[150])[0] == near(1.8049)


def slow_donchian(high: np.ndarray, low: np.ndarray, close: np.ndarray, n: int) -> list[float | None]:
    side: float = 0.0
    out: list[float | None] = []
    for i, price in enumerate(close):
        if i < n:
            out.append(None)
            continue
        if price > max(high[i - n : i]):
            side = 1.0
        elif price < min(low[i - n : i]):
            side = -1.0
        out.append(side)
    return out


@given(PRICES)
def test_m13_breakout_is_held_until_the_other_side_breaks(close: np.ndarray) -> None:
    high, low = close * 1.01, close * 0.99
    got = of(trend.donchian(pl.col("h"), pl.col("l"), pl.col("c"), 5), h=high, l=low, c=close)
    assert got == slow_donchian(high, low, close, 5)


def slow_breakout(price: np.ndarray, n: int) -> list[float | None]:
    out: list[float | None] = []
    weights = decay = 0.0
    alpha = 2.0 / (n // 4 + 1)
    for i in range(len(price)):
        if i < n or max(price[i - n : i]) == min(price[i - n : i]):
            out.append(None)
            continue
        upper, lower = max(price[i - n : i]), min(price[i - n : i])
        raw = 40.0 * (price[i] - (upper + lower) / 2) / (upper - lower)
        weights, decay = weights * (1 - alpha) + raw, decay * (1 - alpha) + 1.0
        out.append(min(max(weights / decay, -20.0), 20.0))
    return out


def test_m13_continuous_forecast_is_a_smoothed_place_in_the_channel() -> None:
    price = 100 * np.exp(np.cumsum(np.random.default_rng(5).normal(0, 0.01, 200)))
    got = of(trend.breakout_forecast(pl.col("p"), pl.col("p"), pl.col("p"), 20), p=price)
    for have, want in zip(got, slow_breakout(price, 20), strict=True):
        assert have == (None if want is None else pytest.approx(want, abs=1e-9))


@given(PRICES)
def test_m13_continuous_forecast_stays_within_twenty(price: np.ndarray) -> None:
    got = of(trend.breakout_forecast(pl.col("p"), pl.col("p"), pl.col("p"), 8), p=price)
    assert all(value is None or abs(value) <= 20.0 for value in got)


def test_m15_worked_check_of_the_multiplier() -> None:
    h = np.array([[1.0, 0.9, 0.6], [0.9, 1.0, 0.9], [0.6, 0.9, 1.0]])
    assert trend.diversification_multiplier([1 / 3] * 3, h) == near(1.0742)


def test_m15_multiplier_counts_negative_correlations_as_none() -> None:
    h = np.array([[1.0, -0.8], [-0.8, 1.0]])
    assert trend.diversification_multiplier([0.5, 0.5], h) == pytest.approx(math.sqrt(2))


def test_m15_combines_to_the_worked_forecast_of_carver_trend() -> None:
    forecasts = [pl.col("a") * 3.75, pl.col("b") * 2.65, pl.col("c") * 1.87]
    got = of(trend.combined_forecast(forecasts, [1 / 3] * 3, 1.07), a=[1.3333], b=[2.0], c=[3.0])
    assert got[0] == near(5.6746)


def test_m15_caps_and_passes_nulls_on() -> None:
    both = [pl.col("a"), pl.col("b")]
    got = of(trend.combined_forecast(both, [0.5, 0.5], 1.2), a=[20.0, 5.0], b=[20.0, None])
    assert got == [20.0, None]


def test_averages_are_measured_against_the_price_and_their_own_past() -> None:
    price = np.random.default_rng(6).uniform(90, 110, 40)
    gap = of(trend.average_gap(pl.col("p"), 20), p=price)
    slope = of(trend.average_slope(pl.col("p"), 20, 10), p=price)
    assert gap[18] is None
    assert slope[28] is None
    assert gap[39] == pytest.approx(price[39] / price[20:40].mean() - 1)
    assert slope[39] == pytest.approx(price[20:40].mean() / price[10:30].mean() - 1)
