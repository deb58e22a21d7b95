"""Volatility from whole bars, the synthetic straddle and the modelled tail: by hand, and never ahead of their time."""

from __future__ import annotations

import datetime as dt
import functools
import math
import statistics
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from qgtm_core import calendar
from qgtm_core.features.registry import compute_features
from tests.core import pit_frames
from tests.core.features import slow_features as slow

FIRST, LAST = dt.date(2008, 6, 2), dt.date(2015, 3, 31)
SYMBOLS = ("GLD", "SLV", "PPLT", "PALL", "GDX")
TABLES = ("range_volatility", "straddle", "tail")
CHECKED = (dt.date(2013, 9, 17), dt.date(2014, 6, 3), dt.date(2015, 3, 31))
Frames = dict[str, pl.DataFrame]


def whole(rows: pl.DataFrame, seed: int) -> pl.DataFrame:
    """The bars with opens, highs and lows; some lack one, and some are impossible."""
    rng = np.random.default_rng(seed)
    n = rows.height
    close = rows["close"].to_numpy()
    open_ = close * np.exp(rng.normal(0.0, 0.006, n))
    high = np.maximum(open_, close) * np.exp(rng.exponential(0.003, n))
    low = np.minimum(open_, close) * np.exp(-rng.exponential(0.003, n))
    strange = rng.random(n)
    high = np.where(strange < 0.004, low * 0.99, high)
    rows = rows.with_columns(open=pl.Series(open_), high=pl.Series(high), low=pl.Series(low))
    return rows.with_columns(open=pl.when(pl.Series(strange < 0.99)).then("open"))


@functools.cache
def tables(share: float = 0.0) -> Frames:
    prices = whole(pit_frames.prices(5, SYMBOLS, share=share, first=FIRST, last=LAST), 6)
    rng = np.random.default_rng(7)
    stamps = pit_frames.closes(FIRST, LAST).with_columns(available_at=pl.col("event_at") + pl.duration(hours=18))
    gvz = stamps.with_columns(
        series_id=pl.lit("GVZCLS"), value=pl.Series(np.exp(rng.normal(2.5, 0.25, stamps.height)).round(2))
    )
    return {"prices": prices, "macro": pit_frames.complete("macro", gvz)}


@functools.cache
def computed(table: str, share: float = 0.0) -> pl.DataFrame:
    return compute_features(table, tables(share), pit_frames.days(FIRST, LAST))


def row(table: str, session: dt.date, **key: str) -> slow.Row:
    (got,) = computed(table).filter(session=session, **key).to_dicts()
    return got


def usable(session: dt.date, symbol: str) -> list[slow.Row]:
    """Known bars that are whole."""
    found = slow.known_rows(tables()["prices"].filter(symbol=symbol), session)
    return [
        bar
        for bar in found
        if bar["open"] is not None
        and bar["low"] <= min(bar["open"], bar["close"])
        and bar["high"] >= max(bar["open"], bar["close"])
    ]


def yang_zhang(bars: list[slow.Row], n: int) -> float:
    """Annual volatility of the last n bars."""
    logs = []
    for bar in bars[-n - 1 :]:
        scale = bar["adj_close"] / bar["close"]
        logs.append([math.log(bar[name] * scale) for name in ("open", "high", "low", "close")])
    overnight = statistics.variance([after[0] - before[3] for before, after in pairwise(logs)])
    session = statistics.variance([c - o for o, _, _, c in logs[1:]])
    inside = statistics.fmean([(h - c) * (h - o) + (low - c) * (low - o) for o, h, low, c in logs[1:]])
    k = 0.34 / (1.34 + (n + 1) / (n - 1))
    return math.sqrt(252 * (overnight + k * session + (1 - k) * inside))


def near(value: float) -> object:
    return pytest.approx(value, rel=1e-7, abs=1e-10)


@pytest.mark.parametrize("session", CHECKED)
@pytest.mark.parametrize("symbol", ["SLV", "PPLT", "PALL", "GDX"])
def test_the_term_structure_is_that_of_a_plain_loop(session: dt.date, symbol: str) -> None:
    got, bars = row("range_volatility", session, symbol=symbol), usable(session, symbol)
    assert got["obs"] == len(bars)
    assert got["vol_yz_10"] == near(yang_zhang(bars, 10))
    assert got["vol_yz_60"] == near(yang_zhang(bars, 60))
    past = [bars[: len(bars) - k] for k in range(251, -1, -1)]
    slopes = [math.log(yang_zhang(some, 10) / yang_zhang(some, 60)) for some in past]
    assert got["vol_yz_slope_z_252"] == near(slow.z(slopes, 252))


def test_only_the_cyclical_metals_have_a_term_structure() -> None:
    assert sorted(computed("range_volatility")["symbol"].unique()) == ["GDX", "PALL", "PPLT", "SLV"]


def test_volatility_needs_as_many_bars_as_it_says_and_one_close_before() -> None:
    early = computed("range_volatility").filter(symbol="SLV")
    for n in (10, 60):
        assert early.filter(pl.col("obs") <= n)[f"vol_yz_{n}"].null_count() == early.filter(pl.col("obs") <= n).height
        assert early.filter(pl.col("obs") == n + 1)[f"vol_yz_{n}"].null_count() == 0


