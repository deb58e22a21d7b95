"""Option chains of the simulated market: Black-Scholes prices on a surface with a term structure and a skew.

A chain lists every second Friday up to two months ahead and the monthly expiries up to four months ahead, each with
strikes from about 6 delta to 8 delta: out-of-the-money options, and both rights around the money.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import polars as pl

from qgtm_core import calendar
from qgtm_core import publication as known
from qgtm_core.maths import options
from qgtm_core.simulation.market import Market, finish
from qgtm_core.simulation.prices import DECISION, gvz, paths
from qgtm_core.simulation.randomness import HORIZON, Array, autoregress, ewma, normals
from qgtm_core.simulation.world import SYMBOLS


@dataclass(frozen=True, slots=True)
class Surface:
    """Habits of an underlying's implied volatility."""

    multiple: float  # of GVZ
    skew: float  # of the volatility for each standard deviation of log-moneyness above the money
    strike_step_usd: float


UNDERLYINGS = {"GLD": Surface(1.0, 0.02, 1.0), "SLV": Surface(1.6, 0.045, 0.5)}
OFFSETS = np.array([-1.6, -1.1, -0.7, -0.35, 0.0, 0.35, 0.7, 1.1, 1.6])  # strikes, in standard deviations
BOTH_RIGHTS_WITHIN = 0.4  # standard deviations
SHORTEST_DAYS, FORTNIGHTS_DAYS, LONGEST_DAYS = 7, 62, 125
RATE = 0.02
SMILE = 0.03  # of the volatility for a squared standard deviation
HOME_DAYS = 30.0  # the maturity of GVZ
TERM_DAYS = 90.0  # over which the distance from the habit fades
TERM_PULL = 0.7


def black_scholes(
    price: Array, strike: Array, years: Array, vol: Array, call: np.ndarray
) -> tuple[Array, Array, Array, Array, Array]:
    """Value, delta, gamma, vega (a point) and theta (a day) of European options; all arrays broadcast together."""
    terms = call, price, strike, years, vol, RATE
    greeks = options.greeks(*terms)
    return options.value(*terms), greeks.delta, greeks.gamma, greeks.vega, greeks.theta


def option_chain(market: Market) -> pl.DataFrame:
    """One chain a session and underlying, quoted 15 minutes before the decision, so just known at it."""
    return finish("option_chain", pl.concat([_chain(market, symbol) for symbol in UNDERLYINGS]))


