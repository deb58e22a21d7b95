"""Macro series of the simulated market: yields that add up, the dollar, volatility indices and revised statistics."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import polars as pl

from qgtm_core import publication as known
from qgtm_core.simulation.liquidity import liquidity
from qgtm_core.simulation.market import Market, at_day, finish, months, nth_business_day, series
from qgtm_core.simulation.meetings import policy_rate
from qgtm_core.simulation.prices import gvz, vix
from qgtm_core.simulation.randomness import HORIZON, Array, autoregress, ewma, normals

_DAY = pl.col("event_date")


@lru_cache(maxsize=4)
def yields(market: Market) -> dict[str, Array]:
    """Daily series by id in percent, rounded as published, so that the published identities hold exactly."""
    world = market.world
    real, breakeven = np.round(market.shown(world.real_10y), 2), np.round(market.shown(world.breakeven_10y), 2)
    ten = np.round(real + breakeven, 2)
    policy = policy_rate(market) - 0.17
    noise = market.shown(autoregress(0.02 * normals(market.seed, "curve", HORIZON, 4), 0.97))
    two = np.round(0.55 * policy + 0.45 * ten + 0.1 + noise[:, 0], 2)
    five_breakeven = np.round(breakeven + 0.1 * noise[:, 1] - 0.05, 2)
    return {
        "DFII10": real,
        "T10YIE": breakeven,
        "DGS10": ten,
        "DGS2": two,
        "DGS5": np.round(0.4 * two + 0.6 * ten - 0.05 + 0.5 * noise[:, 2], 2),
        "DGS30": np.round(ten + 0.35 + 0.5 * noise[:, 3], 2),
        "DGS3MO": np.round(policy + 0.05, 2),
        "T10Y2Y": np.round(ten - two, 2),
        "T5YIE": five_breakeven,
        "T5YIFR": np.round(2.0 * breakeven - five_breakeven, 2),
        "DFF": np.round(policy, 2),
    }


def dollar_index(market: Market) -> Array:
    """Broad dollar at noon, January 2006 = 100 style level (`HORIZON` long)."""
    level: Array = 102.0 * np.exp(np.cumsum(0.85 * market.world.returns["UUP"] + 0.00003))
    return level


def _series(market: Market, name: str, values: Array, available: pl.Expr, basis: str = "rule") -> pl.DataFrame:
    return series(market.daily(), name, values, available, basis)


def _daily(market: Market) -> list[pl.DataFrame]:
    frames = [_series(market, name, values, known.h15(_DAY)) for name, values in yields(market).items()]
    oil = market.shown(np.round(92.0 * np.exp(np.cumsum(market.world.returns["USO"])), 2))
    spread = 3.6 + 0.08 * (market.shown(vix(market)) - 17.0)
    weekly = known.at(known.business_day(known.week_monday(_DAY, 1).dt.offset_by("2d"), 0), 17, 15)
    return [
        *frames,
        _series(market, "VIXCLS", market.shown(vix(market)), known.next_morning(_DAY)),
        _series(market, "GVZCLS", market.shown(gvz(market)), known.next_morning(_DAY)),
        _series(market, "BAMLH0A0HYM2", np.round(spread, 2), known.h15(_DAY)),
        _series(market, "DCOILWTICO", np.maximum(oil, 1.0), weekly),
        _series(
            market,
            "DX_F_CLOSE",
            np.round(market.shown(dollar_index(market)) * 0.79, 3),
            known.futures_settlement(_DAY),
            "same_day_close",
        ),
    ]


def _dollar(market: Market) -> pl.DataFrame:
    """The broad dollar: weekly batches, then one change of weights in January that revises the year before."""
    level = market.shown(dollar_index(market))
    change = 0.12 * market.shown(normals(market.seed, "dollar revision", HORIZON))
    first = _series(market, "DTWEXBGS", np.round(level, 4), known.h10(_DAY))
    revised = _series(
        market,
        "DTWEXBGS",
        np.round(level + change, 4),
        known.h10(_DAY.dt.truncate("1y").dt.offset_by("1y").dt.offset_by("24d")),
    ).with_columns(revision=pl.lit(1, dtype=pl.Int32))
    return pl.concat([first, revised])


@lru_cache(maxsize=4)
def statistics(market: Market) -> dict[str, tuple[Array, Array, Array]]:
    """Monthly series by id: first and revised value by month, and the business day of the next month it appears on."""
    draws = normals(market.seed, "statistics", HORIZON // 16, 8)
    count = months(market).height
    inflation = 0.0019 + 0.0012 * draws[:, 0] + autoregress(0.0006 * draws[:, 1], 0.8)
    prices = 234.0 * np.exp(np.cumsum(inflation))
    core = 236.0 * np.exp(np.cumsum(0.0019 + 0.4 * (inflation - 0.0019)))
    jobless = np.clip(5.2 + autoregress(0.12 * draws[:, 2], 0.98), 3.2, 14.0)
    industry = 100.0 * np.exp(autoregress(0.005 * draws[:, 3], 0.97))
    pce = 95.0 * np.exp(np.cumsum(0.0016 + 0.35 * (inflation - 0.0019)))
    return {
        "CPIAUCSL": _statistic(prices, 0.06 * draws[:, 4], 3, 8, count),
        "CPILFESL": _statistic(core, 0.05 * draws[:, 5], 3, 8, count),
        "UNRATE": _statistic(jobless, 0.06 * draws[:, 6], 1, 4, count),
        "INDPRO": _statistic(industry, 0.25 * draws[:, 7], 4, 11, count),
        "PCEPILFE": _statistic(pce, 0.04 * draws[:, 4], 3, 19, count),
    }


def _statistic(first: Array, change: Array, digits: int, day: int, count: int) -> tuple[Array, Array, Array]:
    return np.round(first, digits)[:count], np.round(first + change, digits)[:count], np.full(count, float(day))


# Annual seasonal factors come in February; industrial production is revised the month after
_REVISED_NEXT_MONTH = ("INDPRO",)


def _monthly(market: Market) -> list[pl.DataFrame]:
    frames = []
    for name, (first, revised, day) in statistics(market).items():
        released = known.at(nth_business_day(_DAY, int(day[0])), 8, 30)
        later = _DAY.dt.offset_by("1mo") if name in _REVISED_NEXT_MONTH else _DAY.dt.truncate("1y").dt.offset_by("13mo")
        again = known.at(nth_business_day(later, int(day[0])), 8, 30)
        base = months(market).with_columns(
            series_id=pl.lit(name),
            release_basis=pl.lit("observed"),
            event_at=known.at(_DAY.dt.offset_by("1mo"), 0),
        )
        frames += [
            base.with_columns(value=pl.Series(first), available_at=released, revision=pl.lit(0, dtype=pl.Int32)),
            base.with_columns(value=pl.Series(revised), available_at=again, revision=pl.lit(1, dtype=pl.Int32)),
        ]
    return [*frames, _fed_funds(market)]


def _fed_funds(market: Market) -> pl.DataFrame:
    """FEDFUNDS: monthly average, out on the first business day of the next month."""
    complete = months(market).filter(_DAY.dt.month_end() <= market.last)
    rate = at_day(market, ewma(yields(market)["DFF"], 10.0), complete.select(_DAY.dt.month_end()).to_series())
    return complete.with_columns(
        series_id=pl.lit("FEDFUNDS"),
        value=pl.Series(np.round(rate, 2)),
        release_basis=pl.lit("rule"),
        event_at=known.at(_DAY.dt.offset_by("1mo"), 0),
        available_at=known.at(nth_business_day(_DAY, 1), 17, 15),
        revision=pl.lit(0, dtype=pl.Int32),
    )


def macro(market: Market) -> pl.DataFrame:
    """Every macro series, first values and revisions."""
    frames = [*_daily(market), _dollar(market), *_monthly(market), *liquidity(market)]
    return finish("macro", pl.concat(frames, how="diagonal"))


def macro_vintages(market: Market) -> pl.DataFrame:
    """First releases: year-on-year inflation in percent and the level of unemployment."""
    frames = []
    for name, measure in (("CPIAUCSL", "yoy_pct"), ("CPILFESL", "yoy_pct"), ("UNRATE", "level")):
        first, _, day = statistics(market)[name]
        value = np.round(100.0 * (first[12:] / first[:-12] - 1.0), 1) if measure == "yoy_pct" else first[12:]
        frames.append(
            months(market)
            .slice(12)
            .with_columns(
                series_id=pl.lit(name),
                measure=pl.lit(measure),
                value=pl.Series(value),
                event_at=known.at(_DAY.dt.offset_by("1mo"), 0),
                available_at=known.at(nth_business_day(_DAY, int(day[0])), 8, 30),
            )
        )
    return finish("macro_vintages", pl.concat(frames))


def gpr_daily(market: Market) -> pl.DataFrame:
    """Daily geopolitical risk around 100."""
    days = pl.DataFrame({"event_date": pl.date_range(market.origin, market.last, "1d", eager=True)})
    noise = normals(market.seed, "gpr", 2 * HORIZON, 3)[: days.height]
    level = 100.0 * np.exp(at_day(market, market.world.tension, days["event_date"]) + 0.25 * noise[:, 0])
    frame = days.with_columns(
        gprd=pl.Series(level.round(2)),
        gprd_act=pl.Series((level * np.exp(0.2 * noise[:, 1])).round(2)),
        gprd_threat=pl.Series((level * np.exp(0.2 * noise[:, 2])).round(2)),
        event_at=known.at(_DAY.dt.offset_by("1d"), 0),
        available_at=known.gpr_daily(_DAY),
    )
    return finish("gpr_daily", frame)


def gpr_monthly(market: Market) -> pl.DataFrame:
    """Monthly geopolitical risk: complete months only, from the state at their end."""
    complete = months(market).filter(_DAY.dt.month_end() <= market.last)
    ends = complete.select(_DAY.dt.month_end()).to_series()
    level = 100.0 * np.exp(at_day(market, ewma(market.world.tension, 10.0), ends))
    frame = complete.with_columns(
        gpr=pl.Series(level.round(2)),
        gpr_threat=pl.Series((level * 1.05).round(2)),
        gpr_act=pl.Series((level * 0.95).round(2)),
        event_at=known.at(_DAY.dt.offset_by("1mo"), 0),
        available_at=known.gpr_monthly(_DAY),
    )
    return finish("gpr_monthly", frame)
