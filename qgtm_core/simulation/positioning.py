"""Who holds what in the simulated market: futures positions, trusts, warehouses and central banks."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl

from qgtm_core import publication as known
from qgtm_core.simulation.market import Market, at_day, finish
from qgtm_core.simulation.prices import spot
from qgtm_core.simulation.randomness import HORIZON, Array, autoregress, ewma, normals, uniforms
from qgtm_core.simulation.world import CLOSED_END, premium

_DAY = pl.col("event_date")
OUNCES_PER_TONNE = 32_150.7466
WEEKS = HORIZON // 4
# market: (code, metal whose trend moves it, mean open interest)
COT_MARKETS: dict[str, tuple[str, str, float]] = {
    "gold": ("088691", "GOLD", 480_000.0),
    "silver": ("084691", "SILVER", 160_000.0),
    "platinum": ("076651", "PLATINUM", 75_000.0),
    "palladium": ("075651", "PALLADIUM", 20_000.0),
    "copper": ("085692", "PLATINUM", 220_000.0),
}
COMBINED, FUTURES_ONLY = "disaggregated_futures_and_options_combined", "disaggregated_futures_only"
LEGACY = "legacy_futures_only"
LATE_SHARE = 0.03  # of the weeks, held back by a simulated outage


def trend(market: Market, metal: str) -> Array:
    """Trend of a metal by session in units of its volatility: fast minus slow average (`HORIZON` long)."""
    price = np.log(spot(market, metal))
    strength: Array = (ewma(price, 15.0) - ewma(price, 60.0)) / 0.04
    return strength


def _tuesdays(market: Market) -> pl.DataFrame:
    first = market.origin - dt.timedelta(days=(market.origin.weekday() - 1) % 7)
    return pl.DataFrame({"event_date": pl.date_range(first, market.last, "1w", eager=True)})


def cot(market: Market) -> pl.DataFrame:
    """Weekly reports: long and short sides both add up to open interest; some weeks appear late."""
    weeks = _tuesdays(market)
    late = uniforms(market.seed, "cot late", WEEKS, 2)[: weeks.height]
    held_back = np.where(late[:, 0] < LATE_SHARE, 3 + np.floor(7 * late[:, 1]), 0.0)
    released = known.at(
        known.business_day(known.cot_release_day(_DAY) + pl.duration(days=pl.col("held_back").cast(pl.Int64)), 0),
        15,
        30,
    )
    weeks = weeks.with_columns(held_back=pl.Series(held_back)).with_columns(
        event_at=known.at(_DAY, 16),
        available_at=released + known.COT_DELAY,
        release_basis=pl.when(pl.col("held_back") > 0).then(pl.lit("observed")).otherwise(pl.lit("rule")),
    )
    frames = [
        _report(market, weeks.drop("held_back"), name, report)
        for name in COT_MARKETS
        for report in ((COMBINED, FUTURES_ONLY, LEGACY) if name == "gold" else (COMBINED, LEGACY))
    ]
    return finish("cot", pl.concat(frames, how="diagonal"))


def _report(market: Market, weeks: pl.DataFrame, name: str, report: str) -> pl.DataFrame:
    """One market's report: managed money follows the trend, swap dealers and producers take the other side."""
    code, metal, mean = COT_MARKETS[name]
    draws = normals(market.seed, f"cot {name}", WEEKS, 4)
    drift = autoregress(0.03 * draws[:, :2], 0.95)[: weeks.height]
    strength = np.tanh(at_day(market, trend(market, metal), weeks["event_date"]))
    interest = np.round(mean * np.exp(drift[:, 0] * 0.8) * (1.1 if report == COMBINED else 1.0))
    net = np.clip(0.13 + 0.20 * strength + 0.5 * drift[:, 1], -0.25, 0.55)
    shares = {
        "managed_money_long": 0.16 + np.maximum(net, 0.0) * 0.9,
        "managed_money_spread": np.full(len(net), 0.10),
        "swap_long": np.full(len(net), 0.07),
        "swap_spread": np.full(len(net), 0.06),
        "other_long": np.full(len(net), 0.08),
        "other_spread": np.full(len(net), 0.05),
        "producer_long": np.full(len(net), 0.03),
    }
    sides = {column: np.round(share * interest) for column, share in shares.items()}
    longs = sum(sides.values())
    sides["nonreportable_long"] = interest - longs
    spreads = sides["managed_money_spread"] + sides["swap_spread"] + sides["other_spread"]
    sides["managed_money_short"] = np.maximum(sides["managed_money_long"] - np.round(net * interest), 0.0)
    rest = interest - spreads - sides["managed_money_short"]
    sides["producer_short"] = np.round(0.25 * rest)
    sides["other_short"] = np.round(0.06 * rest)
    sides["nonreportable_short"] = np.round(0.07 * rest)
    sides["swap_short"] = rest - sides["producer_short"] - sides["other_short"] - sides["nonreportable_short"]
    if report == LEGACY:
        sides = _legacy(sides)
    columns = {column: pl.Series(values).cast(pl.Int64) for column, values in sides.items()}
    return weeks.with_columns(
        market=pl.lit(name),
        cftc_code=pl.lit(code),
        report_type=pl.lit(report),
        open_interest=pl.Series(interest).cast(pl.Int64),
        **columns,
    )


