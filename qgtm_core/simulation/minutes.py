"""Short intraday bars of the simulated market: a minute path through the knots of each session's path.

Every session of every symbol has a random stream of its own, so that any span of sessions is made without the others:
five-, 15- and 30-minute bars of three funds would be a million rows over ten years.
"""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl

from qgtm_core import publication
from qgtm_core.simulation.market import Market
from qgtm_core.simulation.prices import KNOTS, OVERNIGHT_SHARE, extremes, paths, session_vol, volumes
from qgtm_core.simulation.randomness import Array, normals
from qgtm_core.simulation.world import SYMBOLS

FUNDS = ("GLD", "SLV", "GDX")
MINUTES = 390  # of a regular session
EARLY_MINUTES = 210
SPANS = (5, 15, 30)  # minutes
FIX_FUND, FIX_FROM, FIX_UNTIL = "GLD", 24, 40  # minute bars around the London afternoon auction: 09:54 to 10:10
TAPE_SHARE = 0.85  # of the day's volume; the rest trades in the auctions
REGULAR_KNOTS = np.rint(KNOTS * MINUTES).astype(np.int64)
EARLY_KNOTS = (np.array([0, 30, 90, 150, 180, 210]), np.array([0, 1, 2, 3, 7, 8]))  # minutes, knots (see `paths`)


def short_bars(market: Market, first: dt.date, last: dt.date) -> pl.DataFrame:
    """Bars of the trading days first..last: `symbol, interval, event_at` and prices, volume, vwap."""
    days = market.sessions.with_row_index("number").filter(pl.col("session").is_between(first, last))
    frames = [
        _bars(market, group, symbol, length)
        for length, group in (
            (MINUTES, days.filter(~pl.col("early_close"))),
            (EARLY_MINUTES, days.filter("early_close")),
        )
        for symbol in FUNDS
        if not group.is_empty()
    ]
    return pl.concat(frames) if frames else pl.DataFrame()


def _bars(market: Market, days: pl.DataFrame, symbol: str, length: int) -> pl.DataFrame:
    """Bars of one symbol on sessions of one length."""
    index = days["number"].to_numpy()
    price, volume = _minutes(market, index, symbol, length)
    spans = [(span, 0, length) for span in SPANS]
    if symbol == FIX_FUND:
        spans.append((1, FIX_FROM, FIX_UNTIL))
    return pl.concat([_cut(days, symbol, price, volume, bounds) for bounds in spans])


def _minutes(market: Market, index: np.ndarray, symbol: str, length: int) -> tuple[Array, Array]:
    """Price at each minute's ends (days, length + 1) and shares in each minute (days, length)."""
    column = SYMBOLS.index(symbol)
    minutes, knots = (REGULAR_KNOTS, np.arange(len(KNOTS))) if length == MINUTES else EARLY_KNOTS
    draws = np.stack([normals(market.seed, f"minutes {symbol} {number}", 2, MINUTES) for number in index])
    vol = session_vol(market)[index, column] * np.sqrt((1.0 - OVERNIGHT_SHARE) / length)
    walk = np.concatenate([np.zeros((len(index), 1)), np.cumsum(draws[:, 0, :length], axis=1)], axis=1)
    walk = walk * vol[:, None]
    anchor = np.log(paths(market)[index, column][:, knots])
    path = np.exp(walk + _between(anchor - walk[:, minutes], minutes, length))
    high, low = (side[index, column][:, None] for side in extremes(market))
    price = np.clip(np.round(path, 4), low, high)
    price[:, minutes] = paths(market)[index, column][:, knots]
    place = np.abs(2.0 * (np.arange(length) + 0.5) / length - 1.0)  # 1 at open and close, 0 at noon
    weight = (0.6 + 1.4 * place**3) * np.exp(0.4 * draws[:, 1, :length])
    shares = TAPE_SHARE * volumes(market)[index, column][:, None] * weight / weight.sum(axis=1, keepdims=True)
    return price, np.floor(shares)


def _between(values: Array, minutes: np.ndarray, length: int) -> Array:
    """Linear between the knots: (days, length + 1)."""
    grid = np.arange(length + 1)
    right = np.clip(np.searchsorted(minutes, grid, side="left"), 1, len(minutes) - 1)
    share = (grid - minutes[right - 1]) / (minutes[right] - minutes[right - 1])
    line: Array = values[:, right - 1] * (1.0 - share) + values[:, right] * share
    return line


def _cut(days: pl.DataFrame, symbol: str, price: Array, volume: Array, bounds: tuple[int, int, int]) -> pl.DataFrame:
    """Bars of one length in minutes between two minutes of the session."""
    span, first, last = bounds
    starts = np.arange(first, last, span)
    inside = starts[:, None] + np.arange(span + 1)
    prices, shares = price[:, inside], volume[:, inside[:, :-1]]
    middle = (prices[:, :, :-1] + prices[:, :, 1:]) / 2.0
    total = shares.sum(axis=2)
    vwap = np.where(total > 0, (middle * shares).sum(axis=2) / np.maximum(total, 1.0), middle.mean(axis=2))
    columns = {
        "open": prices[:, :, 0],
        "high": prices.max(axis=2),
        "low": prices.min(axis=2),
        "close": prices[:, :, -1],
        "volume": total,
        "vwap": np.round(vwap, 4),
    }
    grid = days.select("session").join(pl.DataFrame({"minute": starts}), how="cross", maintain_order="left_right")
    opened = publication.at(pl.col("session"), 9, 30)
    return grid.select(
        symbol=pl.lit(symbol),
        interval=pl.lit(f"{span}m"),
        event_at=opened + pl.duration(minutes=pl.col("minute")),
        **{name: pl.Series(values.ravel()) for name, values in columns.items()},
    )
