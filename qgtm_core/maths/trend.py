"""Trend: sizing by volatility, t-statistics, breakouts, combined forecasts and votes, as causal Polars expressions.

Rows are usable observations of one instrument, oldest first; null = too little history or no variance. The crossover
of moving averages (M14) and its price volatility are in `statistics`; the cross-sectional rank (M17) is
`strategies.helpers.rank`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from qgtm_core.maths.statistics import MIN_SD

FloatArray = NDArray[np.float64]

FORECAST_CAP = 20.0  # Carver (2015): twice the mean absolute forecast
BREAKOUT_SCALE = 40.0  # turns a place in the channel, in [-1/2, 1/2], into a forecast in [-20, 20]


def vol_scale(volatility: pl.Expr, target: float, cap: float = 1.0) -> pl.Expr:
    """M7: min(cap, target / volatility), both annual, after Moskowitz, Ooi and Pedersen (2012); null without any."""
    return pl.when(volatility > 0.0).then((target / volatility).clip(upper_bound=cap))


def time_series_momentum(log_return: pl.Expr, volatility: pl.Expr, target: float, cap: float = 1.0) -> pl.Expr:
    """M16: sign of the long return times M7 (Moskowitz, Ooi and Pedersen 2012)."""
    return log_return.sign() * vol_scale(volatility, target, cap)


def t_statistic(log_return: pl.Expr, daily_sd: pl.Expr, days: int) -> pl.Expr:
    """M8: log return over `days` divided by daily_sd·√days; null where there is no volatility."""
    return pl.when(daily_sd > MIN_SD).then(log_return / daily_sd) * (1.0 / math.sqrt(days))


def trend_t(log_price: pl.Expr, daily_sd: pl.Expr, days: int, skip: int = 0) -> pl.Expr:
    """M8 of the log return from `days` to `skip` rows ago, over √(days − skip)."""
    recent = log_price.shift(skip) if skip else log_price
    return t_statistic(recent - log_price.shift(days), daily_sd, days - skip)


def sample_t(mean: pl.Expr, sd: pl.Expr, count: pl.Expr) -> pl.Expr:
    """Student's t of a mean against zero: mean / (sd / √count); null where nothing varies."""
    return pl.when(sd > MIN_SD).then(mean / sd) * count.cast(pl.Float64).sqrt()


def average_gap(price: pl.Expr, days: int) -> pl.Expr:
    """Price over its simple moving average of `days`, minus one; null below `days` rows."""
    return price / price.rolling_mean(days, min_samples=days) - 1.0


def average_slope(price: pl.Expr, days: int, back: int) -> pl.Expr:
    """Relative change of the simple moving average of `days` over `back` rows."""
    average = price.rolling_mean(days, min_samples=days)
    return average / average.shift(back) - 1.0


def channel(high: pl.Expr, low: pl.Expr, days: int) -> tuple[pl.Expr, pl.Expr]:
    """Donchian's channel of the `days` rows before this one: highest high and lowest low."""
    return (
        high.shift(1).rolling_max(days, min_samples=days),
        low.shift(1).rolling_min(days, min_samples=days),
    )


def donchian(high: pl.Expr, low: pl.Expr, close: pl.Expr, days: int) -> pl.Expr:
    """M13 (Donchian 1960): +1 from a close above the channel, -1 from below, held in between; 0 before the first."""
    upper, lower = channel(high, low, days)
    side = pl.when(close > upper).then(1.0).when(close < lower).then(-1.0)
    return pl.when(upper.is_not_null() & lower.is_not_null()).then(side.forward_fill().fill_null(0.0))


def breakout_forecast(high: pl.Expr, low: pl.Expr, price: pl.Expr, days: int) -> pl.Expr:
    """M13, continuous (Carver 2015): place in the channel times 40, smoothed over days/4, within ±20."""
    upper, lower = channel(high, low, days)
    width = upper - lower
    raw = pl.when(width > 0.0).then((price - (upper + lower) * 0.5) / width * BREAKOUT_SCALE)
    smooth = raw.ewm_mean(span=max(days // 4, 1), ignore_nulls=True)
    return pl.when(raw.is_not_null()).then(smooth.clip(-FORECAST_CAP, FORECAST_CAP))


def diversification_multiplier(weights: Sequence[float], correlations: FloatArray) -> float:
    """M15: 1 / √(w'Hw) with correlations floored at zero (Carver 2015); `correlations` is (n, n), weights sum to 1."""
    w = np.asarray(weights, dtype=np.float64)
    floored = np.maximum(np.asarray(correlations, dtype=np.float64), 0.0)
    return 1.0 / math.sqrt(float(w @ floored @ w))


def combined_forecast(
    forecasts: Sequence[pl.Expr], weights: Sequence[float], multiplier: float, cap: float = FORECAST_CAP
) -> pl.Expr:
    """M15: multiplier times the weighted sum of forecasts, within ±cap; null where one of them is null."""
    weighted = [forecast * weight for forecast, weight in zip(forecasts, weights, strict=True)]
    return (pl.sum_horizontal(weighted, ignore_nulls=False) * multiplier).clip(-cap, cap)