def _expiries(market: Market) -> pl.DataFrame:
    """Listed expiries of every session: `session, expiry, days`."""
    until = market.last + dt.timedelta(days=LONGEST_DAYS + 7)
    friday = market.origin + dt.timedelta(days=(4 - market.origin.weekday()) % 7)
    fridays = pl.DataFrame({"expiry": pl.date_range(friday, until, "1w", eager=True)}).with_columns(
        monthly=pl.col("expiry").dt.day().is_between(15, 21),
        fortnight=(pl.col("expiry").dt.epoch("d") // 7) % 2 == 0,
    )
    open_days = calendar.schedule().select(traded="session")
    fridays = fridays.join_asof(open_days, left_on="expiry", right_on="traded", strategy="backward")
    # Join each session with the Fridays of its window only, by the number of weeks ahead
    ahead = pl.DataFrame({"weeks": np.arange(LONGEST_DAYS // 7 + 1)})
    grid = market.sessions.select("session").join(ahead, how="cross", maintain_order="left_right")
    next_friday = pl.col("session") + pl.duration(days=(5 - pl.col("session").dt.weekday().cast(pl.Int64)) % 7)
    dated = grid.with_columns(expiry=next_friday + pl.duration(days=7 * pl.col("weeks")))
    dated = dated.join(fridays, on="expiry", how="left", maintain_order="left").with_columns(expiry="traded")
    days = (pl.col("expiry") - pl.col("session")).dt.total_days()
    listed = pl.col("monthly") | (pl.col("fortnight") & (days <= FORTNIGHTS_DAYS))
    return dated.filter(days.is_between(SHORTEST_DAYS, LONGEST_DAYS), listed).select("session", "expiry", days=days)


def _state(market: Market, symbol: str) -> pl.DataFrame:
    """What a chain hangs on, by session: `underlying_price, near, habit, skew`."""
    surface = UNDERLYINGS[symbol]
    draws = normals(market.seed, f"options {symbol}", HORIZON, 3)
    index = np.log(gvz(market) / 100.0 * surface.multiple)
    near = index + autoregress(0.012 * draws[:, 0], 0.9)
    habit = ewma(index, 250.0) + 0.02 + autoregress(0.008 * draws[:, 1], 0.97)
    skew = surface.skew + autoregress(0.008 * draws[:, 2], 0.96)
    knots = paths(market)[:, SYMBOLS.index(symbol), DECISION - 1 : DECISION + 1]
    return market.sessions.select("session", "decided_at").with_columns(
        underlying_price=pl.Series(np.round(knots.mean(axis=1), 2)),  # half-way between 15:00 and 15:30
        near=pl.Series(market.shown(near)),
        habit=pl.Series(market.shown(habit)),
        skew=pl.Series(market.shown(skew)),
    )


def _chain(market: Market, symbol: str) -> pl.DataFrame:
    fade = 1.0 - (-(pl.col("days") - HOME_DAYS) / TERM_DAYS).exp()
    at_money = (pl.col("near") + TERM_PULL * fade * (pl.col("habit") - pl.col("near"))).exp()
    sides = [
        {"offset": offset, "right": right}
        for offset in OFFSETS.tolist()
        for right in ("C", "P")
        if abs(offset) <= BOTH_RIGHTS_WITHIN or (offset > 0) == (right == "C")
    ]
    step = UNDERLYINGS[symbol].strike_step_usd
    away = (pl.col("offset") * pl.col("at_money") * (pl.col("days") / 365.0).sqrt()).exp()
    grid = (
        _expiries(market)
        .join(_state(market, symbol), on="session", how="left", maintain_order="left")
        .with_columns(at_money=at_money)
        .join(pl.DataFrame(sides), how="cross", maintain_order="left_right")
        .with_columns(strike=(pl.col("underlying_price") * away / step).round(0) * step)
        .unique(["session", "expiry", "strike", "right"], keep="first", maintain_order=True)
    )
    return _quoted(grid, symbol)


def _quoted(grid: pl.DataFrame, symbol: str) -> pl.DataFrame:
    price, strike, at_money = (grid[name].to_numpy() for name in ("underlying_price", "strike", "at_money"))
    years = grid["days"].to_numpy() / 365.0
    away = np.log(strike / price) / (at_money * np.sqrt(years))  # standard deviations
    shape = 1.0 + grid["skew"].to_numpy() * away + SMILE * away**2
    vol = np.round(np.maximum(at_money * shape, 0.03), 4)
    call = grid["right"].to_numpy() == "C"
    value, delta, gamma, vega, theta = black_scholes(price, strike, years, vol, call)
    half = np.maximum(0.005, 0.012 * value)
    expiry = pl.col("expiry").dt.strftime("%y%m%d")
    thousandths = (pl.col("strike") * 1000).cast(pl.Int64).cast(pl.String).str.zfill(8)
    quoted_at = pl.col("decided_at") - known.OPTION_DELAY
    size = np.round(2_000.0 * np.exp(-(away**2)))
    return grid.with_columns(
        underlying=pl.lit(symbol),
        contract=pl.concat_str(pl.lit(symbol), expiry, "right", thousandths),
        bid=pl.Series(np.round(np.maximum(value - half, 0.0), 4)),
        ask=pl.Series(np.round(value + half, 4)),
        iv=pl.Series(vol),
        delta=pl.Series(np.round(delta, 6)),
        gamma=pl.Series(np.round(gamma, 6)),
        vega=pl.Series(np.round(vega, 6)),
        theta=pl.Series(np.round(theta, 6)),
        open_interest=pl.Series(size).cast(pl.Int64),
        volume=pl.Series(np.round(size / 8.0)).cast(pl.Int64),
        event_at=quoted_at,
        available_at=known.option_quote(quoted_at),
    ).drop("session", "decided_at", "days", "near", "habit", "skew", "at_money", "offset")
