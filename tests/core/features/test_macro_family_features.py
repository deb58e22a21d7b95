"""Policy, liquidity, geopolitics, official buying, the VIX slope and bitcoin against plain recomputations."""

from __future__ import annotations

import datetime as dt
import functools
import math
import statistics
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from qgtm_core import calendar, publication
from qgtm_core.features.registry import compute_features
from tests.core import pit_frames
from tests.core.features.slow_features import z, zchg

FIRST, LAST = dt.date(2014, 1, 2), dt.date(2018, 12, 31)
DAY = pl.col("event_date")
TABLES = ("macro", "liquidity", "geopolitics", "official", "haven", "cross_asset")
SESSIONS = [dt.date(2017, 9, 12), dt.date(2018, 3, 16), dt.date(2018, 12, 6), dt.date(2018, 12, 31)]
MILLIONS, BILLIONS = "Millions of U.S. Dollars", "Billions of US Dollars"


def walk(rng: np.random.Generator, count: int, start: float, step: float) -> pl.Series:
    return pl.Series(start * np.exp(np.cumsum(step * rng.normal(size=count))))


def series(days: pl.DataFrame, name: str, values: pl.Series, known: pl.Expr, unit: str | None = None) -> pl.DataFrame:
    return days.with_columns(
        series_id=pl.lit(name),
        value=values,
        unit=pl.lit(unit, pl.String),
        event_at=publication.at(DAY, 16),
        available_at=known,
    )


def weekdays() -> pl.DataFrame:
    return calendar.schedule(FIRST, LAST).select(event_date="session")


@functools.cache
def tables(share: float = 0.0) -> Mapping[str, pl.DataFrame]:
    rng = np.random.default_rng(11)
    daily, nightly = weekdays(), pl.DataFrame({"event_date": pl.date_range(FIRST, LAST, "1d", eager=True)})
    weekly = pl.DataFrame({"event_date": pl.date_range(dt.date(2014, 1, 8), LAST, "1w", eager=True)})
    h41, soon = publication.at(DAY + pl.duration(days=1), 17, 30), publication.at(DAY, 23)
    parts = [
        *(series(daily, s, walk(rng, daily.height, 3.0, 0.01), publication.h15(DAY)) for s in ("DGS2", "DGS10")),
        series(daily, "BAMLH0A0HYM2", walk(rng, daily.height, 4.0, 0.01), publication.h15(DAY)),
        *(
            series(daily, s, walk(rng, daily.height, 15.0, 0.02), publication.next_morning(DAY))
            for s in ("VIXCLS", "VXVCLS")
        ),
        series(weekly, "WALCL", walk(rng, weekly.height, 4e6, 0.002), h41, MILLIONS),
        series(weekly, "WTREGEN", walk(rng, weekly.height, 3e5, 0.02), h41, MILLIONS),
        series(daily, "RRPONTSYD", walk(rng, daily.height, 200.0, 0.02), soon, BILLIONS),
        *(
            series(nightly, s, walk(rng, nightly.height, 100.0, 0.1), publication.gpr_daily(DAY))
            for s in ("GPRD_ACT", "GPRD_THREAT")
        ),
    ]
    macro = pit_frames.revise(pl.concat(parts), ["value"], rng, share)
    coins = nightly.with_columns(
        event_at=publication.at(DAY, 19), available_at=publication.round_the_clock_bar(DAY), symbol=pl.lit("BTC-USD")
    ).with_columns(close=walk(rng, nightly.height, 500.0, 0.03))
    funds = [
        pit_frames.closes(FIRST, LAST).with_columns(symbol=pl.lit(s), close=walk(rng, daily.height, 100.0, 0.01))
        for s in ("GLD", "UUP")
    ]
    columns = ["event_date", "event_at", "available_at", "symbol", "close"]
    prices = pit_frames.revise(pl.concat([f.select(columns) for f in (*funds, coins)]), ["close"], rng, share)
    months = pl.DataFrame({"event_date": pl.date_range(dt.date(2012, 1, 1), dt.date(2018, 9, 1), "1mo", eager=True)})
    bought = months.with_columns(
        net_tonnes=pl.Series(40.0 + 60.0 * rng.normal(size=months.height)),
        event_at=publication.at(DAY.dt.month_end(), 12),
        available_at=publication.cb_gold(DAY),
    )
    return {
        "macro": pit_frames.complete("macro", macro),
        "prices": pit_frames.complete("prices", prices).with_columns(adj_close=pl.col("close")),
        "official_flows": pit_frames.complete("official_flows", pit_frames.revise(bought, ["net_tonnes"], rng, share)),
    }


def days(first: dt.date = FIRST, last: dt.date = LAST) -> pl.DataFrame:
    return calendar.schedule(first, last).select("session", "decided_at")


