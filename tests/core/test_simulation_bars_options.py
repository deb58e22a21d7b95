"""Short bars and option chains of the simulated market: on the day's path, and enough to read a surface from."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from qgtm_core import calendar
from qgtm_core.simulation.intraday import hour_bars, short_bars_known
from qgtm_core.simulation.market import Market
from qgtm_core.simulation.options import option_chain
from qgtm_core.simulation.prices import DECISION, bars_daily, gvz, paths
from qgtm_core.simulation.world import SYMBOLS

ORIGIN = dt.date(2014, 1, 2)
LAST = dt.date(2015, 3, 31)
NEW_YORK = "America/New_York"
LOCAL = pl.col("event_at").dt.convert_time_zone(NEW_YORK)
SPREAD = (pl.col("ask") - pl.col("bid")) / ((pl.col("ask") + pl.col("bid")) / 2.0)


@lru_cache(maxsize=1)
def market() -> Market:
    return Market(7, ORIGIN, LAST)


@lru_cache(maxsize=1)
def short() -> pl.DataFrame:
    """Bars of 2014-11-03 to 2014-12-31, which hold two early closes."""
    rows = short_bars_known(market(), dt.date(2014, 11, 3), dt.date(2015, 1, 2))
    rows = rows.with_columns(event_date=LOCAL.dt.date())
    return rows.filter(pl.col("event_date").is_between(dt.date(2014, 11, 3), dt.date(2014, 12, 31)))


@lru_cache(maxsize=1)
def chain() -> pl.DataFrame:
    return option_chain(market())


@pytest.mark.parametrize(("interval", "full", "early"), [("5m", 78, 42), ("15m", 26, 14), ("30m", 13, 7)])
def test_every_session_has_its_bars(interval: str, full: int, early: int) -> None:
    counts = short().filter(interval=interval).group_by("symbol", "event_date").len()
    days = calendar.schedule(dt.date(2014, 11, 3), dt.date(2014, 12, 31)).select("early_close", event_date="session")
    both = counts.join(days, on="event_date")
    assert both.height == 3 * days.height
    assert both.filter(~pl.col("early_close"))["len"].unique().to_list() == [full]
    assert both.filter("early_close")["len"].unique().to_list() == [early]


def test_short_bars_lie_inside_the_daily_bar_from_its_open_to_its_close() -> None:
    days = (
        short()
        .filter(pl.col("interval") != "1m")
        .sort("event_at")
        .group_by("symbol", "interval", "event_date")
        .agg(
            start=pl.col("open").first(),
            end=pl.col("close").last(),
            top=pl.col("high").max(),
            bottom=pl.col("low").min(),
            shares=pl.col("volume").sum(),
        )
        .join(bars_daily(market()), on=["symbol", "event_date"])
    )
    assert not days.is_empty()
    wrong = (
        (pl.col("start") != pl.col("open"))
        | (pl.col("end") != pl.col("close"))
        | (pl.col("top") > pl.col("high"))
        | (pl.col("bottom") < pl.col("low"))
        | (pl.col("shares") > pl.col("volume"))
        | (pl.col("shares") < 0.8 * pl.col("volume"))
    )
    assert days.filter(wrong).is_empty()


def test_a_bars_prices_are_in_order_and_follow_the_bar_before() -> None:
    outside = (
        (pl.col("high") < pl.max_horizontal("open", "close", "vwap") - 1e-4)
        | (pl.col("low") > pl.min_horizontal("open", "close", "vwap") + 1e-4)
        | (pl.col("volume") <= 0)
    )
    assert short().filter(outside).is_empty()
    day = ["symbol", "interval", "event_date"]
    gap = short().sort("event_at").select((pl.col("open") - pl.col("close").shift(1)).over(day)).drop_nulls()
    assert gap.to_series().abs().max() == 0.0


def test_the_bar_that_ends_at_the_decision_ends_on_the_path_and_is_known_just_after_it() -> None:
    day = dt.date(2014, 11, 12)
    number = market().sessions["session"].to_list().index(day)
    bar = short().filter(symbol="GLD", interval="5m", event_date=day).filter(LOCAL.dt.time() == dt.time(15, 25))
    assert bar["close"].to_list() == [paths(market())[number, SYMBOLS.index("GLD"), DECISION]]
    assert bar["session"].to_list() == [calendar.next_session(day)]
    before = short().filter(symbol="GLD", interval="5m", event_date=day).filter(LOCAL.dt.time() == dt.time(15, 20))
    assert before["session"].to_list() == [day]


def test_longer_bars_are_made_of_shorter_ones() -> None:
    by = ["symbol", "event_at"]
    fives = short().filter(interval="5m").sort("event_at").with_columns(event_at=pl.col("event_at").dt.truncate("15m"))
    made = fives.group_by(by).agg(
        pl.col("open").first(),
        pl.col("high").max(),
        pl.col("low").min(),
        pl.col("close").last(),
        pl.col("volume").sum(),
    )
    fifteen = short().filter(interval="15m").select(*by, "open", "high", "low", "close", "volume")
    assert_frame_equal(made.sort(by), fifteen.sort(by))


def test_minutes_around_the_london_auction_are_there_for_gold_alone() -> None:
    minutes = short().filter(interval="1m")
    assert minutes["symbol"].unique().to_list() == ["GLD"]
    times = minutes.select(LOCAL.dt.time()).to_series()
    assert times.min() == dt.time(9, 54)
    assert times.max() == dt.time(10, 9)


def test_a_span_of_sessions_is_the_same_in_any_longer_span() -> None:
    first, last = dt.date(2014, 12, 1), dt.date(2014, 12, 5)
    longer = short_bars_known(Market(7, ORIGIN, dt.date(2015, 6, 30)), dt.date(2014, 11, 20), dt.date(2014, 12, 30))
    assert_frame_equal(
        short_bars_known(market(), first, last), longer.filter(pl.col("session").is_between(first, last))
    )


def test_the_first_session_begins_with_its_own_bars() -> None:
    rows = short_bars_known(market(), ORIGIN, ORIGIN)
    assert rows["event_at"].dt.date().unique().to_list() == [ORIGIN]


def test_gold_moves_as_much_in_short_bars_as_over_the_day() -> None:
    steps = short().filter(symbol="GLD", interval="5m").sort("event_at")
    day = steps.select(pl.col("close").log().diff().over("event_date")).to_series().std() * np.sqrt(252 * 78)
    assert 0.05 < day < 0.3


def test_hours_stay_as_they_were() -> None:
    rows = hour_bars(market())
    assert rows["interval"].unique().to_list() == ["60m"]


def test_a_chain_is_quoted_a_quarter_hour_before_the_decision_and_known_at_it() -> None:
    decisions = calendar.schedule().select("session", "decided_at")
    rows = chain().join(decisions, on="session")
    assert (rows["decided_at"] == rows["available_at"]).all()
    assert (rows["decided_at"] - rows["event_at"]).unique().to_list() == [dt.timedelta(minutes=15)]


def test_expiries_bracket_thirty_sixty_and_ninety_days_in_every_chain() -> None:
    days = (pl.col("expiry") - pl.col("session")).dt.total_days()
    listed = (
        chain()
        .group_by("session", "underlying")
        .agg(
            expiries=pl.col("expiry").n_unique(),
            nearest=days.min(),
            farthest=days.max(),
            month=days.is_between(30, 45).any(),
            two_months=days.is_between(45, 75).any(),
        )
    )
    assert listed["expiries"].min() >= 5
    assert listed["nearest"].min() >= 7
    assert listed["nearest"].max() <= 21
    assert listed["farthest"].min() >= 90
    assert listed["month"].all()
    assert listed["two_months"].all()


def test_options_expire_on_sessions() -> None:
    sessions = calendar.schedule()["session"].implode()
    assert chain().filter(~pl.col("expiry").is_in(sessions)).is_empty()
    assert dt.date(2014, 4, 17) in set(chain()["expiry"])  # the third Friday was Good Friday


def test_a_contract_is_quoted_once_in_a_chain() -> None:
    assert chain().select("contract", "event_at").is_duplicated().sum() == 0


def test_strikes_reach_from_the_money_to_the_wings_on_both_sides() -> None:
    month = chain().filter((pl.col("expiry") - pl.col("session")).dt.total_days().is_between(30, 45))
    passed = month.filter(pl.col("bid") > 0, SPREAD <= 0.25)
    reach = passed.group_by("session", "underlying", "expiry", "right").agg(
        low=pl.col("delta").abs().min(), high=pl.col("delta").abs().max()
    )
    assert reach.filter(pl.col("underlying") == "GLD")["low"].max() < 0.13
    assert reach["low"].max() < 0.25
    assert reach["high"].min() > 0.45


def test_the_money_is_quoted_on_both_rights_at_one_strike_with_one_volatility() -> None:
    near = chain().with_columns(away=(pl.col("strike") / pl.col("underlying_price")).log().abs())
    by = ["session", "underlying", "expiry"]
    money = near.filter(pl.col("away") == pl.col("away").min().over(by))
    pairs = money.group_by(*by, "strike").agg(pl.col("iv").n_unique(), rights=pl.col("right").n_unique())
    assert pairs.filter((pl.col("rights") != 2) | (pl.col("iv") != 1)).is_empty()


def test_volatility_of_a_month_is_near_the_index_and_its_slope_and_skew_change_sign() -> None:
    days = (pl.col("expiry") - pl.col("session")).dt.total_days()
    near = chain().filter(underlying="GLD").with_columns(days=days, miss=(pl.col("delta").abs() - 0.5).abs())
    money = near.sort("miss").group_by("session", "expiry", "days").agg(pl.col("iv").first())
    month = money.filter(pl.col("days").is_between(25, 35)).group_by("session").agg(pl.col("iv").mean())
    index = market().sessions.select("session").with_columns(index=pl.Series(market().shown(gvz(market())) / 100.0))
    both = month.join(index, on="session")
    assert both.select((pl.col("iv") / pl.col("index")).log().abs().mean()).item() < 0.06
    far = money.filter(pl.col("days").is_between(80, 100)).group_by("session").agg(far=pl.col("iv").mean())
    slope = both.join(far, on="session").select((pl.col("far") > pl.col("iv")).mean()).item()
    assert 0.1 < slope < 0.9
    wings = near.filter((pl.col("delta").abs() - 0.25).abs() < 0.12, pl.col("days").is_between(25, 60))
    sides = wings.group_by("session", "right").agg(pl.col("iv").mean()).pivot("right", index="session", values="iv")
    assert 0.5 < sides.select((pl.col("C") > pl.col("P")).mean()).item() < 0.99
