"""features/margin: miners against gold, given what it costs them to mine it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from qgtm_core.features.common import side_by_side, with_prefix
from qgtm_core.features.spec import Feature
from qgtm_core.features.windows import (
    Bars,
    Grid,
    Instants,
    full_windows,
    instants,
    leg,
    pieces,
    price_legs,
    read_windows,
)
from qgtm_core.maths import regression
from qgtm_core.maths.regression import FloatArray, IntArray, stack

GOLD, MINERS, FIX = "GLD", "GDX", "fix"
LEGS = (GOLD, MINERS, FIX)
THREE_YEARS = 756  # days
MIN_ISSUERS = 2
MAX_FILING_AGE_DAYS = 120
_DAY = np.timedelta64(1, "D")


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a session from the first day with a margin, or the second issuer, on."""
    filings = usable_filings(pit["mining_costs"])
    fixes = pit["fixes"].filter((pl.col("metal") == "gold") & (pl.col("fix") == "PM"))
    rows = pl.concat([price_legs(pit, (GOLD, MINERS)), leg(fixes, FIX, "usd_per_oz")])

    def days(view: pl.DataFrame) -> Bars:
        bars = Grid(view, LEGS).align(LEGS)
        cost = Filed.by(filings, bars.day).cost()
        return bars.adding({"cost": cost}).keep(np.isfinite(cost))

    margin = read_windows(pieces(rows, sessions), days, margins)
    return side_by_side([with_prefix(margin, "margin"), with_prefix(costs(filings, sessions), "costs")]).sort("session")


def usable_filings(mining_costs: pl.DataFrame) -> pl.DataFrame:
    """Filings that are the newest quarter of their issuer when they become known, in that order."""
    good = pl.col("aisc_usd_per_oz").is_finite() & pl.col("production_koz").is_finite() & (pl.col("production_koz") > 0)
    rows = mining_costs.filter(good).sort("symbol", "available_at", "event_date", "revision")
    newest = pl.col("event_date") == pl.col("event_date").cum_max().over("symbol")
    return rows.filter(newest).with_columns(filed_on=pl.col("available_at").dt.date())


@dataclass(frozen=True, slots=True)
class Filed:
    """What each issuer had filed by the decision of each day; (issuers, days), NaN and NaT before its first filing."""

    days: Instants
    cost_usd_per_oz: FloatArray
    production_koz: FloatArray
    filed_on: Instants
    event_at: Instants
    available_at: Instants

    @classmethod
    def by(cls, filings: pl.DataFrame, days: Instants) -> Filed:
        """Read the filings on `days`, oldest first."""
        asked = pl.DataFrame({"session": days})
        read = [
            asked.join_asof(issuer.drop("symbol"), on="session", strategy="backward")
            for issuer in filings.partition_by("symbol", maintain_order=True)
        ]
        names = ("aisc_usd_per_oz", "production_koz", "filed_on", "event_at", "available_at")
        kinds = ("f8", "f8", "M8[D]", "M8[us]", "M8[us]")
        columns = [
            np.array([frame[name].to_numpy() for frame in read], dtype=kind).reshape(len(read), len(days))
            for name, kind in zip(names, kinds, strict=True)
        ]
        return cls(days, *columns)

    def cost(self) -> FloatArray:
        """All-in sustaining cost of each day in USD per ounce, weighed by production; NaN below two issuers."""
        produced, spent, issuers = np.zeros(len(self.days)), np.zeros(len(self.days)), np.zeros(len(self.days))
        for cost, ounces, filed in zip(self.cost_usd_per_oz, self.production_koz, self.filed_on, strict=True):
            counts = self.days - filed <= MAX_FILING_AGE_DAYS * _DAY  # false without a filing
            produced = produced + np.where(counts, ounces, 0.0)
            spent = spent + np.where(counts, ounces * cost, 0.0)
            issuers = issuers + counts
        enough = issuers >= MIN_ISSUERS
        return np.where(enough, spent / np.where(enough, produced, 1.0), np.nan)


def costs(filings: pl.DataFrame, sessions: pl.DataFrame) -> pl.DataFrame:
    """Health of the costs at each session: issuers known and the stamps of the second newest of them."""
    known = Filed.by(filings, sessions["session"].to_numpy())
    count = (~np.isnat(known.available_at)).sum(axis=0)
    enough = count >= MIN_ISSUERS
    # a missing stamp is the least integer, so issuers without a filing come first
    order = np.argsort(known.available_at[:, enough].astype("i8"), axis=0, kind="stable")
    second = order[-MIN_ISSUERS : len(order) - MIN_ISSUERS + 1]

    def read(stamps: Instants) -> Instants:
        found: Instants = np.take_along_axis(stamps[:, enough], second, axis=0).ravel()
        return found

    age = (known.days[enough] - read(known.filed_on)) / _DAY
    return (
        sessions.select("session")
        .filter(enough)
        .with_columns(
            pl.Series("obs", count[enough], dtype=pl.Int32),
            instants("event_at", read(known.event_at)),
            instants("available_at", read(known.available_at)),
            pl.Series("cost_age_days", age, dtype=pl.Float64),
        )
    )


def margins(days: Bars, ends: IntArray) -> dict[str, FloatArray]:
    """Margin of each day, and the miners' residual on its logarithm over three years."""
    price, cost = days.values[FIX], days.values["cost"]
    margin = (price - cost) / price
    log_margin = np.where(margin > 0.0, np.log(np.where(margin > 0.0, margin, 1.0)), np.nan)
    miners = np.log(days.values[MINERS] / days.values[GOLD])

    def fit(at: IntArray) -> FloatArray:
        found = regression.least_squares(stack(miners, at, THREE_YEARS), (stack(log_margin, at, THREE_YEARS),))
        return np.column_stack([found.z, found.r2])

    return {"margin": margin[ends], **full_windows(ends, THREE_YEARS, ("margin_z_756", "margin_r2_756"), fit)}


FEATURES = (Feature("margin", ("prices", "fixes", "mining_costs"), compute),)
