"""Physical metal in the simulated market: Shanghai, the Mint, central banks, miners' costs; and stocks of crude oil.

Every series follows the market (gold's trend, the dollar) a little and its own persistent noise for the rest.
"""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl

from qgtm_core import festivals
from qgtm_core import fund_terms as terms
from qgtm_core import publication as known
from qgtm_core.simulation.curve import lbma_fix
from qgtm_core.simulation.market import Market, at_day, finish, months
from qgtm_core.simulation.positioning import trend
from qgtm_core.simulation.prices import spot
from qgtm_core.simulation.randomness import HORIZON, Array, autoregress, ewma, normals

_DAY = pl.col("event_date")
MONTHS = HORIZON // 16
GRAMS_PER_OUNCE = 31.1034768
CLOSED_DAYS = 7  # of the lunar new year and of the national day (1 October) in Shanghai


def yuan(market: Market) -> Array:
    """Yuan a dollar by session (`HORIZON` long): part of the dollar's moves, and noise that returns."""
    noise = autoregress(0.0012 * normals(market.seed, "yuan", HORIZON), 0.995)
    rate: Array = 6.3 * np.exp(0.25 * np.cumsum(market.world.returns["UUP"]) + noise)
    return np.round(rate, 4)


def fx(market: Market) -> pl.DataFrame:
    """USDCNY at 16:00 New York."""
    frame = market.daily().with_columns(pair=pl.lit("USDCNY"), rate=pl.Series(market.shown(yuan(market))))
    return finish("fx", frame.with_columns(event_at=known.at(_DAY, 16), available_at=known.fx_close(_DAY)))


def _open_in_shanghai() -> pl.Expr:
    """Not in the week of the lunar new year nor in that of the national day."""
    new_year = [day + dt.timedelta(days=n) for day in festivals.FESTIVALS["lunar_new_year"] for n in range(CLOSED_DAYS)]
    national = (_DAY.dt.month() == 10) & (_DAY.dt.day() <= CLOSED_DAYS)
    return ~_DAY.is_in(new_year) & ~national


def sge_benchmark(market: Market) -> pl.DataFrame:
    """Shanghai prices: London's morning auction in yuan a gram with a premium that wanders around 0.3 percent."""
    draws = normals(market.seed, "shanghai", HORIZON, 3)
    premium = 0.003 + autoregress(0.0008 * draws[:, 0], 0.97)
    london = lbma_fix(market).filter(metal="gold", fix="AM").select("event_date", "usd_per_oz")
    fixes = {
        name: pl.Series(market.shown(premium + 0.0012 * draws[:, column]))
        for column, name in ((1, "am_cny_per_g"), (2, "pm_cny_per_g"))
    }
    price = pl.col("usd_per_oz") * pl.Series(market.shown(yuan(market))) / GRAMS_PER_OUNCE
    frame = (
        market.daily()
        .join(london, on="event_date", how="left", maintain_order="left")
        .with_columns((price * (1.0 + gap)).round(2).alias(name) for name, gap in fixes.items())
        .filter(_open_in_shanghai(), pl.col("usd_per_oz").is_not_null())
        .drop("usd_per_oz")
    )
    stamped = frame.with_columns(
        event_at=known.at(_DAY, 14, 15, known.SHANGHAI), available_at=known.shanghai_benchmark(_DAY)
    )
    return finish("sge_benchmark", stamped)


def _complete_months(market: Market) -> pl.DataFrame:
    return months(market).filter(_DAY.dt.month_end() <= market.last)


def _month_end_trend(market: Market, rows: pl.DataFrame) -> Array:
    """Strength of gold's trend at the ends of the months, within -1 and 1."""
    ends = rows.select(_DAY.dt.month_end()).to_series()
    return np.tanh(at_day(market, trend(market, "GOLD"), ends))


def _season(rows: pl.DataFrame, peak_month: int) -> Array:
    """A yearly wave, 1 in the peak month."""
    month = rows.select(_DAY.dt.month()).to_series().to_numpy()
    wave: Array = np.cos(2.0 * np.pi * (month - peak_month) / 12.0)
    return wave


def sge_withdrawals(market: Market) -> pl.DataFrame:
    """Monthly load-out around 150 tonnes: high in winter, lower while gold runs away."""
    rows = _complete_months(market)
    noise = autoregress(0.10 * normals(market.seed, "load-out", MONTHS), 0.6)[: rows.height]
    level = 150.0 * np.exp(0.12 * _season(rows, 12) - 0.10 * _month_end_trend(market, rows) + noise)
    return finish("sge_withdrawals", _monthly(rows, known.shanghai_withdrawals(_DAY), tonnes=np.round(level, 2)))


