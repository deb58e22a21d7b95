"""Realised variance, the variance premium and places in a range as causal Polars expressions.

A value at row i depends on rows 0..i of a column of usable observations, oldest first; null = too little history.
"""

from __future__ import annotations

import polars as pl

from qgtm_core.maths import statistics as stats

MONTH = 21  # returns


def realised_variance(r: pl.Expr, n: int = MONTH) -> pl.Expr:
    """Annual variance 252/n times the sum of n squared returns; null below n returns."""
    return (r**2).rolling_sum(n, min_samples=n) * (stats.TRADING_DAYS / n)


def variance_premium(implied_points: pl.Expr, realised: pl.Expr) -> pl.Expr:
    """M20: implied variance (of a volatility in points) less realised annual variance (Carr and Wu 2009, ex ante)."""
    return (implied_points * 0.01) ** 2 - realised


def range_rank(x: pl.Expr, n: int) -> pl.Expr:
    """Place of x between the lowest (0) and the highest (1) of n values; null below 0.8 n or where all are equal."""
    need = stats.filled(n)
    low, high = x.rolling_min(n, min_samples=need), x.rolling_max(n, min_samples=need)
    return pl.when(high > low).then((x - low) / (high - low))