def _legacy(sides: dict[str, Array]) -> dict[str, Array]:
    """The older classification: funds and other reportables are non-commercial, producers and dealers commercial."""
    return {
        "noncommercial_long": sides["managed_money_long"] + sides["other_long"],
        "noncommercial_short": sides["managed_money_short"] + sides["other_short"],
        "commercial_long": sides["producer_long"] + sides["swap_long"],
        "commercial_short": sides["producer_short"] + sides["swap_short"],
        "nonreportable_long": sides["nonreportable_long"],
        "nonreportable_short": sides["nonreportable_short"],
    }


# trust: (metal, ounces a share at the start, fee a year, tonnes at the start)
TRUSTS: dict[str, tuple[str, float, float, float]] = {
    "GLD": ("GOLD", 0.0964, 0.0040, 798.0),
    "IAU": ("GOLD", 0.0194, 0.0025, 165.0),
    "SLV": ("SILVER", 0.9620, 0.0050, 9_960.0),
    "PPLT": ("PLATINUM", 0.0972, 0.0060, 15.0),
    "PALL": ("PALLADIUM", 0.0972, 0.0060, 13.0),
    "PHYS": ("GOLD", 0.00823, 0.0041, 42.0),
    "PSLV": ("SILVER", 0.3950, 0.0062, 1_520.0),
}


def etf_holdings(market: Market) -> pl.DataFrame:
    """Metal in trust: ounces a share fall by the fee, shares follow the trend of the price."""
    frames = []
    for symbol, (metal, per_share, fee, tonnes) in TRUSTS.items():
        draws = normals(market.seed, f"trust {symbol}", HORIZON, 2)
        flow = autoregress(0.0004 * np.tanh(trend(market, metal)) + 0.0016 * draws[:, 0], 0.3)
        held = np.round(tonnes * np.exp(np.cumsum(flow)), 2)
        ounce_share = per_share * np.exp(-fee / 252.0 * np.arange(1, HORIZON + 1))
        ounces = held * OUNCES_PER_TONNE
        nav = ounce_share * spot(market, metal)
        values = {
            "tonnes": held,
            "ounces": ounces.round(2),
            "oz_per_share": ounce_share.round(7),
            "nav_usd": nav.round(4),
            "premium_pct": _premium_pct(market, symbol, draws[:, 1]),
            "net_assets_usd": (ounces * spot(market, metal)).round(0),
            "shares_outstanding": (ounces / ounce_share).round(0),
        }
        frames.append(
            market.daily()
            .with_columns(pl.Series(name, market.shown(column)) for name, column in values.items())
            .with_columns(symbol=pl.lit(symbol))
        )
    dated = pl.concat(frames).with_columns(event_at=known.at(_DAY, 16, 15), available_at=known.next_day_open(_DAY))
    return finish("etf_holdings", dated)


def _premium_pct(market: Market, symbol: str, noise: Array) -> Array:
    """Price over the metal in percent: that of its bars for a closed-end trust, noise around zero for the others."""
    if symbol not in CLOSED_END:
        return (0.08 * noise).round(3)
    over: Array = (100.0 * np.expm1(premium(market.seed, symbol))).round(3)
    return over