@pytest.mark.parametrize("session", CHECKED)
def test_the_straddle_is_struck_at_the_newest_price_of_every_21st_session(session: dt.date) -> None:
    got = row("straddle", session)
    every = calendar.schedule()["session"].to_list()
    place = every.index(session)
    struck_on = every[place - place % 21]
    bars = usable(session, "GLD")
    strike = [bar["adj_close"] for bar in bars if bar["event_date"] < struck_on][-1]
    assert got["strike_age_sessions"] == place % 21
    assert got["log_moneyness"] == near(math.log(bars[-1]["adj_close"] / strike))
    assert got["vol_yz_5"] == near(yang_zhang(bars, 5))
    known = slow.known_rows(tables()["macro"], session)
    assert got["gvz"] == known[-1]["value"]


def test_a_straddle_ages_by_a_session_a_day_and_begins_at_the_money() -> None:
    found = computed("straddle").filter(pl.col("gld_obs") > 30)
    steps = found["strike_age_sessions"].diff().drop_nulls().unique().sort().to_list()
    assert steps == [-20, 1]
    new = found.filter(strike_age_sessions=0)
    assert new["log_moneyness"].unique().to_list() == [0.0]
    assert found["log_moneyness"].abs().max() > 0.02


def test_a_straddle_ages_without_bars_and_a_new_one_is_struck_at_the_last_known_price() -> None:
    every = calendar.schedule()["session"].to_list()
    anchor = next(day for day in every if day >= dt.date(2013, 9, 1) and every.index(day) % 21 == 0)
    stop = calendar.offset_session(anchor, -3)
    cut = {**tables(), "prices": tables()["prices"].filter(pl.col("event_date") <= stop)}
    days = calendar.schedule(calendar.offset_session(anchor, -2), calendar.offset_session(anchor, 2))
    got = compute_features("straddle", cut, days.select("session", "decided_at"))
    assert got["strike_age_sessions"].to_list() == [19, 20, 0, 1, 2]
    assert (got["log_moneyness"][:2] != 0.0).all()
    assert got["log_moneyness"][2:].to_list() == [0.0] * 3


def shortfall(losses: list[float]) -> float:
    """Expected shortfall of 99 % of a thousand losses."""
    ordered = sorted(losses)
    u, top = ordered[-51], ordered[-50:]
    excess = [loss - u for loss in top]
    a0 = statistics.fmean(excess)
    a1 = statistics.fmean([(1 - (i - 0.35) / 50) * x for i, x in enumerate(excess, start=1)])
    shape, scale = 2 - a0 / (a0 - 2 * a1), 2 * a0 * a1 / (a0 - 2 * a1)
    var = u + scale / shape * ((len(losses) / 50 * 0.01) ** -shape - 1)
    return (var + scale - shape * u) / (1 - shape)


@pytest.mark.parametrize("session", CHECKED[1:])
def test_the_tail_is_that_of_a_plain_loop(session: dt.date) -> None:
    got = row("tail", session)
    bars = slow.known_rows(tables()["prices"].filter(symbol="GLD"), session)
    losses = [-math.log(b["adj_close"] / a["adj_close"]) for a, b in pairwise(bars)]
    year = [shortfall(losses[len(losses) - k - 1000 : len(losses) - k]) for k in range(251, -1, -1)]
    assert got["gld_obs"] == len(bars)
    assert got["es_99"] == near(year[-1])
    assert got["es_99_ratio"] == near(year[-1] / statistics.median(year))


def test_a_tail_needs_a_thousand_losses_and_its_ratio_a_year_of_tails() -> None:
    found = computed("tail")
    assert found.filter(pl.col("es_99").is_not_null())["gld_obs"].min() == 1001
    assert found.filter(pl.col("es_99_ratio").is_not_null())["gld_obs"].min() == 1252
    assert found.filter(pl.col("gld_obs") >= 1252)["es_99_ratio"].null_count() == 0


@pytest.mark.parametrize("share", [0.0, 0.003])
@pytest.mark.parametrize("table", TABLES)
def test_one_session_gives_the_bits_of_the_range_and_later_rows_change_nothing(table: str, share: float) -> None:
    known, full = tables(share), computed(table, share)
    days = pit_frames.days(FIRST, LAST)
    for place in (3, 400, 1003, 1255, 1430, 1600, days.height - 1):
        day = days.slice(place, 1)
        session = day["session"][0]
        cut = {name: frame.filter(pl.col("session") <= session) for name, frame in known.items()}
        want = full.filter(session=session)
        assert_frame_equal(compute_features(table, cut, day), want, check_exact=True)
        assert_frame_equal(compute_features(table, known, day), want, check_exact=True)


@pytest.mark.parametrize("table", TABLES)
def test_prices_in_another_unit_change_nothing_but_rounding(table: str) -> None:
    names = ("open", "high", "low", "close", "adj_close")
    scaled = {**tables(), "prices": tables()["prices"].with_columns(pl.col(names) * 10.0)}
    days = pit_frames.days(dt.date(2015, 3, 2), LAST)
    got = compute_features(table, scaled, days)
    want = computed(table).filter(pl.col("session") >= days["session"][0])
    assert_frame_equal(got, want, check_exact=False, rel_tol=1e-6, abs_tol=1e-9)
