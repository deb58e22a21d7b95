"""Money and short rates of the simulated market: the Federal Reserve's balance sheet, SOFR and the slope of the VIX."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl

from qgtm_core import publication as known
from qgtm_core.simulation.market import Market, series
from qgtm_core.simulation.meetings import policy_rate
from qgtm_core.simulation.prices import vix
from qgtm_core.simulation.randomness import HORIZON, Array, autoregress, ewma, normals

_DAY = pl.col("event_date")
WEEKS = HORIZON // 4
MILLIONS, BILLIONS = "Millions of U.S. Dollars", "Billions of US Dollars"  # each as FRED words it
THREE_MONTH_PULL = 0.45  # of the way from the one-month index to its habit


def _wednesdays(market: Market) -> pl.DataFrame:
    first = market.origin - dt.timedelta(days=(market.origin.weekday() - 2) % 7)
    return pl.DataFrame({"event_date": pl.date_range(first, market.last, "1w", eager=True)})


def _balance_sheet(market: Market) -> list[pl.DataFrame]:
    """Total assets grow and shrink in waves of years; the Treasury's account wanders around 400 billion."""
    weeks = _wednesdays(market)
    draws = normals(market.seed, "balance sheet", WEEKS, 3)
    growth = autoregress(0.0004 * draws[:, 0], 0.985)
    assets = 4.4e6 * np.exp(autoregress(growth, 0.998) + 0.002 * draws[:, 1])
    account = 4.0e5 * np.exp(autoregress(0.06 * draws[:, 2], 0.97))
    return [
        series(weeks, name, np.round(level[: weeks.height]), known.h41(_DAY), unit=MILLIONS)
        for name, level in (("WALCL", assets), ("WTREGEN", account))
    ]


def three_month_vix(market: Market) -> Array:
    """Implied equity volatility over three months at the close, points (`HORIZON` long): nearer to its habit."""
    near = vix(market)
    away = ewma(np.log(near), 250.0) - np.log(near)
    noise = autoregress(0.01 * normals(market.seed, "vix three months", HORIZON), 0.9)
    return np.round(near * np.exp(THREE_MONTH_PULL * away + 0.05 + noise), 2)


def liquidity(market: Market) -> list[pl.DataFrame]:
    """Macro rows of WALCL, WTREGEN, RRPONTSYD, SOFR and VXVCLS."""
    daily = market.daily()
    draws = normals(market.seed, "money", HORIZON, 2)
    repo = 300.0 * np.exp(autoregress(0.05 * draws[:, 0], 0.995))
    rate = policy_rate(market) - 0.2 + 0.015 * market.shown(draws[:, 1])
    return [
        *_balance_sheet(market),
        series(daily, "RRPONTSYD", market.shown(np.round(repo, 3)), known.reverse_repo(_DAY), unit=BILLIONS),
        series(daily, "SOFR", np.round(rate, 2), known.overnight_rate(_DAY), unit="Percent"),
        series(daily, "VXVCLS", market.shown(three_month_vix(market)), known.next_morning(_DAY), unit="Index"),
    ]
