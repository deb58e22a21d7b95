"""The simulated market behind the feed's port, and which feed a mode opens."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from qgtm_core import calendar
from qgtm_core.errors import ConfigError
from qgtm_core.ports import Feed
from qgtm_core.schemas.raw import RAW_TABLES
from qgtm_core.types import FeedMode
from qgtm_core.universe import INSTRUMENTS
from qgtm_resources.feeds.archive import ArchiveFeed
from qgtm_resources.feeds.factory import open_feed
from qgtm_resources.feeds.simulated import CONSTANT, DEFAULT_LAST_SESSION, RUN_UP, SimulatedFeed

LAST = dt.date(2016, 6, 30)
FIRST = dt.date(2015, 6, 30)
EVER = (calendar.FIRST_SESSION, calendar.last_known_session())


@lru_cache(maxsize=2)
def feed(last: dt.date = LAST, years: int = 1) -> SimulatedFeed:
    return SimulatedFeed(seed=7, last_session=last, years=years)


def test_the_default_ends_on_a_fixed_session() -> None:
    assert SimulatedFeed().last_session() == DEFAULT_LAST_SESSION == dt.date(2024, 6, 28)


def test_a_day_without_a_session_is_refused_with_the_session_before() -> None:
    with pytest.raises(ConfigError, match="2024-06-29 is not a trading session; the one before is 2024-06-28"):
        SimulatedFeed(last_session=dt.date(2024, 6, 29))


def test_a_history_of_no_years_is_refused() -> None:
    with pytest.raises(ConfigError, match="years must be at least 1, not 0"):
        SimulatedFeed(years=0)


def test_a_history_may_begin_on_the_day_before_a_leap_day() -> None:
    assert SimulatedFeed(last_session=dt.date(2024, 2, 29), years=1).last_session() == dt.date(2024, 2, 29)


@pytest.mark.parametrize("name", sorted(set(RAW_TABLES) - {"licensed_fix"}))
def test_every_table_has_rows_from_the_first_session_on_in_its_schema(name: str) -> None:
    rows = RAW_TABLES[name].require_valid(feed().rows(name, *EVER))
    assert not rows.is_empty()
    assert name in CONSTANT or rows["session"].min() >= FIRST - RUN_UP
    assert feed().rejected(name).is_empty()


def test_the_licensed_auction_prices_are_not_delivered() -> None:
    rows = RAW_TABLES["licensed_fix"].require_valid(feed().rows("licensed_fix", *EVER))
    assert rows.is_empty()


def test_fees_that_took_effect_before_the_first_session_are_delivered() -> None:
    rows = feed().rows("fund_terms", *EVER)
    assert set(rows["symbol"]) == {"GLD", "SLV", "UGL", "AGQ"}
    assert rows["session"].max() < FIRST


def test_ten_years_hold_ten_of_every_month_for_a_while_before_the_last_session() -> None:
    bars = SimulatedFeed().rows("bars_daily", *EVER).filter(symbol="GLD")
    assert bars.height > 2520 + 100


def test_intraday_bars_of_a_span_are_those_of_its_sessions() -> None:
    first, last = dt.date(2016, 6, 27), dt.date(2016, 6, 28)
    both = feed().rows("bars_intraday", first, last)
    alone = [feed().rows("bars_intraday", day, day) for day in (first, last)]
    assert_frame_equal(both, pl.concat(alone))
    assert set(both["interval"]) == {"1m", "5m", "15m", "30m", "60m"}
    assert feed().rows("bars_intraday", dt.date(2016, 7, 1), dt.date(2016, 7, 29)).is_empty()


def test_an_unknown_table_is_refused_by_name() -> None:
    for ask in (lambda: feed().rows("bars_weekly", *EVER), lambda: feed().rejected("bars_weekly")):
        with pytest.raises(ConfigError, match="no raw table 'bars_weekly'"):
            ask()


def test_a_longer_history_agrees_with_a_shorter_one_where_both_have_rows() -> None:
    longer = SimulatedFeed(seed=7, last_session=dt.date(2016, 7, 1), years=2)
    for name in ("bars_daily", "macro", "cot", "decision_quotes"):
        assert_frame_equal(longer.rows(name, FIRST, LAST), feed().rows(name, FIRST, LAST))


def test_every_session_has_a_quote_and_a_market_for_every_instrument() -> None:
    quotes = feed().rows("decision_quotes", FIRST, LAST)
    venue = feed().market_range(FIRST, LAST)
    sessions = calendar.schedule(FIRST, LAST).height
    assert quotes.height == venue.height == sessions * len(INSTRUMENTS)


def test_the_venue_price_lies_between_the_decision_and_the_close() -> None:
    quotes = (
        feed()
        .rows("decision_quotes", FIRST, LAST)
        .select("session", "symbol", decided=(pl.col("bid") + pl.col("ask")) / 2)
    )
    both = feed().market_range(FIRST, LAST).join(quotes, on=["session", "symbol"])
    low, high = pl.min_horizontal("decided", "close") - 1e-3, pl.max_horizontal("decided", "close") + 1e-3
    assert both.filter(~pl.col("mid").is_between(low, high) | ~pl.col("vwap").is_between(low, high)).is_empty()
    assert both["adv_shares"].null_count() <= 20 * len(INSTRUMENTS)


def test_a_session_of_the_range_is_the_session_alone() -> None:
    alone = feed().market(LAST, ["GLD", "SLV", "NONE"])
    assert alone["symbol"].to_list() == ["GLD", "SLV"]
    assert_frame_equal(feed().market_range(LAST, LAST, ["GLD", "SLV"]).drop("session"), alone)


@pytest.mark.parametrize("mode", ["simulated", FeedMode.SIMULATED])
def test_the_simulated_mode_opens_the_simulated_market(mode: str) -> None:
    opened: Feed = open_feed(mode, seed=3, last_session=LAST, years=1)
    assert opened.mode is FeedMode.SIMULATED
    assert opened.last_session() == LAST


def test_the_archive_mode_opens_a_folder_and_needs_one(tmp_path: Path) -> None:
    opened: Feed = open_feed("archive", archive=tmp_path)
    assert isinstance(opened, ArchiveFeed)
    assert opened.mode is FeedMode.ARCHIVE
    with pytest.raises(ConfigError, match="QGTM_FEED=archive needs QGTM_ARCHIVE"):
        open_feed("archive")


def test_the_live_mode_says_what_there_is_instead() -> None:
    with pytest.raises(ConfigError, match="not part of this release; QGTM_FEED may be simulated and archive"):
        open_feed(FeedMode.LIVE)


def test_an_unknown_mode_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="QGTM_FEED='replay' is no feed mode"):
        open_feed("replay")
