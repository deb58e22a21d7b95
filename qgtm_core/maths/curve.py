"""Shared mathematics of futures curves (M18): roll yield, basis, implied lease. Expressions in, expressions out.

f1 and f2 are settlements of two dated contracts of one metal, the nearer first, both positive; `years` is the time
between their deliveries (ACT/365). A stitched continuous series must never stand for either.
Source: Koijen, Moskowitz, Pedersen and Vrugt 2018; the lease as in Barone-Adesi, Geman and Theal 2010.
"""

from __future__ import annotations

import polars as pl

DAYS_A_YEAR = 365.0
MONEY_MARKET_DAYS = 360.0  # SOFR is quoted simple, ACT/360


def roll_yield(f1: pl.Expr, f2: pl.Expr, years: pl.Expr) -> pl.Expr:
    """Return ln(f1/f2) / years, a decimal a year; positive = backwardation."""
    return (f1 / f2).log() / years


def basis(f1: pl.Expr, f2: pl.Expr) -> pl.Expr:
    """Return (f1 − f2) / f1, a decimal; positive = backwardation."""
    return (f1 - f2) / f1


def implied_lease(f1: pl.Expr, f2: pl.Expr, years: pl.Expr, rate: pl.Expr) -> pl.Expr:
    """Return rate − ln(f2/f1) / years, the lease (convenience) rate in decimals a year; `rate` is continuous."""
    return rate + roll_yield(f1, f2, years)


def continuous_rate(overnight_percent: pl.Expr) -> pl.Expr:
    """Continuously compounded rate a year (decimal, ACT/365) of an overnight rate in percent, rolled every day."""
    return (overnight_percent * (0.01 / MONEY_MARKET_DAYS)).log1p() * DAYS_A_YEAR


def risk_adjusted_carry(f1: pl.Expr, f2: pl.Expr, years: pl.Expr, volatility: pl.Expr) -> pl.Expr:
    """Return (f1 − f2) / years over the annual price volatility `volatility`·f1 (Carver 2015); no unit."""
    return (f1 - f2) / years / (volatility * f1)
