"""Option chains of the simulated market: Black-Scholes prices on a skewed surface around implied volatility."""

from __future__ import annotations

import numpy as np
import polars as pl

from qgtm_core import publication as known
from qgtm_core.simulation.market import Market, finish
from qgtm_core.simulation.prices import DECISION, gvz, paths
from qgtm_core.simulation.randomness import Array
from qgtm_core.simulation.world import SYMBOLS

UNDERLYINGS = {"GLD": 1.0, "SLV": 1.6}  # implied volatility as a multiple of GVZ
STRIKES = 5  # around the money, one step apart
STEP = 0.025  # between strikes, as a share of the price
EXPIRIES = 2  # next monthly expiries at least a week away
RATE = 0.02
SKEW = 0.15  # added volatility for each unit of log-moneyness below the money


def black_scholes(
    price: Array, strike: Array, years: Array, vol: Array, call: np.ndarray
) -> tuple[Array, Array, Array, Array, Array]:
    """Value, delta, gamma, vega (a point) and theta (a day) of European options; all arrays broadcast together."""
    from scipy.special import ndtr

    root = vol * np.sqrt(years)
    d1 = (np.log(price / strike) + (RATE + vol**2 / 2.0) * years) / root
    d2 = d1 - root
    density = np.exp(-(d1**2) / 2.0) / np.sqrt(2.0 * np.pi)
    sign = np.where(call, 1.0, -1.0)
    paid = strike * np.exp(-RATE * years)
    value = sign * (price * ndtr(sign * d1) - paid * ndtr(sign * d2))
    theta = -price * density * vol / (2.0 * np.sqrt(years)) - sign * RATE * paid * ndtr(sign * d2)
    return (
        value,
        sign * ndtr(sign * d1),
        density / (price * root),
        price * density * np.sqrt(years) / 100.0,
        theta / 365.0,
    )


def option_chain(market: Market) -> pl.DataFrame:
    """One small chain a session and underlying, quoted 20 minutes before the decision."""
    return finish("option_chain", pl.concat([_chain(market, symbol) for symbol in UNDERLYINGS]))


def _chain(market: Market, symbol: str) -> pl.DataFrame:
    price = np.round(paths(market)[:, SYMBOLS.index(symbol), DECISION - 1], 2)
    at_money = market.shown(gvz(market)) / 100.0 * UNDERLYINGS[symbol]
    grid = (
        market.sessions.with_columns(underlying_price=pl.Series(price), at_money=pl.Series(at_money))
        .join(pl.DataFrame({"offset": np.arange(STRIKES) - STRIKES // 2}), how="cross")
        .join(pl.DataFrame({"nth": np.arange(EXPIRIES)}), how="cross")
        .join(pl.DataFrame({"right": ["C", "P"]}), how="cross")
    )
    third_friday = _third_friday(pl.col("session").dt.offset_by("7d"), pl.col("nth"))
    unit = 1.0 if symbol == "GLD" else 0.5
    strike = ((pl.col("underlying_price") * (1.0 + STEP * pl.col("offset")) / unit).round(0) * unit).alias("strike")
    grid = grid.with_columns(expiry=third_friday, strike=strike).unique(
        ["session", "expiry", "strike", "right"], maintain_order=True
    )
    return _quoted(grid, symbol)


def _third_friday(earliest: pl.Expr, nth: pl.Expr) -> pl.Expr:
    """The n-th (0 = next) monthly expiry on or after a day."""
    this = _third_friday_of(earliest.dt.month_start())
    skip = nth + (this < earliest).cast(pl.Int64)
    return _third_friday_of(earliest.dt.month_start().dt.offset_by(pl.format("{}mo", skip)))


def _third_friday_of(month: pl.Expr) -> pl.Expr:
    first_friday = (5 - month.dt.weekday().cast(pl.Int64)) % 7
    return month + pl.duration(days=first_friday + 14)


def _quoted(grid: pl.DataFrame, symbol: str) -> pl.DataFrame:
    price, strike = grid["underlying_price"].to_numpy(), grid["strike"].to_numpy()
    years = (grid["expiry"] - grid["session"]).dt.total_days().to_numpy() / 365.0
    money = np.log(strike / price)
    vol = np.round(np.maximum(grid["at_money"].to_numpy() - SKEW * money + 0.5 * money**2, 0.05), 4)
    call = grid["right"].to_numpy() == "C"
    value, delta, gamma, vega, theta = black_scholes(price, strike, years, vol, call)
    half = np.maximum(0.01, 0.01 * value)
    expiry = pl.col("expiry").dt.strftime("%y%m%d")
    thousandths = (pl.col("strike") * 1000).cast(pl.Int64).cast(pl.String).str.zfill(8)
    quoted_at = pl.col("decided_at") - pl.duration(minutes=20)
    size = np.round(2_000.0 * np.exp(-20.0 * np.abs(money)))
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
    ).drop("session", "open_at", "close_at", "decided_at", "early_close", "offset", "nth", "at_money")
