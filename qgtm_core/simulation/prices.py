"""Prices of the simulated market: each session's path, its bars, the quotes at the decision and what the venue saw."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import polars as pl

from qgtm_core import publication
from qgtm_core.simulation.market import Market, finish
from qgtm_core.simulation.randomness import HORIZON, Array, autoregress, normals
from qgtm_core.simulation.world import SYMBOLS, instrument_normals
from qgtm_core.universe import INSTRUMENTS

EXTRA = ("VIX", "BTC-USD")  # daily bars only
START_PRICE_USD: dict[str, float] = {
    "GLD": 118.0, "IAU": 23.8, "GLDM": 24.2, "SGOL": 11.9, "SLV": 19.3, "SIVR": 19.6, "PPLT": 135.0, "PALL": 70.0,
    "GDX": 21.5, "GDXJ": 31.0, "SIL": 34.0, "NEM": 23.5, "AEM": 26.5, "FNV": 41.0, "WPM": 20.5, "RGLD": 47.0,
    "UGL": 41.0, "AGQ": 62.0, "SPY": 183.0, "UUP": 21.6, "TIP": 110.0, "TLT": 102.0, "IEF": 99.5, "CPER": 22.0,
    "USO": 280.0, "PHYS": 10.04, "PSLV": 7.9, "XLI": 52.0,
}  # fmt: skip
VOLUME_SHARES: dict[str, float] = {
    "GLD": 7.5e6, "IAU": 6e6, "GLDM": 2.5e6, "SGOL": 2e6, "SLV": 1.8e7, "SIVR": 8e5, "PPLT": 1.2e5, "PALL": 6e4,
    "GDX": 2.2e7, "GDXJ": 6e6, "SIL": 4e5, "NEM": 7e6, "AEM": 2.2e6, "FNV": 7e5, "WPM": 2.3e6, "RGLD": 4e5,
    "UGL": 2e5, "AGQ": 9e5, "SPY": 8e7, "UUP": 1.6e6, "TIP": 2.5e6, "TLT": 2e7, "IEF": 7e6, "CPER": 1.5e5, "USO": 4e6,
    "PHYS": 1.2e6, "PSLV": 9e5, "XLI": 1.1e7,
}  # fmt: skip
START_SPOT_USD = {"GOLD": 1220.0, "SILVER": 20.0, "PLATINUM": 1390.0, "PALLADIUM": 720.0}

# Points of a session's path, as shares of a regular session: 09:30, 10:00 ... 15:00, the decision (15:30), the close
KNOTS = np.array([0.0, 0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.0, 6.5]) / 6.5
DECISION = 7  # index of the decision in KNOTS
OVERNIGHT_SHARE = 0.45  # of the variance of a session
BTC_DAY_VOL = 0.035


@lru_cache(maxsize=4)
def _closes(market: Market) -> Array:
    """Total-return closes by session and symbol, USD, unrounded."""
    steps = np.column_stack([market.world.returns[symbol] for symbol in SYMBOLS])
    start = np.log([START_PRICE_USD[symbol] for symbol in SYMBOLS])
    closes: Array = np.exp(start + np.cumsum(steps, axis=0))
    return market.shown(closes)


@lru_cache(maxsize=4)
def paths(market: Market) -> Array:
    """Price at each knot, session and symbol: (sessions, symbols, knots), USD, rounded to 0.0001.

    A Brownian bridge from the open to the close, so every bar and quote made from it agrees with the daily bar. On
    early closes the knots are read as 09:30, 10:00, 11:00, 12:00, three that no bar shows, 12:30 and 13:00.
    """
    closes = np.log(_closes(market))
    before = np.vstack([closes[:1], closes[:-1]])
    session_return = closes - before
    draws = instrument_normals(market.seed, "paths", len(KNOTS))[: market.count]
    vol = session_vol(market)
    opens = before + OVERNIGHT_SHARE * session_return + 0.35 * vol * draws[:, :, 0]
    walk = np.cumsum(draws[:, :, 1:] * np.sqrt(np.diff(KNOTS)), axis=2)
    walk = np.concatenate([np.zeros((*walk.shape[:2], 1)), walk], axis=2)
    bridge = walk - KNOTS * walk[:, :, -1:]
    scale = vol * np.sqrt(1.0 - OVERNIGHT_SHARE)
    path = opens[:, :, None] + KNOTS * (closes - opens)[:, :, None] + scale[:, :, None] * bridge
    rounded: Array = np.round(np.exp(path), 4)
    return rounded


@lru_cache(maxsize=4)
def session_vol(market: Market) -> Array:
    """Typical size of a session's return by session and symbol, from the past 20 and a floor."""
    steps = np.column_stack([market.world.returns[symbol] for symbol in SYMBOLS]) ** 2
    keep = 0.95
    averaged = autoregress((steps - 1e-4) * (1.0 - keep), keep) + 1e-4
    vol: Array = np.sqrt(np.maximum(averaged, 1e-7))
    return market.shown(vol)


@lru_cache(maxsize=4)
def extremes(market: Market) -> tuple[Array, Array]:
    """High and low a session and symbol, outside every knot."""
    knots = paths(market)
    reach = np.abs(instrument_normals(market.seed, "extremes", 2)[: market.count])
    beyond = 0.12 * session_vol(market)
    high = np.round(knots.max(axis=2) * (1.0 + beyond * reach[:, :, 0]), 4)
    low = np.round(knots.min(axis=2) * (1.0 - beyond * reach[:, :, 1]), 4)
    return high, low


