"""Variance from open, high, low and close: one bar each, or a window of bars. Expressions; null stays null.

A day's variance, not annualised. Bars are usable ones of one symbol, oldest first, on one basis of prices.
"""

from __future__ import annotations

import math

import polars as pl


def parkinson(high: pl.Expr, low: pl.Expr) -> pl.Expr:
    """M21 of Parkinson (1980): (ln H/L)² / (4 ln 2)."""
    return (high / low).log() ** 2 * (1.0 / (4.0 * math.log(2.0)))


def garman_klass(open_: pl.Expr, high: pl.Expr, low: pl.Expr, close: pl.Expr) -> pl.Expr:
    """M21 of Garman and Klass (1980): ½(ln H/L)² − (2 ln 2 − 1)(ln C/O)²."""
    return 0.5 * (high / low).log() ** 2 - (2.0 * math.log(2.0) - 1.0) * (close / open_).log() ** 2


def rogers_satchell(open_: pl.Expr, high: pl.Expr, low: pl.Expr, close: pl.Expr) -> pl.Expr:
    """M21 of Rogers and Satchell (1991): ln(H/C)·ln(H/O) + ln(L/C)·ln(L/O)."""
    return (high / close).log() * (high / open_).log() + (low / close).log() * (low / open_).log()


def yang_zhang_weight(n: int) -> float:
    """The share k of the open-to-close variance that makes the estimator of n bars most precise."""
    return 0.34 / (1.34 + (n + 1) / (n - 1))


def yang_zhang(open_: pl.Expr, high: pl.Expr, low: pl.Expr, close: pl.Expr, n: int) -> pl.Expr:
    """M21 of Yang and Zhang (2000) over n bars: overnight + k·open-to-close + (1−k)·Rogers-Satchell.

    The first of the n bars needs the close before it; null below n such bars. Variances have ddof = 1.
    """
    k = yang_zhang_weight(n)
    overnight = (open_ / close.shift(1)).log().rolling_var(n, min_samples=n)
    session = (close / open_).log().rolling_var(n, min_samples=n)
    inside = rogers_satchell(open_, high, low, close).rolling_mean(n, min_samples=n)
    return overnight + k * session + (1.0 - k) * inside