def us_mint(market: Market) -> pl.DataFrame:
    """Monthly coin sales: January is large, and buyers come when prices fall."""
    rows = _complete_months(market)
    draws = normals(market.seed, "mint", MONTHS, 2)
    noise = autoregress(0.35 * draws, 0.7)[: rows.height]
    january = np.where(rows.select(_DAY.dt.month()).to_series().to_numpy() == 1, 0.8, 0.0)
    common = january - 0.4 * _month_end_trend(market, rows)
    gold = np.round(np.exp(np.log(45_000.0) + common + noise[:, 0]) / 500.0) * 500.0
    silver = np.round(np.exp(np.log(2.6e6) + common + 0.7 * noise[:, 0] + 0.5 * noise[:, 1]) / 500.0) * 500.0
    return finish("us_mint", _monthly(rows, known.us_mint(_DAY), gold_oz=gold, silver_oz=silver))


def cb_gold_flows(market: Market) -> pl.DataFrame:
    """Monthly net purchases of central banks: buyers on the whole, in waves of a year or two."""
    rows = _complete_months(market)
    draws = normals(market.seed, "official flows", MONTHS, 2)
    level = 40.0 + autoregress(8.0 * draws[:, 0], 0.92) + 14.0 * draws[:, 1]
    return finish("cb_gold_flows", _monthly(rows, known.cb_gold(_DAY), net_tonnes=np.round(level[: rows.height], 2)))


def _monthly(rows: pl.DataFrame, available: pl.Expr, **values: Array) -> pl.DataFrame:
    return rows.with_columns(pl.Series(name, column) for name, column in values.items()).with_columns(
        event_at=known.at(_DAY.dt.offset_by("1mo"), 0), available_at=available
    )


# issuer: (cost as a share of the typical gold price, thousand ounces a quarter)
ISSUERS: dict[str, tuple[float, float]] = {
    "NEM": (0.70, 1_350.0), "AEM": (0.64, 480.0), "GOLD": (0.67, 1_250.0), "KGC": (0.74, 620.0),
}  # fmt: skip
FILING_AFTER_DAYS = (24, 44)  # first and last day after the quarter on which a report may come


def mining_costs(market: Market) -> pl.DataFrame:
    """Costs follow the price of gold with a lag of a year; reports come three to six weeks after the quarter."""
    starts = pl.date_range(market.origin.replace(month=1, day=1), market.last, "3mo", eager=True).to_frame("start")
    quarters = starts.select(event_date=pl.col("start").dt.offset_by("3mo").dt.offset_by("-1d"))
    quarters = quarters.filter(market.last > _DAY)
    typical = at_day(market, ewma(spot(market, "GOLD"), 250.0), quarters["event_date"])
    first, last = FILING_AFTER_DAYS
    frames = []
    for issuer, (share, output) in ISSUERS.items():
        draws = normals(market.seed, f"costs {issuer}", MONTHS, 3)[: quarters.height]
        cost = typical * share * np.exp(autoregress(0.025 * draws[:, 0], 0.9))
        after = first + np.floor((last - first + 1) * (0.5 + 0.5 * np.tanh(draws[:, 2])))
        frames.append(
            quarters.with_columns(
                symbol=pl.lit(issuer),
                aisc_usd_per_oz=pl.Series(np.round(cost, 0)),
                production_koz=pl.Series(np.round(output * np.exp(0.05 * draws[:, 1]), 0)),
                after=pl.Series(after.astype(np.int64)),
            )
        )
    filed = known.at(known.business_day(_DAY + pl.duration(days=pl.col("after")), 0), 16, 30)
    frame = pl.concat(frames).with_columns(event_at=known.at(_DAY.dt.offset_by("1d"), 0), available_at=filed)
    return finish("mining_costs", frame)


def eia_weekly(market: Market) -> pl.DataFrame:
    """Crude stocks on Fridays, thousand barrels: a yearly wave with a peak in spring, and surprises."""
    first = market.origin - dt.timedelta(days=(market.origin.weekday() - 4) % 7)
    weeks = pl.DataFrame({"event_date": pl.date_range(first, market.last, "1w", eager=True)})
    noise = autoregress(3_200.0 * normals(market.seed, "crude stocks", HORIZON // 4), 0.99)[: weeks.height]
    day = weeks.select(_DAY.dt.ordinal_day()).to_series().to_numpy()
    level = 430_000.0 + 18_000.0 * np.cos(2.0 * np.pi * (day - 120.0) / 365.0) + noise
    frame = weeks.with_columns(
        series_id=pl.lit("WCESTUS1"),
        value=pl.Series(np.round(level)),
        event_at=known.at(_DAY, 17),
        available_at=known.petroleum(_DAY),
    )
    return finish("eia_weekly", frame)


def fund_terms(_market: Market) -> pl.DataFrame:
    """The constant table of terms, the same in every market."""
    return finish("fund_terms", terms.rows())
