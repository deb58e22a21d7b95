"""Features of flows, stocks, positions and auctions against slow ones, and that they never see the future."""

from __future__ import annotations

import datetime as dt
import functools
import math
from collections.abc import Mapping

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from qgtm_core import calendar
from qgtm_core.features.registry import compute_features
from qgtm_core.schemas.features import COT_MARKETS, COT_REPORT, FEATURE_TABLES
from tests.core import pit_frames
from tests.core.features import flow_frames

MINE = ("flows", "inventory", "positioning", "fixes", "physical", "petroleum")
CUTS = (dt.date(2014, 9, 3), dt.date(2015, 7, 6), dt.date(2016, 11, 25))
POINTS = (dt.date(2015, 8, 3), dt.date(2016, 6, 15), dt.date(2016, 12, 30), dt.date(2017, 3, 31))
STAMPS = {"session", "event_date", "event_at", "available_at", "retrieved_at", "revision"}
NONE = {name: frame.clear() for name, frame in flow_frames.tables(1).items()}
points = pytest.mark.parametrize("session", POINTS)
mine = pytest.mark.parametrize("table", MINE)


@functools.cache
def tables() -> Mapping[str, pl.DataFrame]:
    return flow_frames.tables(41, share=0.003)


@functools.cache
def computed(table: str) -> pl.DataFrame:
    return compute_features(table, tables(), pit_frames.days())


def row(table: str, session: dt.date, **key: str) -> dict[str, object]:
    return computed(table).filter(session=session, **key).row(0, named=True)


def known(table: str, session: dt.date, *about: pl.Expr, **key: object) -> pl.DataFrame:
    """What a table said at a decision, by day, newest revisions."""
    rows = tables()[table].filter(pl.col("session") <= session, *about, **key)
    return rows.sort("available_at", "revision").unique("event_date", keep="last").sort("event_date")


def pairs(frame: pl.DataFrame, value: str) -> dict[dt.date, float]:
    return {d: float(v) for d, v in frame.select("event_date", value).iter_rows() if v is not None and v > 0}


def z_last(values: list[float], n: int, least: float = 0.8) -> float | None:
    window = np.array([v for v in values[-n:] if v is not None and math.isfinite(v)])
    if len(window) < math.ceil(least * n) or values[-1] is None:
        return None
    return float((values[-1] - window.mean()) / window.std(ddof=1))


def log_change(values: list[float], k: int) -> list[float | None]:
    return [None] * k + [math.log(b / a) for a, b in zip(values, values[k:], strict=False)]


def close(got: object, want: float | None) -> None:
    assert got == (None if want is None else pytest.approx(want, rel=1e-8, abs=1e-9))


# --- against slow ones


@points
@pytest.mark.parametrize("symbol", ["GLD", "SLV"])
def test_flows(session: dt.date, symbol: str) -> None:
    got, rows = row("flows", session, symbol=symbol), known("flows", session, symbol=symbol)
    held, stated, computed_from_shares = [], [], []
    for tonnes, per_share, shares in rows.select("tonnes", "oz_per_share", "shares_outstanding").iter_rows():
        held.append(shares * per_share / 32_150.7466 if tonnes is None else tonnes)
        computed_from_shares.append(tonnes is None)
        stated += [] if tonnes is None else [tonnes]
    assert (got["held_obs"], got["issuer_obs"]) == (len(held), len(stated))
    close(got["flow_20_z_252"], z_last(log_change(held, 20), 252))
    close(got["issuer_flow_5_z_252"], z_last(log_change(stated, 5), 252))
    assert got["derived"] == (computed_from_shares[-1] or computed_from_shares[-21])


@points
@pytest.mark.parametrize("metal", ["gold", "silver"])
def test_stocks(session: dt.date, metal: str) -> None:
    got = row("inventory", session, market=metal)
    total = [
        pairs(known("inventory", session, metal=metal, depository="ALL", category=f"total_{c}"), "total_oz")
        for c in ("registered", "eligible")
    ]
    registered = list(total[0].values())
    both = [total[0][day] + total[1][day] for day in total[0] if day in total[1]]
    close(got["registered_oz"], registered[-1])
    close(got["registered_flow_20_z_252"], z_last(log_change(registered, 20), 252))
    close(got["total_oz"], both[-1])
    close(got["total_flow_60_z_252"], z_last(log_change(both, 60), 252))
    assert (got["registered_obs"], got["total_obs"]) == (len(registered), len(both))


