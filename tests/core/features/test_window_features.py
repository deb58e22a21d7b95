"""Fair value, residuals, royalties, margin, premium and formations against slow computations, and point in time."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm
from polars.testing import assert_frame_equal

from qgtm_core.features.margin import Filed, usable_filings
from qgtm_core.features.registry import compute_features
from qgtm_core.features.windows import LEG_KEY, newest_known, pieces, price_legs
from qgtm_core.pit import segments
from qgtm_core.schemas.features import FEATURE_TABLES
from tests.core import pit_frames
from tests.core.features.window_frames import (
    CHECKED,
    TABLES,
    check,
    common,
    computed,
    filings,
    garbage,
    half_life,
    known,
    prices,
    row,
    statistic,
    tables,
    z,
)


@pytest.mark.parametrize("session", CHECKED)
def test_the_fair_value_agrees_with_statsmodels(session):
    real = known("macro", session, "value", series_id="DFII10")
    days, (gold, dollar, yields) = common(prices(session, "GLD"), prices(session, "UUP"), real)
    got = row("fair_value", session)
    assert got["gold_fair_obs"] == len(days)
    if len(days) < 504:
        assert got["gold_fair_z_504"] is None
        return
    x = sm.add_constant(np.column_stack([yields, np.log(dollar)])[-504:])
    fit = sm.OLS(np.log(gold)[-504:], x).fit()
    want = {
        "gold_fair_z_504": fit.resid[-1] / fit.resid.std(ddof=1),
        "gold_fair_r2_504": fit.rsquared,
        "gold_fair_yield_slope_504": fit.params[1],
        "gold_fair_dollar_slope_504": fit.params[2],
        "gold_fair_half_life_504": half_life(fit.resid),
        "gold_fair_adf_504": statistic(fit.resid),
    }
    check(got, want)


@pytest.mark.parametrize("session", CHECKED)
def test_the_residuals_agree_with_statsmodels(session):
    days, (gold, miners) = common(prices(session, "GLD"), prices(session, "GDX"))
    fit = sm.OLS(np.log(miners)[-252:], sm.add_constant(np.log(gold)[-252:])).fit()
    _, (metal, platinum) = common(prices(session, "GLD"), prices(session, "PPLT"))
    want = {
        "miners_obs": len(days),
        "miners_z_252": fit.resid[-1] / fit.resid.std(ddof=1),
        "miners_slope_252": fit.params[1],
        "miners_r2_252": fit.rsquared,
        "miners_adf_252": statistic(fit.resid),
        "platinum_z_756": z(np.log(metal / platinum)[-756:]) if len(metal) >= 756 else None,
    }
    check(row("residuals", session), want)


@pytest.mark.parametrize("session", CHECKED)
def test_the_royalties_gap_agrees_with_a_plain_loop(session):
    royalties = [prices(session, symbol) for symbol in ("FNV", "WPM", "RGLD")]
    some = {day: 0.0 for day in set().union(*royalties) if sum(day in p for p in royalties) >= 2}
    days, (gold, miners, _) = common(prices(session, "GLD"), prices(session, "GDX"), some)
    rows = []
    for i in range(1, len(days)):
        now, before = days[i], days[i - 1]
        basket = [p[now] / p[before] - 1 for p in royalties if now in p and before in p]
        if len(basket) >= 2:
            rows.append((gold[i] / gold[i - 1] - 1, miners[i] / miners[i - 1] - 1, np.mean(basket)))
    market, other, royal = np.array(rows[-311:]).T
    parts = []
    for values in (royal, other):
        slope, intercept = np.polyfit(market[-252:], values[-252:], 1)
        parts.append(values - intercept - slope * market)
    gap = np.array([(parts[0] - parts[1])[i - 60 : i].sum() for i in range(60, 312)])
    got = row("royalty", session)
    check(got, {"royalty_obs": 1 + len(rows), "royalty_gap_60": gap[-1], "royalty_gap_z_252": z(gap)})


def cost_known(day: dt.date) -> float | None:
    """Cost of a day from the filings its decision knew."""
    rows = tables()["mining_costs"].filter(pl.col("session") <= day)
    newest = {r["symbol"]: r for r in rows.sort("event_date").to_dicts()}
    used = [r for r in newest.values() if (day - r["available_at"].date()).days <= 120]
    total = sum(r["production_koz"] for r in used)
    return sum(r["production_koz"] * r["aisc_usd_per_oz"] for r in used) / total if len(used) >= 2 else None


@pytest.mark.parametrize("session", CHECKED)
def test_the_margin_agrees_with_statsmodels(session):
    fix = known("fixes", session, "usd_per_oz", metal="gold", fix="PM")
    days, (gold, miners, price) = common(prices(session, "GLD"), prices(session, "GDX"), fix)
    cost = [cost_known(day) for day in days]
    usable = np.array([c is not None for c in cost])
    margin = np.array([1 - c / p for c, p in zip(cost, price, strict=True) if c is not None])
    want: dict[str, float | None] = {"margin_obs": len(margin), "margin": margin[-1]}
    if len(margin) >= 756:
        ratio = np.log(miners / gold)[usable]
        fit = sm.OLS(ratio[-756:], sm.add_constant(np.log(margin)[-756:])).fit()
        want |= {"margin_z_756": fit.resid[-1] / fit.resid.std(ddof=1), "margin_r2_756": fit.rsquared}
    got = row("margin", session)
    check(got, want)
    newest = tables()["mining_costs"].filter(pl.col("session") <= session)
    second = sorted(newest.group_by("symbol").agg(pl.col("available_at").max())["available_at"])[-2]
    assert (got["costs_obs"], got["costs_available_at"]) == (3, second)
    assert got["cost_age_days"] == (session - second.date()).days


@pytest.mark.parametrize("session", CHECKED)
def test_the_premium_agrees_with_a_plain_loop(session):
    _, (close, nav) = common(prices(session, "PHYS", "close"), known("flows", session, "nav_usd", symbol="PHYS"))
    premium = close / nav - 1
    check(row("premium", session), {"premium": premium[-1], "premium_z_252": z(premium[-252:])})


def test_costs_are_weighed_by_production():
    rows = usable_filings(filings([("A", 0, 1450.0, 1500.0), ("B", 0, 1275.0, 900.0)]))
    filed = Filed.by(rows, np.array(["2013-11-20"], dtype="M8[D]"))
    assert filed.cost().tolist() == pytest.approx([1384.375])
    assert (2400 - filed.cost()[0]) / 2400 == pytest.approx(0.4232, abs=5e-4)


def test_a_cost_needs_two_issuers_whose_filings_are_not_too_old():
    rows = usable_filings(filings([("A", 0, 1000.0, 1.0), ("B", 1, 1200.0, 1.0), ("A", 1, 1100.0, 1.0)]))
    filed = rows.group_by("symbol", maintain_order=True).agg("filed_on")
    assert filed["filed_on"].to_list() == [[dt.date(2013, 11, 10), dt.date(2014, 2, 10)], [dt.date(2014, 2, 11)]]
    days = np.array(["2013-11-12", "2014-02-10", "2014-02-11", "2014-06-10", "2014-06-11"], dtype="M8[D]")
    cost = Filed.by(rows, days).cost()
    assert cost.tolist() == pytest.approx([np.nan, np.nan, 1150.0, 1150.0, np.nan], nan_ok=True)


def test_an_older_quarter_filed_late_changes_nothing_and_a_corrected_one_does():
    rows = filings([("A", 1, 1000.0, 1.0), ("A", 0, 5000.0, 1.0), ("A", 1, 1100.0, 1.0)])
    rows = rows.with_columns(
        pl.Series("revision", [0, 0, 1], dtype=pl.Int32),
        available_at=pl.col("available_at").max() + pl.duration(days=pl.int_range(3)),
    )
    assert usable_filings(rows)["aisc_usd_per_oz"].to_list() == [1000.0, 1100.0]


def test_a_price_below_cost_has_no_logarithm_and_no_opinion():
    dear = tables()["mining_costs"].with_columns(aisc_usd_per_oz=pl.col("aisc_usd_per_oz") * 9)
    days = pit_frames.days(dt.date(2017, 3, 20), dt.date(2017, 3, 30))
    rows = compute_features("margin", {**tables(), "mining_costs": dear}, days)
    assert (rows["margin"] < 0).all()
    assert rows["margin_z_756"].null_count() == rows.height


@pytest.mark.parametrize("table", TABLES)
def test_without_its_sources_a_table_is_empty(table):
    assert compute_features(table, {}, pit_frames.days()).equals(FEATURE_TABLES[table].empty())


@pytest.mark.parametrize("cut", [dt.date(2015, 7, 6), dt.date(2016, 11, 25), dt.date(2017, 3, 1)])
@pytest.mark.parametrize("table", TABLES)
def test_later_rows_change_nothing(table, cut):
    want = computed(table).filter(pl.col("session") <= cut)
    cut_off = {name: frame.filter(pl.col("session") <= cut) for name, frame in tables().items()}
    assert_frame_equal(compute_features(table, cut_off, pit_frames.days(last=cut)), want, check_exact=True)
    one = compute_features(table, cut_off, pit_frames.days(cut, cut))
    assert_frame_equal(one, want.filter(pl.col("session") == cut), check_exact=True)
    spoiled = {name: garbage(frame, cut) for name, frame in tables().items()}
    got = compute_features(table, spoiled, pit_frames.days()).filter(pl.col("session") <= cut)
    assert_frame_equal(got, want, check_exact=True)


@pytest.mark.parametrize("table", TABLES)
def test_a_range_equals_its_sessions_computed_one_at_a_time_whatever_the_order_of_rows(table):
    days = pit_frames.days(dt.date(2017, 2, 20), dt.date(2017, 3, 15))
    shuffled = {name: frame.sample(fraction=1.0, shuffle=True, seed=3) for name, frame in tables().items()}
    want = computed(table).filter(pl.col("session").is_between(days["session"][0], days["session"][-1]))
    assert_frame_equal(compute_features(table, shuffled, days), want, check_exact=True)
    one_by_one = [compute_features(table, tables(), days.slice(i, 1)) for i in range(days.height)]
    assert_frame_equal(pl.concat(one_by_one), want, check_exact=True)


@pytest.mark.parametrize("table", TABLES)
def test_every_session_has_a_row_that_was_known_from_the_first_one_on(table):
    rows = computed(table)
    FEATURE_TABLES[table].require_valid(rows)
    days = pit_frames.days()
    for group in rows.partition_by("pair") if "pair" in rows.columns else [rows]:
        assert group["session"].to_list() == [d for d in days["session"] if d >= group["session"][0]]
    stamped = rows.join(days, on="session")
    for name in [n for n in rows.columns if n.endswith("available_at")]:
        assert (stamped[name].drop_nulls() <= stamped.filter(pl.col(name).is_not_null())["decided_at"]).all()


def test_a_royalty_whose_bar_comes_a_session_late_joins_the_basket_when_it_comes():
    day = dt.date(2016, 9, 14)
    late = (pl.col("symbol") == "FNV") & (pl.col("event_date") == day)
    bars = pit_frames.prices(9, ("GLD", "GDX", "FNV", "WPM", "RGLD"))
    bars = bars.with_columns(
        available_at=pl.when(late).then(pl.col("available_at") + pl.duration(days=1)).otherwise("available_at")
    )
    source = {"prices": pit_frames.complete("prices", bars)}
    days = pit_frames.days(dt.date(2016, 9, 13), dt.date(2016, 9, 19))
    whole = compute_features("royalty", source, days)
    one_by_one = [compute_features("royalty", source, days.slice(i, 1)) for i in range(days.height)]
    assert_frame_equal(whole, pl.concat(one_by_one), check_exact=True)


def test_what_was_known_before_a_segment_counts_as_known_at_its_start():
    known, days = (np.array(d, dtype="M8[D]") for d in (["2016-01-04", "2016-03-01", "2016-02-01"], ["2016-02-15"]))
    assert newest_known(known[:1], days).tolist() == [0]
    assert newest_known(known, np.array(["2016-03-01", "2016-03-02"], dtype="M8[D]")).tolist() == [2, 2]
    assert newest_known(known, np.array(["2016-01-01", "2016-01-04"], dtype="M8[D]")).tolist() == [-1, 0]


@pytest.mark.parametrize("first", [dt.date(2014, 1, 2), dt.date(2015, 6, 1), dt.date(2016, 9, 1)])
def test_history_is_cut_where_the_general_cut_is_and_shows_the_same(first):
    rows = price_legs(tables(), ("GLD", "GDX", "NEM"))
    for last in (dt.date(2017, 3, 30), max(rows["session"].filter(rows["revision"] > 0))):
        days = pit_frames.days(first, last).select("session")
        want = list(segments(rows, LEG_KEY, days))
        got = list(pieces(rows, days))
        assert len(got) == len(want) > 1
        for (some, view), (same, expected) in zip(got, want, strict=True):
            assert_frame_equal(some, same)
            assert_frame_equal(view, expected)