DEPOSITORIES = ("SIMULATED VAULT A", "SIMULATED VAULT B", "SIMULATED VAULT C")
VAULT_OUNCES = {"gold": 9.0e6, "silver": 5.0e7}


def comex_stocks(market: Market) -> pl.DataFrame:
    """Warehouse stocks by depository and category, with report totals under depository ALL."""
    parts = []
    for metal, ounces in VAULT_OUNCES.items():
        draws = autoregress(0.004 * normals(market.seed, f"vault {metal}", HORIZON, 6), 0.999)
        for index, vault in enumerate(DEPOSITORIES):
            for offset, (category, share) in enumerate((("registered", 0.45), ("eligible", 0.55))):
                level = np.round(ounces * share / 3.0 * np.exp(draws[:, 2 * index + offset]), 3)
                change = np.diff(level, prepend=level[0])
                parts.append(_stock(market, metal, vault, category, level, change))
    rows = pl.concat(parts)
    by = ["metal", "event_date"]
    sums = [pl.col("received_oz", "withdrawn_oz", "total_oz").sum()]
    vaults = rows.group_by(*by, "depository").agg(sums).with_columns(category=pl.lit("total"))
    report = (
        rows.group_by(*by, "category")
        .agg(sums)
        .with_columns(depository=pl.lit("ALL"), category=pl.format("total_{}", "category"))
    )
    whole = rows.group_by(by).agg(sums).with_columns(depository=pl.lit("ALL"), category=pl.lit("combined_total"))
    day = known.comex_report_day(_DAY)
    frame = pl.concat([rows, vaults, report, whole], how="diagonal").with_columns(report_date=day)
    stamped = frame.with_columns(
        pl.col("received_oz", "withdrawn_oz", "total_oz").round(3),
        event_at=known.at(_DAY, 17),
        available_at=known.comex_stocks(pl.col("report_date")),
    )
    return finish("comex_stocks", stamped)


def _stock(market: Market, metal: str, vault: str, category: str, level: Array, change: Array) -> pl.DataFrame:
    return market.daily().with_columns(
        metal=pl.lit(metal),
        depository=pl.lit(vault),
        category=pl.lit(category),
        received_oz=pl.Series(market.shown(np.maximum(change, 0.0))),
        withdrawn_oz=pl.Series(market.shown(np.maximum(-change, 0.0))),
        total_oz=pl.Series(market.shown(level)),
    )


COUNTRIES = {
    "United States": 8133.5, "Germany": 3370.0, "Italy": 2451.8, "France": 2436.0, "Russia": 1900.0, "China": 1800.0,
    "Switzerland": 1040.0, "Japan": 765.2, "India": 560.0, "Poland": 230.0,
}  # fmt: skip
BUYERS = {"Russia": 18.0, "China": 15.0, "India": 6.0, "Poland": 5.0}  # mean tonnes bought a quarter


def cb_gold_reserves(market: Market) -> pl.DataFrame:
    """Official reserves at the ends of complete quarters; most countries hold still, some buy."""
    ends = pl.date_range(market.origin.replace(month=1, day=1), market.last, "3mo", eager=True).to_frame("start")
    quarters = ends.select(event_date=pl.col("start").dt.offset_by("3mo").dt.offset_by("-1d"))
    quarters = quarters.filter(market.last >= _DAY)
    frames = []
    for country, tonnes in COUNTRIES.items():
        draws = normals(market.seed, f"reserves {country}", HORIZON // 32)[: quarters.height]
        bought = np.cumsum(np.maximum(BUYERS.get(country, 0.0) * (1.0 + 0.8 * draws), 0.0))
        frames.append(quarters.with_columns(country=pl.lit(country), tonnes=pl.Series((tonnes + bought).round(2))))
    dated = pl.concat(frames).with_columns(
        event_at=known.at(_DAY.dt.offset_by("1d"), 0, 0, "UTC"), available_at=known.cb_gold(_DAY)
    )
    return finish("cb_gold_reserves", dated)
