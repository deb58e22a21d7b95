"""One option chain as it was known at a decision: the quotes that may be used, and how old they are."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import polars as pl

from qgtm_core.maths import options, surface
from qgtm_core.pit import as_of
from qgtm_core.schemas.pit import PIT_TABLES

CALL, PUT = "C", "P"
SHARES = 100  # a contract


@dataclass(frozen=True, slots=True)
class Quote:
    """One usable quote; prices in USD a share, gamma and vega (a point) a share."""

    contract: str  # OCC symbol
    expiry: dt.date
    right: str  # C or P
    strike: float
    bid: float
    ask: float
    iv: float
    delta: float
    gamma: float
    vega: float

    @property
    def mid(self) -> float:
        """Middle of the quote."""
        return (self.bid + self.ask) / 2.0


@dataclass(frozen=True, slots=True)
class Chain:
    """The newest snapshot known at a decision: quotes that pass the filter of M22 and have volatility and delta."""

    underlying: str
    price: float
    quoted_at: dt.datetime
    known_at: dt.datetime
    quotes: tuple[Quote, ...]  # by expiry, right and strike
    expiries: tuple[dt.date, ...]  # nearest first
    smiles: surface.Smiles  # of those expiries

    def of(self, expiry: dt.date, right: str) -> tuple[Quote, ...]:
        """Quotes of one expiry and right, lowest strike first."""
        return tuple(q for q in self.quotes if q.expiry == expiry and q.right == right)

    def expiry_within(self, first: int, last: int) -> dt.date | None:
        """The usable expiry nearest the middle of a window of calendar days."""
        place = int(self.smiles.nearest(first, last)[0])
        return self.expiries[place] if place >= 0 else None

    def expiry_after(self, day: dt.date) -> dt.date | None:
        """The first expiry after a day that has a usable quote of both rights at the money."""
        usable = np.isfinite(self.smiles.atm)
        return next(
            (expiry for expiry, there in zip(self.expiries, usable, strict=True) if there and expiry > day), None
        )


def read_chain(rows: pl.DataFrame, underlying: str, decided_at: dt.datetime) -> Chain | None:
    """The newest snapshot of an underlying known at a decision; None where none is.

    `rows` are PIT rows of `options`. Missing Greeks are computed (M22, no rates) from the quote's own volatility.
    """
    known = rows.filter((pl.col("underlying") == underlying) & (pl.col("available_at") <= decided_at))
    if known.is_empty():
        return None
    newest = known.filter(pl.col("event_at") == pl.col("event_at").max())
    snapshot = as_of(newest, decided_at, PIT_TABLES["options"].key)
    points = surface.expiry_points(snapshot)
    days = points.select(surface.days_ahead())["expiry"].to_numpy()
    return Chain(
        underlying,
        float(snapshot["underlying_price"][0]),
        snapshot["event_at"][0],
        max(snapshot["available_at"]),
        _quotes(snapshot),
        tuple(points["expiry"]),
        surface.Smiles.of(points, np.zeros(1, dtype=np.int64), days),
    )


def _quotes(snapshot: pl.DataFrame) -> tuple[Quote, ...]:
    priced = (pl.col("iv") > 0) & pl.col("iv").is_finite() & pl.col("delta").is_finite()
    good = snapshot.filter(surface.passes() & priced).sort("expiry", "right", "strike")
    day = pl.col("event_at").dt.convert_time_zone("America/New_York").dt.date()
    years = good.select(((pl.col("expiry") - day).dt.total_days().clip(1) / 365.0).alias("years"))["years"].to_numpy()
    own = options.greeks(
        (good["right"] == CALL).to_numpy(),
        good["underlying_price"].to_numpy(),
        good["strike"].to_numpy(),
        years,
        good["iv"].to_numpy(),
    )
    filled = good.with_columns(
        pl.coalesce(pl.col(name).fill_nan(None), pl.Series(getattr(own, name))).alias(name)
        for name in ("gamma", "vega")
    )
    columns = ("contract", "expiry", "right", "strike", "bid", "ask", "iv", "delta", "gamma", "vega")
    return tuple(Quote(*row) for row in filled.select(columns).iter_rows())