@points
@pytest.mark.parametrize(("metal", "root", "lot"), [("gold", "GC", 100.0), ("silver", "SI", 5_000.0)])
def test_coverage(session: dt.date, metal: str, root: str, lot: float) -> None:
    got = row("inventory", session, market=metal)
    stocks = known("inventory", session, metal=metal, depository="ALL", category="total_registered")
    if got["weekly_interest"]:
        reports = known("positioning", session, cftc_code=COT_MARKETS[metal], report_type=COT_REPORT)
        cover = []
        for told, ounces in stocks.select("session", "total_oz").iter_rows():
            seen = reports.filter(pl.col("session").is_between(told - dt.timedelta(days=12), told))
            cover += [ounces / (seen["open_interest"][-1] * lot)] if seen.height else []
    else:
        held = pairs(stocks, "total_oz")
        all_months = pl.col("expiry_month").is_null()
        lots = pairs(known("open_interest", session, all_months, root=root), "open_interest")
        cover = [held[day] / (lots[day] * lot) for day in held if day in lots]
    assert got["coverage_obs"] == len(cover)
    close(got["coverage"], cover[-1])
    close(got["coverage_z_252"], z_last([math.log(c) for c in cover], 252))


@pytest.mark.parametrize(
    ("metal", "root", "ounces", "lots", "coverage"),
    [("gold", "GC", 10.0e6, 480_000, 0.2083), ("silver", "SI", 30.0e6, 150_000, 0.0400)],
)
def test_the_coverage_of_the_worked_example(metal: str, root: str, ounces: float, lots: int, coverage: float) -> None:
    day = flow_frames.stamped(pl.Series([dt.date(2016, 5, 4)]), 1)
    vault = {"metal": metal, "depository": "ALL", "category": "total_registered", "total_oz": ounces}
    traded = {"root": root, "open_interest": lots}
    pit = {
        "inventory": pit_frames.complete(
            "inventory", day.with_columns(report_date="event_date", **{k: pl.lit(v) for k, v in vault.items()})
        ),
        "open_interest": pit_frames.complete(
            "open_interest", day.with_columns(**{k: pl.lit(v) for k, v in traded.items()})
        ),
    }
    found = compute_features("inventory", pit, pit_frames.days(last=dt.date(2016, 5, 6)))
    assert found["coverage"][-1] == pytest.approx(coverage, abs=5e-5)


def test_the_weekly_open_interest_stands_in_where_the_daily_one_is_young_or_has_stopped() -> None:
    weekly = (
        computed("inventory")
        .filter(pl.col("coverage_z_252").is_not_null())
        .select("session", "market", "weekly_interest")
    )
    silver = dict(weekly.filter(market="silver").select("session", "weekly_interest").iter_rows())
    assert silver[dt.date(2016, 5, 31)] is False
    assert silver[dt.date(2016, 6, 14)] is True  # the daily one has stopped for a week
    assert silver[dt.date(2016, 6, 29)] is False
    gold = weekly.filter(market="gold").sort("session")["weekly_interest"].to_list()
    assert gold[0] is True  # the daily one began later
    assert gold[-1] is False


@points
@pytest.mark.parametrize("market", list(COT_MARKETS))
def test_positions_of_hedgers_and_commercials(session: dt.date, market: str) -> None:
    got = row("positioning", session, market=market)
    code = COT_MARKETS[market]
    pressure = [
        (ps + ss - pl_ - sl) / (ps + ss + pl_ + sl)
        for pl_, sl, ps, ss in known("positioning", session, cftc_code=code, report_type=COT_REPORT)
        .select("producer_long", "swap_long", "producer_short", "swap_short")
        .iter_rows()
    ]
    close(got["hedging_pressure"], pressure[-1])
    close(got["hedging_pressure_mean_52"], float(np.mean(pressure[-52:])))
    legacy = known("positioning", session, cftc_code=code, report_type="legacy_futures_only")
    net = (legacy["commercial_long"] - legacy["commercial_short"]).to_list()
    assert (got["hedgers_obs"], got["legacy_obs"]) == (len(pressure), len(net))
    for n in (26, 156):
        window = net[-n:]
        index = 100 * (net[-1] - min(window)) / (max(window) - min(window))
        close(got[f"commercial_index_{n}"], index if len(window) >= 0.8 * n else None)


@points
def test_auctions_and_the_shanghai_premium(session: dt.date) -> None:
    got = row("fixes", session)
    am, pm = (pairs(known("fixes", session, metal="gold", fix=fix), "usd_per_oz") for fix in ("AM", "PM"))
    moves = [math.log(pm[day] / am[day]) for day in am if day in pm]
    month = np.array(moves[-20:])
    close(got["am_to_pm_t_20"], float(month.mean() / (month.std(ddof=1) / math.sqrt(20))))
    assert got["auctions_obs"] == len(moves)
    yuan, bench = pairs(known("fx", session, pair="USDCNY"), "rate"), pairs(known("shanghai", session), "pm_cny_per_g")
    over = [bench[day] * 31.1034768 / yuan[day] / am[day] - 1 for day in bench if day in yuan and day in am]
    smooth = [None] * 4 + [float(np.mean(over[i - 4 : i + 1])) for i in range(4, len(over))]
    close(got["shanghai_premium"], over[-1])
    close(got["shanghai_premium_mean_5_z_252"], z_last(smooth, 252))
    assert got["shanghai_obs"] == len(over)