def read(table: str, session: dt.date, pit: Mapping[str, pl.DataFrame] | None = None) -> dict[str, float]:
    return compute_features(table, pit or tables(), days(session, session)).row(0, named=True)


def known(table: str, session: dt.date, value: str = "value", **where: str) -> dict[dt.date, float]:
    (name, sought), *_ = where.items() if where else (("source", "test"),)
    rows = tables()[table].filter((pl.col(name) == sought) & (pl.col("session") <= session)).sort("event_date")
    return dict(rows.select("event_date", value).iter_rows())


def macro(session: dt.date, *names: str) -> tuple[list[dt.date], list[list[float]]]:
    """Days that all the series have at the session, and their values."""
    found = [known("macro", session, series_id=name) for name in names]
    common = sorted(set.intersection(*(set(f) for f in found)))
    return common, [[f[day] for day in common] for f in found]


def mean(values: Sequence[float], end: int, n: int) -> float:
    return statistics.fmean(values[max(0, end - n + 1) : end + 1])


@pytest.mark.parametrize("session", SESSIONS)
def test_the_slope_is_measured_on_days_that_both_yields_have(session: dt.date) -> None:
    _, (two, ten) = macro(session, "DGS2", "DGS10")
    slope = [b - a for a, b in zip(two, ten, strict=True)]
    got = read("macro", session)
    assert got["slope_obs"] == len(slope)
    assert got["slope_10y2y"] == slope[-1]
    assert got["slope_10y2y_zchg_60"] == pytest.approx(zchg(slope, 60, 504))
    assert got["slope_2y_chg_60"] == pytest.approx(two[-1] - two[-61])
    assert got["nominal_2y_zchg_63"] == pytest.approx(zchg(two, 63, 504))


@pytest.mark.parametrize("session", SESSIONS)
def test_the_credit_spread_changes_over_sixty_observations(session: dt.date) -> None:
    _, (spread,) = macro(session, "BAMLH0A0HYM2")
    assert read("macro", session)["high_yield_spread_chg_60"] == pytest.approx(spread[-1] - spread[-61])


def slow_liquidity(session: dt.date) -> dict[dt.date, float]:
    weeks, (assets, treasury) = macro(session, "WALCL", "WTREGEN")
    repo, out = known("macro", session, series_id="RRPONTSYD"), {}
    for week, a, t in zip(weeks, assets, treasury, strict=True):
        day = week
        while day not in repo or day in publication.federal_holidays():
            day -= dt.timedelta(days=1)
            if (week - day).days > 6:
                break
        else:
            out[week] = a / 1000 - t / 1000 - repo[day]
    return out


@pytest.mark.parametrize("session", SESSIONS)
def test_net_liquidity_is_in_billions_and_grows_over_thirteen_weeks(session: dt.date) -> None:
    net, quarter = slow_liquidity(session), dt.timedelta(weeks=13)
    growth = {week: value / net[week - quarter] - 1 for week, value in net.items() if week - quarter in net}
    faster = [value - growth[week - quarter] for week, value in growth.items() if week - quarter in growth]
    got = read("liquidity", session)
    assert got["net_liquidity_obs"] == len(net)
    assert got["net_liquidity"] == pytest.approx(list(net.values())[-1])
    assert got["net_liquidity_growth_13_z_156"] == pytest.approx(z(list(growth.values()), 156))
    assert got["net_liquidity_acceleration_13_z_156"] == pytest.approx(z(faster, 156))


def with_unit(series_id: str, unit: str | None, factor: float = 1.0) -> dict[str, pl.DataFrame]:
    chosen = pl.col("series_id") == series_id
    changed = tables()["macro"].with_columns(
        unit=pl.when(chosen).then(pl.lit(unit, pl.String)).otherwise("unit"),
        value=pl.when(chosen).then(pl.col("value") * factor).otherwise("value"),
    )
    return {"macro": changed}


@pytest.mark.parametrize("unit", [None, "", "Percent", "Index"])
@pytest.mark.parametrize("series_id", ["WALCL", "WTREGEN", "RRPONTSYD"])
def test_a_value_in_an_unknown_unit_is_never_guessed(series_id: str, unit: str | None) -> None:
    assert compute_features("liquidity", with_unit(series_id, unit), days(LAST, LAST)).is_empty()


def test_a_series_that_changes_its_unit_means_the_same() -> None:
    want = read("liquidity", LAST)["net_liquidity"]
    assert read("liquidity", LAST, with_unit("WTREGEN", "Bil. of U.S. $", 1e-3))["net_liquidity"] == pytest.approx(want)


def test_a_missing_week_costs_only_what_needs_it() -> None:
    week = dt.date(2018, 8, 8)
    torn = {"macro": tables()["macro"].filter((week != DAY) | (pl.col("series_id") != "WALCL"))}
    later = {"growth": dt.date(2018, 11, 9), "whole": dt.date(2018, 11, 16)}  # 13 weeks on, and one week after that
    assert read("liquidity", later["growth"], torn)["net_liquidity_growth_13_z_156"] is None
    assert read("liquidity", later["whole"], torn)["net_liquidity_growth_13_z_156"] is not None


