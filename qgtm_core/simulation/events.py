"""Releases and headlines of the simulated market. Headlines are templates and say that they are simulated."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import polars as pl

from qgtm_core import publication as known
from qgtm_core.simulation.market import Market, finish, nth_business_day
from qgtm_core.simulation.meetings import AHEAD_DAYS, meeting_days, targets
from qgtm_core.simulation.randomness import HORIZON, normals, uniforms

_DAY = pl.col("event_date")


@dataclass(frozen=True, slots=True)
class Release:
    """A monthly release: its name, hour and the business day of the next month it appears on."""

    event: str
    category: str
    business_day: int
    hour: int
    minute: int
    mean: float
    spread: float
    unit: str
    importance: str = "high"


RELEASES = (
    Release("Nonfarm Payrolls", "NFP", 4, 8, 30, 180_000.0, 90_000.0, "units"),
    Release("Unemployment Rate", "UNEMPLOYMENT", 4, 8, 30, 5.0, 0.1, "percent"),
    Release("CPI (MoM)", "CPI", 8, 8, 30, 0.2, 0.15, "percent"),
    Release("PPI (MoM)", "PPI", 9, 8, 30, 0.2, 0.3, "percent", "medium"),
    Release("Retail Sales (MoM)", "RETAIL_SALES", 10, 8, 30, 0.3, 0.5, "percent"),
    Release("ISM Manufacturing PMI", "ISM", 1, 10, 0, 52.0, 1.5, "units"),
    Release("Core PCE Price Index (MoM)", "PCE", 19, 8, 30, 0.15, 0.1, "percent"),
)


def _until(market: Market) -> dt.date:
    return market.last + dt.timedelta(days=AHEAD_DAYS)


def _monthly(market: Market, release: Release) -> pl.DataFrame:
    first = market.origin.replace(day=1) - dt.timedelta(days=1)
    frame = pl.DataFrame({"event_date": pl.date_range(first.replace(day=1), _until(market), "1mo", eager=True)})
    return _figures(
        market,
        frame.select(event_at=known.at(nth_business_day(_DAY, release.business_day), release.hour, release.minute)),
        release,
    )


def _weekly_claims(market: Market) -> pl.DataFrame:
    monday = market.origin - dt.timedelta(days=market.origin.weekday())
    weeks = pl.DataFrame({"event_date": pl.date_range(monday, _until(market), "1w", eager=True)})
    release = Release("Initial Jobless Claims", "JOBLESS_CLAIMS", 0, 8, 30, 245_000.0, 15_000.0, "units", "medium")
    return _figures(market, weeks.select(event_at=known.at(_DAY.dt.offset_by("3d"), 8, 30)), release)


def _figures(market: Market, frame: pl.DataFrame, release: Release) -> pl.DataFrame:
    draws = normals(market.seed, f"release {release.event}", HORIZON // 4, 2)[: frame.height]
    actual = release.mean + release.spread * draws[:, 0]
    digits = 0 if release.unit == "units" and release.mean > 1000 else 2
    return frame.with_columns(
        event=pl.lit(release.event),
        category=pl.lit(release.category),
        importance=pl.lit(release.importance),
        unit=pl.lit(release.unit),
        actual=pl.Series(np.round(actual, digits)),
        forecast=pl.Series(np.round(actual - 0.5 * release.spread * draws[:, 1], digits)),
    ).with_columns(previous=pl.col("actual").shift(1))


def _decisions(market: Market) -> pl.DataFrame:
    rates = targets(market)
    days = meeting_days(market)
    path = np.concatenate([rates, np.full(len(days) - len(rates), np.nan)])
    return (
        pl.DataFrame({"event_date": days, "actual": path})
        .with_columns(
            event_at=known.at(_DAY, 14),
            event=pl.lit("Fed Interest Rate Decision"),
            category=pl.lit("FOMC_DECISION"),
            importance=pl.lit("high"),
            unit=pl.lit("percent"),
            actual=pl.col("actual").fill_nan(None),
            previous=pl.col("actual").shift(1),
        )
        .drop("event_date")
    )


def event_calendar(market: Market) -> pl.DataFrame:
    """Schedules 90 days ahead (no figures), outcomes at the release, up to the last session's close."""
    frames = [_monthly(market, release) for release in RELEASES]
    events = pl.concat([*frames, _weekly_claims(market), _decisions(market)], how="diagonal")
    events = events.filter(pl.col("event_at") >= known_from(market))
    schedule = events.drop("actual", "forecast", "previous").with_columns(
        stage=pl.lit("schedule"), available_at=known.release_schedule(pl.col("event_at"))
    )
    closing = market.sessions["close_at"][-1]
    outcome = events.filter(pl.col("event_at") <= closing).with_columns(
        stage=pl.lit("outcome"), available_at=pl.col("event_at")
    )
    return finish("event_calendar", pl.concat([schedule, outcome], how="diagonal"))


def known_from(market: Market) -> dt.datetime:
    """Opening of the first session: nothing happened before."""
    opening: dt.datetime = market.sessions["open_at"][0]
    return opening


def news(market: Market) -> pl.DataFrame:
    """One headline on most sessions, ten minutes after the close, about the day's gold return and its cause."""
    returns = market.shown(market.world.returns["GOLD"])
    real = market.shown(np.diff(market.world.real_10y, prepend=market.world.real_10y[0]))
    kept = market.shown(uniforms(market.seed, "news", HORIZON)) < 0.8
    day = market.daily().with_columns(move=pl.Series(returns * 100.0), real=pl.Series(real))
    word = pl.when(pl.col("move") > 0.15).then(pl.lit("rises")).when(pl.col("move") < -0.15).then(pl.lit("falls"))
    cause = pl.when(pl.col("real") < 0).then(pl.lit("real yields ease")).otherwise(pl.lit("real yields climb"))
    sentiment = pl.when(pl.col("move") > 0.15).then(pl.lit("positive")).when(pl.col("move") < -0.15)
    at = known.session_close(_DAY) + pl.duration(minutes=10)
    frame = (
        day.filter(pl.Series(kept))
        .with_columns(
            news_id=pl.format("sim-{}", _DAY.dt.strftime("%Y%m%d")),
            headline=pl.format(
                "SIMULATED: gold {} {}% as {}",
                word.otherwise(pl.lit("is little changed at")),
                pl.col("move").abs().round(2).cast(pl.String),
                cause,
            ),
            sentiment=sentiment.then(pl.lit("negative")).otherwise(pl.lit("neutral")),
            event_at=at,
            available_at=at,
        )
        .drop("move", "real")
    )
    return finish("news", frame)