def test_the_shanghai_premium_of_the_worked_example() -> None:
    def quote(table: str, **values: object) -> pl.DataFrame:
        day = flow_frames.stamped(pl.Series([dt.date(2016, 5, 4)]), 0)
        return pit_frames.complete(table, day.with_columns(**{k: pl.lit(v) for k, v in values.items()}))

    pit = {
        "shanghai": quote("shanghai", pm_cny_per_g=560.0),
        "fx": quote("fx", pair="USDCNY", rate=7.20),
        "fixes": quote("fixes", metal="gold", fix="AM", usd_per_oz=2400.0),
    }
    found = compute_features("fixes", pit, pit_frames.days(last=dt.date(2016, 5, 4)))
    assert found["shanghai_premium"][-1] == pytest.approx(2419.159 / 2400.0 - 1.0, abs=1e-6)


@points
def test_withdrawals_compare_with_the_same_month_of_the_year_before(session: dt.date) -> None:
    got, rows = row("physical", session), pairs(known("withdrawals", session), "tonnes")
    growth = [
        math.log(tonnes / rows[day.replace(year=day.year - 1)]) if day.replace(year=day.year - 1) in rows else None
        for day, tonnes in rows.items()
    ]
    close(got["withdrawals_growth_12"], growth[-1])
    close(got["withdrawals_growth_12_z_36"], z_last(growth, 36))
    assert got["withdrawals_obs"] == len(growth)


@points
def test_coin_sales_beyond_the_season(session: dt.date) -> None:
    got, rows = row("physical", session), known("mint", session)
    sold = {day: math.log(ounces + 1000) for day, ounces in rows.select("event_date", "gold_oz").iter_rows()}
    excess, years = [], 0
    for day, value in sold.items():
        usual = [sold[d] for k in range(1, 6) if (d := day.replace(year=day.year - k)) in sold]
        excess.append(value - float(np.mean(usual)) if usual else None)
        years = len(usual)
    recent = [e for e in excess[-60:] if e is not None]
    close(got["mint_excess"], excess[-1])
    close(got["mint_excess_over_sd_60"], excess[-1] / float(np.std(recent, ddof=1)) if years >= 4 else None)


@points
def test_crude_stocks_against_the_same_week_of_five_years(session: dt.date) -> None:
    got, rows = row("petroleum", session), known("macro", session, series_id="WCESTUS1")
    level = dict(rows.select("event_date", "value").iter_rows())
    change: dict[tuple[int, int], float] = {}
    surprise, counts = [], []
    for day, value in level.items():
        before = level.get(day - dt.timedelta(days=7))
        year, week, _ = day.isocalendar()
        usual = [change[key] for k in range(1, 6) if (key := (year - k, week)) in change]
        if before is not None:
            change[year, week] = value - before
        surprise.append(value - before - float(np.mean(usual)) if before is not None and usual else None)
        counts.append(len(usual))
    past = [s for s in surprise[-261:-1] if s is not None]
    speaks = counts[-1] >= 4 and surprise[-1] is not None
    close(got["crude_surprise"], surprise[-1] / float(np.std(past, ddof=1)) if speaks else None)
    first = tables()["macro"].filter(series_id="WCESTUS1", event_date=rows["event_date"][-1])["session"].min()
    assert got["crude_age"] == calendar.sessions_since(first, session)


def test_a_revision_of_the_newest_crude_stocks_is_no_new_report() -> None:
    reports = flow_frames.tables(44)["macro"].filter(series_id="WCESTUS1")
    newest = reports.sort("event_date").tail(2).head(1)
    again = newest.with_columns(
        value=pl.col("value") + 900.0,
        available_at=pl.col("available_at").dt.offset_by("1d"),
        revision=pl.lit(1, pl.Int32),
    )
    both = pl.concat([reports, pit_frames.complete("macro", again)])
    days = pit_frames.days(dt.date(2017, 3, 20))
    plain, revised = (compute_features("petroleum", {"macro": rows}, days) for rows in (reports, both))
    assert plain["crude_age"].to_list() == revised["crude_age"].to_list()
    assert plain["crude_change"].to_list() != revised["crude_change"].to_list()


