"""Policy meetings of the simulated market: eight a year, and the target rate they set."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache

import numpy as np
import polars as pl

from qgtm_core import publication as known
from qgtm_core.simulation.market import Market, finish
from qgtm_core.simulation.randomness import Array, ewma

MEETING_MONTHS = (1, 3, 5, 6, 7, 9, 11, 12)
STEP_PERCENT = 0.25
LARGEST_MOVE = 2  # steps at one meeting
ANNOUNCED_MONTH = 10  # the meetings of the next year are known from here on
AHEAD_DAYS = 150  # schedules reach this far beyond the last session
_DAY = pl.col("event_date")


@lru_cache(maxsize=8)
def meeting_days(market: Market) -> pl.Series:
    """Decision days: the third Wednesday of the meeting months, to the end of the last year that is announced."""
    announced = market.last.year + (market.last.month >= ANNOUNCED_MONTH)
    until = max(market.last + dt.timedelta(days=AHEAD_DAYS), dt.date(announced, 12, 31))
    days = pl.DataFrame({"event_date": pl.date_range(market.origin, until, "1d", eager=True)})
    third_wednesday = (_DAY.dt.weekday() == 3) & _DAY.dt.day().is_between(15, 21)
    return days.filter(third_wednesday & _DAY.dt.month().is_in(MEETING_MONTHS))["event_date"]


@lru_cache(maxsize=8)
def targets(market: Market) -> Array:
    """Upper target rate in percent after each meeting that took place by the last session."""
    wanted = ewma(market.shown(market.world.real_10y + market.world.breakeven_10y - market.world.slope), 60.0)
    days = meeting_days(market).filter(meeting_days(market) <= market.last)
    index = np.searchsorted(market.sessions["session"].to_numpy(), days.to_numpy(), side="right") - 1
    rate, path = _nearest_step(wanted[0]), []
    for desired in wanted[np.maximum(index, 0)]:
        move = np.clip(np.round((desired - rate) / STEP_PERCENT), -LARGEST_MOVE, LARGEST_MOVE)
        rate = max(rate + STEP_PERCENT * move, STEP_PERCENT)
        path.append(rate)
    return np.array(path)


def _nearest_step(rate: float) -> float:
    return max(round(rate / STEP_PERCENT) * STEP_PERCENT, STEP_PERCENT)


def policy_rate(market: Market) -> Array:
    """Upper target rate in force by session shown: changed from the day after a meeting."""
    start = _nearest_step(float(market.world.real_10y[0] + market.world.breakeven_10y[0] - market.world.slope[0]))
    path = np.concatenate([[start], targets(market)])
    days = meeting_days(market).to_numpy()
    held = np.searchsorted(days, market.sessions["session"].to_numpy(), side="left")
    rates: Array = path[np.minimum(held, len(path) - 1)]
    return rates


def fomc_meetings(market: Market) -> pl.DataFrame:
    """Schedules on 1 October of the year before; outcomes at 14:00 New York."""
    days = pl.DataFrame({"event_date": meeting_days(market)}).with_columns(
        kind=pl.lit("scheduled"), event_at=known.at(_DAY, 14)
    )
    schedule = days.with_columns(stage=pl.lit("schedule"), available_at=known.fomc_schedule(_DAY))
    rates = targets(market)
    outcome = days.head(len(rates)).with_columns(
        stage=pl.lit("outcome"), available_at=pl.col("event_at"), target_rate_upper_pct=pl.Series(rates)
    )
    return finish("fomc_meetings", pl.concat([schedule, outcome], how="diagonal"))