@lru_cache(maxsize=4)
def volumes(market: Market) -> Array:
    """Shares a session and symbol: persistent, larger on large moves."""
    noise = autoregress(0.18 * instrument_normals(market.seed, "volume"), 0.75)
    steps = np.column_stack([market.world.returns[symbol] for symbol in SYMBOLS])
    surprise = np.abs(market.shown(steps)) / session_vol(market)
    typical = np.array([VOLUME_SHARES[symbol] for symbol in SYMBOLS])
    volume: Array = np.round(typical * np.exp(market.shown(noise) + 0.25 * np.minimum(surprise, 4.0) - 0.2))
    return volume


def spot(market: Market, metal: str) -> Array:
    """Spot metal at the close by session, USD an ounce (`HORIZON` long)."""
    price: Array = START_SPOT_USD[metal] * np.exp(np.cumsum(market.world.returns[metal]))
    return price


def _long(market: Market, columns: dict[str, Array]) -> pl.DataFrame:
    """(sessions, symbols) arrays as rows of session and symbol."""
    grid = market.sessions.join(pl.DataFrame({"symbol": SYMBOLS}), how="cross", maintain_order="left_right")
    return grid.with_columns(pl.Series(name, values.ravel()) for name, values in columns.items())


def bars_daily(market: Market) -> pl.DataFrame:
    """Daily bars of the universe, the VIX (closes) and bitcoin. No dividends or splits, so adj_close = close."""
    knots = paths(market)
    high, low = extremes(market)
    frame = _long(
        market,
        {"open": knots[:, :, 0], "high": high, "low": low, "close": knots[:, :, -1], "volume": volumes(market)},
    ).select(
        "symbol",
        pl.col("open", "high", "low", "close"),
        pl.col("volume").cast(pl.Int64),
        event_date="session",
        volume_scope=pl.lit("consolidated"),
        flags=pl.lit(""),
        adj_close="close",
    )
    day = pl.col("event_date")
    bars = pl.concat([frame, _vix_bars(market)], how="diagonal").with_columns(
        event_at=publication.session_close(day), available_at=publication.daily_bar(day)
    )
    coin = _bitcoin_bars(market).with_columns(
        event_at=publication.at(day.dt.offset_by("1d"), 0, 0, "UTC"), available_at=publication.round_the_clock_bar(day)
    )
    return finish("bars_daily", pl.concat([bars, coin], how="diagonal"))


def vix(market: Market) -> Array:
    """Implied equity volatility at the close, points (`HORIZON` long): realised volatility and a premium."""
    noise = autoregress(0.03 * normals(market.seed, "vix", HORIZON), 0.9)
    level: Array = np.round(np.clip(100.0 * np.sqrt(252.0) * market.world.equity_vol * 1.15 * np.exp(noise), 9, 90), 2)
    return level


def gvz(market: Market) -> Array:
    """Implied gold volatility at the close, points (`HORIZON` long)."""
    noise = autoregress(0.03 * normals(market.seed, "gvz", HORIZON), 0.9)
    level: Array = np.round(np.clip(100.0 * np.sqrt(252.0) * market.world.gold_vol * 1.10 * np.exp(noise), 7, 70), 2)
    return level


def _vix_bars(market: Market) -> pl.DataFrame:
    close = market.shown(vix(market))
    return market.daily().with_columns(
        symbol=pl.lit("VIX"), close=pl.Series(close), adj_close=pl.Series(close), flags=pl.lit("close_only")
    )


def _bitcoin_bars(market: Market) -> pl.DataFrame:
    days = pl.date_range(market.origin, market.last, "1d", eager=True)
    draws = normals(market.seed, "bitcoin", 2 * HORIZON, 3)
    close = np.round(770.0 * np.exp(np.cumsum(0.0006 + BTC_DAY_VOL * draws[:, 0])), 2)[: len(days)]
    opened = np.concatenate([[770.0], close[:-1]])
    reach = np.abs(draws[: len(days), 1:]) * BTC_DAY_VOL * 0.4
    return pl.DataFrame(
        {
            "symbol": ["BTC-USD"] * len(days),
            "event_date": days,
            "open": opened,
            "high": np.round(np.maximum(opened, close) * (1.0 + reach[:, 0]), 2),
            "low": np.round(np.minimum(opened, close) * (1.0 - np.minimum(reach[:, 1], 0.5)), 2),
            "close": close,
            "adj_close": close,
            "flags": [""] * len(days),
        }
    )


def decision_quotes(market: Market) -> pl.DataFrame:
    """Bid and ask one second before the decision, at the path's own price."""
    mids = _long(market, {"mid": paths(market)[:, :, DECISION]})
    half = pl.col("mid") * pl.col("half_spread_bp") * 1e-4
    second = pl.duration(seconds=1)
    frame = mids.join(_spreads(), on="symbol").select(
        "symbol",
        event_date="session",
        bid=pl.col("mid") - half,
        ask=pl.col("mid") + half,
        basis=pl.lit("quote"),
        event_at=pl.col("decided_at") - second,
        available_at=pl.col("decided_at"),
    )
    return finish("decision_quotes", frame)


def _spreads() -> pl.DataFrame:
    return pl.DataFrame({"symbol": SYMBOLS, "half_spread_bp": [INSTRUMENTS[s].half_spread_bp for s in SYMBOLS]})


def late_prices(market: Market) -> pl.DataFrame:
    """After the decision: `session, symbol, late_mid` (soon after it) and `late_vwap` (the mean until the close)."""
    knots = paths(market)
    decision, close = knots[:, :, DECISION], knots[:, :, -1]
    return _long(
        market,
        {"late_mid": np.round((2.0 * decision + close) / 3.0, 4), "late_vwap": np.round((decision + close) / 2.0, 4)},
    ).select("session", "symbol", "late_mid", "late_vwap")