def test_the_lease_rate_of_silver_is_standardised_beside_its_stocks() -> None:
    settled = dict(flow_frames.tables(43))  # nothing is ever revised, so each rate stays as first read
    traded = pl.col("event_date").is_in(pit_frames.days()["session"].implode())
    settled["curve"] = settled["curve"].filter(traded)  # then no session learns of two days at once
    lease = compute_features("lease", settled, pit_frames.days()).filter(market="silver")
    rates = lease.unique("event_at", keep="last").sort("event_at")["lease"].to_list()
    last = compute_features("inventory", settled, pit_frames.days().tail(1))
    close(last.filter(market="silver")["lease_z_252"].item(), z_last(rates, 252))
    assert last.filter(market="gold")["lease_z_252"].item() is None


def test_a_curve_that_stopped_says_nothing_of_the_lease_rate() -> None:
    stopped = {**tables(), "curve": tables()["curve"].filter(pl.col("event_date") < dt.date(2017, 3, 20))}
    found = compute_features("inventory", stopped, pit_frames.days()).filter(market="silver")
    lease = dict(found.select("session", "lease_z_252").iter_rows())
    assert lease[dt.date(2017, 3, 22)] is not None
    assert lease[dt.date(2017, 3, 29)] is None


# --- they never see the future


def garbage(frame: pl.DataFrame, after: dt.date) -> pl.DataFrame:
    numbers = [n for n, t in frame.schema.items() if n not in STAMPS and t.is_numeric()]
    later = pl.col("session") > after
    return frame.with_columns(
        pl.when(later).then(pl.col(n) * 1000 + 7).otherwise(n).cast(frame.schema[n]).alias(n) for n in numbers
    )


@mine
@pytest.mark.parametrize("cut", CUTS)
def test_they_do_not_change_when_later_rows_are_deleted(table: str, cut: dt.date) -> None:
    past = {name: frame.filter(pl.col("session") <= cut) for name, frame in tables().items()}
    want = computed(table).filter(pl.col("session") <= cut)
    assert_frame_equal(compute_features(table, past, pit_frames.days(last=cut)), want, check_exact=True)
    one = compute_features(table, past, pit_frames.days(cut, cut))
    assert_frame_equal(one, want.filter(pl.col("session") == cut), check_exact=True)


@mine
def test_they_do_not_change_when_later_rows_are_garbage(table: str) -> None:
    cut = CUTS[1]
    spoiled = {name: garbage(frame, cut) for name, frame in tables().items()}
    sessions = pl.col("session") <= cut
    got = compute_features(table, spoiled, pit_frames.days())
    assert_frame_equal(got.filter(sessions), computed(table).filter(sessions), check_exact=True)


@mine
def test_a_range_equals_its_sessions_computed_one_at_a_time(table: str) -> None:
    days = pit_frames.days(dt.date(2016, 3, 1), dt.date(2016, 3, 18))
    one_by_one = [compute_features(table, tables(), days.slice(i, 1)) for i in range(days.height)]
    assert_frame_equal(pl.concat(one_by_one), compute_features(table, tables(), days), check_exact=True)


@mine
def test_the_order_of_stored_rows_does_not_matter(table: str) -> None:
    shuffled = {name: frame.sample(fraction=1.0, shuffle=True, seed=3) for name, frame in tables().items()}
    days = pit_frames.days(dt.date(2016, 3, 1), dt.date(2016, 3, 18))
    want = computed(table).join(days.select("session"), on="session", how="semi")
    assert_frame_equal(compute_features(table, shuffled, days), want, check_exact=True)


@mine
def test_every_row_is_as_declared_and_was_known_at_its_decision(table: str) -> None:
    rows = computed(table).join(pit_frames.days(), on="session")
    FEATURE_TABLES[table].require_valid(computed(table))
    for name, dtype in computed(table).schema.items():
        if name.endswith("available_at"):
            assert (rows[name].drop_nulls() <= rows.filter(pl.col(name).is_not_null())["decided_at"]).all()
        if dtype.is_float():
            assert rows[name].drop_nulls().is_finite().all(), name


@mine
def test_every_session_has_a_row_from_the_first_known_one_on(table: str) -> None:
    keys = [name for name in FEATURE_TABLES[table].key if name != "session"]
    days = pit_frames.days()["session"]
    for group in computed(table).partition_by(keys) if keys else [computed(table)]:
        assert group["session"].to_list() == [day for day in days if day >= group["session"][0]]


@mine
def test_nothing_known_gives_no_rows(table: str) -> None:
    assert compute_features(table, NONE, pit_frames.days(last=dt.date(2014, 2, 3))).is_empty()