@pytest.mark.parametrize("session", SESSIONS)
def test_geopolitical_heat_weighs_threats_above_acts(session: dt.date) -> None:
    common, (threat, act) = macro(session, "GPRD_THREAT", "GPRD_ACT")
    heat = [
        0.6 * math.log(mean(threat, i, 7) / mean(threat, i, 90)) + 0.4 * math.log(mean(act, i, 7) / mean(act, i, 90))
        for i in range(71, len(common))
    ]
    got = read("geopolitics", session)
    assert got["gpr_obs"] == len(common)
    assert got["gpr_heat"] == pytest.approx(heat[-1])
    assert got["gpr_heat_z_756"] == pytest.approx(z(heat, 756))


def test_geopolitical_risk_is_known_on_mondays_only() -> None:
    before, monday = read("geopolitics", dt.date(2018, 3, 16)), read("geopolitics", dt.date(2018, 3, 19))
    assert before["gpr_event_at"].date() == dt.date(2018, 3, 11)
    assert monday["gpr_event_at"].date() == dt.date(2018, 3, 18)


@pytest.mark.parametrize("session", SESSIONS)
def test_official_purchases_are_summed_over_three_months(session: dt.date) -> None:
    net = list(known("official_flows", session, "net_tonnes").values())
    sums = [sum(net[i - 2 : i + 1]) for i in range(2, len(net))]
    got = read("official", session)
    assert got["official_obs"] == len(net)
    assert got["official_tonnes_3m"] == pytest.approx(sums[-1])
    assert got["official_tonnes_3m_z_60"] == pytest.approx(z(sums, 60))
    assert got["official_buying_share_6m"] == pytest.approx(sum(x > 0 for x in net[-6:]) / 6)


def test_a_month_that_is_missing_breaks_the_sum_and_the_streak() -> None:
    torn = {"official_flows": tables()["official_flows"].filter(dt.date(2018, 8, 1) != DAY)}
    got = read("official", LAST, torn)
    assert got["official_tonnes_3m"] is None
    assert got["official_buying_share_6m"] is None


@pytest.mark.parametrize("session", SESSIONS)
def test_the_vix_slope_and_its_haven_correlation(session: dt.date) -> None:
    _, (vix, later) = macro(session, "VIXCLS", "VXVCLS")
    ratio = [a / b for a, b in zip(vix, later, strict=True)]
    got = read("haven", session)
    assert got["vix_slope"] == pytest.approx(ratio[-1])
    assert got["vix_slope_z_252"] == pytest.approx(z(ratio, 252))
    gold, fear = known("prices", session, "adj_close", symbol="GLD"), known("macro", session, series_id="VIXCLS")
    common = sorted(set(gold) & set(fear))[-64:]
    returns = np.diff([math.log(gold[day]) for day in common])
    changes = np.diff([fear[day] for day in common])
    assert got["gld_vix_corr_63"] == pytest.approx(statistics.correlation(returns, changes))


@pytest.mark.parametrize("session", SESSIONS)
def test_bitcoin_steps_by_new_york_sessions(session: dt.date) -> None:
    coins = {d: p for d, p in known("prices", session, "adj_close", symbol="BTC-USD").items() if calendar.is_session(d)}
    logs = [math.log(p) for p in coins.values()]
    got = read("cross_asset", session)
    assert got["btc_obs"] == len(coins)
    assert got["btc_zchg_20"] == pytest.approx(zchg(logs, 20, 252))
    gold = known("prices", session, "adj_close", symbol="GLD")
    common = sorted(set(gold) & set(coins))[-61:]
    pair = [list(np.diff([math.log(p[day]) for day in common])) for p in (gold, coins)]
    assert got["gld_btc_corr_60"] == pytest.approx(statistics.correlation(*pair))
    dollar = list(known("prices", session, "adj_close", symbol="UUP").values())
    assert got["uup_return_60"] == pytest.approx(dollar[-1] / dollar[-61] - 1)


@pytest.mark.parametrize("table", TABLES)
def test_a_range_equals_its_sessions_one_at_a_time_under_revisions(table: str) -> None:
    spoiled, span = tables(0.004), days(dt.date(2018, 5, 1), dt.date(2018, 10, 31))
    whole = compute_features(table, spoiled, span)
    assert whole.height == span.height
    for session in span["session"].gather_every(17):
        past = {name: frame.filter(pl.col("session") <= session) for name, frame in spoiled.items()}
        one = compute_features(table, past, days(session, session))
        assert_frame_equal(one, whole.filter(pl.col("session") == session), check_exact=True)
