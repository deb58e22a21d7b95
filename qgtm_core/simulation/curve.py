"""Futures, London auctions and margins of the simulated market: cost-of-carry curves on the simulated spot."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl

from qgtm_core import publication as known
from qgtm_core.simulation.market import Market, finish
from qgtm_core.simulation.meetings import policy_rate
from qgtm_core.simulation.prices import paths, spot
from qgtm_core.simulation.randomness import HORIZON, Array, autoregress, normals, stream
from qgtm_core.simulation.world import SYMBOLS

_DAY = pl.col("event_date")
# root: (metal, delivery months, ounces a contract, typical open interest, convenience yield in percent)
ROOTS: dict[str, tuple[str, tuple[int, ...], float, float, float]] = {
    "GC": ("GOLD", (2, 4, 6, 8, 12), 100.0, 460_000.0, 0.1),
    "SI": ("SILVER", (3, 5, 7, 9, 12), 5_000.0, 150_000.0, 0.2),
    "PL": ("PLATINUM", (1, 4, 7, 10), 50.0, 70_000.0, 1.0),
    "PA": ("PALLADIUM", (3, 6, 9, 12), 100.0, 18_000.0, 1.5),
}
SQUEEZE_PERCENT = {"GC": 4.5, "SI": 7.0}  # largest added convenience yield a year
SQUEEZE_EVERY = 220.0  # sessions between the episodes, on average and beyond the shortest gap
RANKS = 3
CODES = "FGHJKMNQUVXZ"
CONTINUOUS, DATED = "simulated_continuous_front", "simulated_contract_daily"


def _expiries(market: Market, months: tuple[int, ...]) -> Array:
    """Days from each session to the first days of the next `RANKS` delivery months: (sessions, RANKS)."""
    days = market.sessions["session"].to_numpy()
    first = market.origin.replace(day=1)
    until = market.last + dt.timedelta(days=500)
    starts = pl.date_range(first, until, "1mo", eager=True)
    listed = starts.filter(starts.dt.month().is_in(months)).to_numpy()
    front = np.searchsorted(listed, days + np.timedelta64(25, "D"), side="left")  # rolls before first notice
    chosen: Array = listed[front[:, None] + np.arange(RANKS)]
    return chosen


def _squeezes(seed: int, root: str) -> Array:
    """Added convenience yield while metal is hard to find, percent by session: exactly zero outside the episodes."""
    largest = SQUEEZE_PERCENT.get(root, 0.0)
    draws = stream(seed, f"squeeze {root}")
    gaps = draws.exponential(SQUEEZE_EVERY, size=HORIZON // 16)
    lengths, heights = 10.0 + 30.0 * draws.random(HORIZON // 16), largest * (0.5 + 0.5 * draws.random(HORIZON // 16))
    begins = np.cumsum(40.0 + gaps)  # longer than an episode: they never meet
    session = np.arange(HORIZON)
    latest = np.searchsorted(begins, session, side="right") - 1
    age = np.where(latest >= 0, session - begins[latest], np.inf)
    wave = np.sin(np.pi * np.minimum(age / lengths[latest], 1.0))
    return np.where(age < lengths[latest], heights[latest] * wave, 0.0)


def carry_percent(market: Market, root: str) -> Array:
    """Annual carry of a root by session shown: financing less a convenience yield, slow but for squeezes."""
    convenience = ROOTS[root][4] + autoregress(0.03 * normals(market.seed, f"carry {root}", HORIZON), 0.99)
    convenience = convenience + _squeezes(market.seed, root)
    carry: Array = policy_rate(market) - market.shown(convenience)
    return carry


def futures(market: Market) -> pl.DataFrame:
    """The first dated contracts of each root, and a continuous front that jumps where it rolls."""
    frames = [_contract(market, root, rank) for root in ROOTS for rank in range(RANKS)]
    dated = pl.concat(frames)
    front = dated.filter(pl.col("contract_rank") == 1).with_columns(
        series=pl.lit(CONTINUOUS),
        contract=pl.lit(None, dtype=pl.String),
        expiry_month=pl.lit(None, dtype=pl.Date),
        open_interest=pl.lit(None, dtype=pl.Int64),
    )
    stamped = pl.concat([dated, front]).with_columns(
        event_at=known.at(_DAY, 13, 30), available_at=known.futures_settlement(_DAY), flags=pl.lit("")
    )
    return finish("futures", stamped)


def _contract(market: Market, root: str, rank: int) -> pl.DataFrame:
    metal, months, _, interest, _ = ROOTS[root]
    expiry = _expiries(market, months)[:, rank]
    days = market.sessions["session"].to_numpy()
    years = (expiry - days).astype(np.float64) / 365.0
    draws = normals(market.seed, f"futures {root} {rank}", HORIZON, 4)[: market.count]
    level = market.shown(spot(market, metal)) * np.exp(carry_percent(market, root) / 100.0 * years)
    close = np.round(level * np.exp(0.0006 * draws[:, 0]), 3)
    opened = np.round(np.concatenate([close[:1], close[:-1]]) * np.exp(0.002 * draws[:, 1]), 3)
    share = (0.72, 0.2, 0.08)[rank]
    code = pl.col("expiry_month").dt.month().replace_strict(dict(enumerate(CODES, start=1)), return_dtype=pl.String)
    return (
        market.daily()
        .with_columns(
            root=pl.lit(root),
            series=pl.lit(DATED),
            contract_rank=pl.lit(rank + 1, dtype=pl.Int32),
            expiry_month=pl.Series(expiry).cast(pl.Date),
            open=pl.Series(opened),
            high=pl.Series(np.round(np.maximum(opened, close) * (1.0 + 0.002 * np.abs(draws[:, 2])), 3)),
            low=pl.Series(np.round(np.minimum(opened, close) * (1.0 - 0.002 * np.abs(draws[:, 3])), 3)),
            close=pl.Series(close),
            volume=pl.Series(np.round(interest * share * 0.4 * np.exp(0.3 * draws[:, 2]))).cast(pl.Int64),
            open_interest=pl.Series(np.round(interest * share * np.exp(0.1 * draws[:, 3]))).cast(pl.Int64),
        )
        .with_columns(contract=pl.concat_str(pl.lit(root), code, pl.col("expiry_month").dt.strftime("%y")))
    )


def comex_volume_oi(market: Market) -> pl.DataFrame:
    """Volume and open interest by delivery month of gold and silver, with their sum (expiry null)."""
    held = futures(market).filter(pl.col("series") == DATED, pl.col("root").is_in(["GC", "SI"]))
    months = held.select("root", "event_date", "expiry_month", "open_interest", "event_at", total_volume="volume").sort(
        "root", "expiry_month", "event_date"
    )
    months = months.with_columns(oi_change=pl.col("open_interest").diff().over("root", "expiry_month"))
    whole = months.group_by("root", "event_date").agg(
        pl.col("open_interest", "total_volume").sum(), pl.col("event_at").first()
    )
    whole = whole.sort("root", "event_date").with_columns(oi_change=pl.col("open_interest").diff().over("root"))
    frame = pl.concat([months, whole], how="diagonal").with_columns(
        deliveries=pl.lit(0, dtype=pl.Int64), event_at=known.at(_DAY, 17), available_at=known.next_day_open(_DAY)
    )
    return finish("comex_volume_oi", frame)


def lbma_fix(market: Market) -> pl.DataFrame:
    """Auctions: morning near the open, afternoon at 15:00 London, each from the path of its fund."""
    frames = []
    funds = {
        "gold": ("GLD", "GOLD"),
        "silver": ("SLV", "SILVER"),
        "platinum": ("PPLT", "PLATINUM"),
        "palladium": ("PALL", "PALLADIUM"),
    }
    for metal, (fund, name) in funds.items():
        knots = paths(market)[:, SYMBOLS.index(fund), :]
        scale = market.shown(spot(market, name)) / knots[:, -1]
        fixes = {"DAY": (0, (12, 0))} if metal == "silver" else {"AM": (0, (10, 30)), "PM": (1, (15, 0))}
        for fix, (knot, time) in fixes.items():
            frames.append(
                market.daily().with_columns(
                    metal=pl.lit(metal),
                    fix=pl.lit(fix),
                    usd_per_oz=pl.Series(np.round(knots[:, knot] * scale, 3)),
                    event_at=known.at(_DAY, *time, zone=known.LONDON),
                    available_at=known.lbma(_DAY),
                )
            )
    return finish("lbma_fix", pl.concat(frames))


def futures_margins(market: Market) -> pl.DataFrame:
    """Margins set on the first session of each quarter from the volatility of the quarter before."""
    sessions = market.sessions.with_row_index("number").select(event_date="session", number="number")
    quarter = _DAY.dt.truncate("3mo")
    starts = sessions.group_by(quarter.alias("quarter")).agg(pl.all().first()).sort("event_date")
    index = starts["number"].to_numpy()
    frames = []
    for root, (metal, _, ounces, _, _) in ROOTS.items():
        notional = market.shown(spot(market, metal))[index] * ounces
        share = 4.5 * np.sqrt(252.0) * market.shown(market.world.gold_vol)[index] / 16.0
        maintenance = np.round(notional * share, -1)
        frames.append(
            starts.select("event_date").with_columns(
                root=pl.lit(root),
                maintenance_usd=pl.Series(maintenance),
                initial_usd=pl.Series(np.round(1.1 * maintenance, -1)),
            )
        )
    known_at = known.margin_change(_DAY)
    return finish("futures_margins", pl.concat(frames).with_columns(event_at=known_at, available_at=known_at))
