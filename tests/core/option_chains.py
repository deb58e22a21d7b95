"""Option chains with a known surface, for tests."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import numpy as np
import polars as pl

from qgtm_core import calendar
from qgtm_core.maths import options
from tests.core.pit_frames import complete

DAYS = (9, 23, 37, 58, 93)  # to expiry
MONEY = np.round(np.arange(-0.18, 0.181, 0.02), 4)


def chains(
    sessions: pl.DataFrame,
    symbols: Sequence[str] = ("GLD",),
    days: Sequence[int] = DAYS,
    seed: int = 1,
    level: float = 0.16,
    price: float = 200.0,
) -> pl.DataFrame:
    """PIT rows of one snapshot a session and symbol, quoted 20 minutes before the decision and known 5 before it.

    Volatility at the money wanders about `level`; a slope and a smile are laid over it.
    """
    rng = np.random.default_rng(seed)
    parts = []
    for symbol in symbols:
        n = sessions.height
        spot = price * np.exp(np.cumsum(rng.normal(0.0, 0.008, n)))
        vol = level * np.exp(np.cumsum(rng.normal(0.0, 0.02, n)))
        tilt = rng.normal(-0.1, 0.05, n)
        own = sessions.with_columns(underlying_price=pl.Series(np.round(spot, 2)), vol=vol, tilt=tilt)
        grid = own.join(pl.DataFrame({"days": list(days)}), how="cross").join(
            pl.DataFrame({"money": MONEY}), how="cross"
        )
        parts.append(
            grid.join(pl.DataFrame({"right": ["C", "P"]}), how="cross").with_columns(underlying=pl.lit(symbol))
        )
    return complete("options", quoted(pl.concat(parts)))


def quoted(grid: pl.DataFrame) -> pl.DataFrame:
    """Contracts and quotes of a grid."""
    grid = grid.with_columns(
        strike=(pl.col("underlying_price") * pl.col("money").exp()).round(0),
        expiry=pl.col("session") + pl.duration(days=pl.col("days")),
    ).unique(["session", "underlying", "expiry", "right", "strike"], keep="first", maintain_order=True)
    spot, strike = grid["underlying_price"].to_numpy(), grid["strike"].to_numpy()
    years, call = grid["days"].to_numpy() / 365.0, (grid["right"] == "C").to_numpy()
    money = np.log(strike / spot)
    iv = np.round(grid["vol"].to_numpy() * (1.0 + grid["tilt"].to_numpy() * money * 3.0 + 4.0 * money**2), 4)
    worth = options.value(call, spot, strike, years, iv)
    half = np.maximum(0.01, 0.01 * worth)
    at = pl.col("decided_at") - dt.timedelta(minutes=20)
    return grid.select(
        "underlying", "expiry", "right", "strike", "underlying_price",
        contract=pl.format(
            "{}{}{}{}", "underlying", pl.col("expiry").dt.strftime("%y%m%d"), "right",
            (pl.col("strike") * 1000).cast(pl.Int64).cast(pl.String).str.zfill(8),
        ),
        bid=pl.Series(np.maximum(worth - half, 0.0)),
        ask=pl.Series(worth + half),
        iv=pl.Series(iv),
        delta=pl.Series(options.greeks(call, spot, strike, years, iv).delta),
        event_at=at,
        available_at=at + dt.timedelta(minutes=15),
    )  # fmt: skip


def span(first: dt.date, count: int) -> pl.DataFrame:
    """`count` sessions from a day on, with their decisions."""
    return calendar.schedule(first).head(count).select("session", "decided_at")
