"""The simulated market: the same for everyone, never revised by time alone, and consistent within itself."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from qgtm_core import calendar
from qgtm_core.errors import ConfigError
from qgtm_core.schemas.raw import RAW_TABLES
from qgtm_core.simulation import market as market_module
from qgtm_core.simulation.market import Market, at_day, finish, origin_for
from qgtm_core.simulation.options import black_scholes
from qgtm_core.simulation.positioning import trend
from qgtm_core.simulation.prices import paths
from qgtm_core.simulation.randomness import autoregress, ewma, normals
from qgtm_core.simulation.tables import BUILDERS
from qgtm_core.simulation.world import CALM, STRESS, simulate
from qgtm_core.universe import INSTRUMENTS

ORIGIN = dt.date(2014, 1, 2)
LAST = dt.date(2015, 9, 30)
FOREVER = calendar.last_known_session()


@lru_cache(maxsize=4)
def market(seed: int = 7, last: dt.date = LAST) -> Market:
    return Market(seed, ORIGIN, last)


@lru_cache(maxsize=64)
def table(name: str, seed: int = 7, last: dt.date = LAST) -> pl.DataFrame:
    return BUILDERS[name](market(seed, last))


TABLES = pytest.mark.parametrize("name", sorted(BUILDERS))


def test_every_raw_table_has_a_builder_but_the_one_that_needs_a_licence() -> None:
    assert set(BUILDERS) == set(RAW_TABLES) - {"licensed_fix"}


@TABLES
def test_a_table_is_in_its_declared_schema_and_range_and_has_rows(name: str) -> None:
    declared = RAW_TABLES[name]
    rows = declared.require_valid(table(name))
    assert not rows.is_empty()
    for column, spec in declared.columns.items():
        if spec.low is not None:
            assert rows.filter(pl.col(column) < spec.low).is_empty(), column
        if spec.high is not None:
            assert rows.filter(pl.col(column) > spec.high).is_empty(), column


@TABLES
def test_a_row_belongs_to_the_first_session_whose_decision_can_see_it(name: str) -> None:
    rows = table(name)
    expected = calendar.with_session(rows.drop("session"))["session"]
    assert rows["session"].to_list() == expected.to_list()


@TABLES
def test_nothing_is_known_before_it_has_happened(name: str) -> None:
    rows = table(name)
    if name == "seasonal_calendar":
        return  # known ahead
    if "stage" in rows.columns:
        rows = rows.filter(pl.col("stage") == "outcome")
    assert rows.filter(pl.col("available_at") < pl.col("event_at")).is_empty()


@TABLES
def test_every_row_says_that_it_is_simulated(name: str) -> None:
    assert table(name)["source"].unique().to_list() == ["simulated"]


@TABLES
def test_the_same_seed_gives_the_same_rows(name: str) -> None:
    assert_frame_equal(BUILDERS[name](Market(7, ORIGIN, LAST)), table(name))


@TABLES
@pytest.mark.parametrize("later", [dt.date(2015, 10, 1), dt.date(2016, 2, 12)])
def test_a_later_last_session_changes_no_row_that_was_known(name: str, later: dt.date) -> None:
    known = pl.col("session") <= LAST
    assert_frame_equal(table(name, last=later).filter(known), table(name).filter(known))


def test_another_seed_is_another_market() -> None:
    ours, theirs = table("bars_daily"), table("bars_daily", seed=8)
    assert ours.filter(symbol="GLD")["close"].to_list() != theirs.filter(symbol="GLD")["close"].to_list()


def test_real_yield_and_breakeven_add_up_to_the_nominal_yield() -> None:
    wide = (
        table("macro")
        .filter(pl.col("series_id").is_in(["DGS10", "T10YIE", "DFII10", "DGS2", "T10Y2Y"]))
        .pivot("series_id", index="event_date", values="value")
    )
    assert (wide["DGS10"] - wide["T10YIE"] - wide["DFII10"]).abs().max() < 1e-9
    assert (wide["DGS10"] - wide["DGS2"] - wide["T10Y2Y"]).abs().max() < 1e-9


@pytest.mark.parametrize("series", ["DTWEXBGS", "CPIAUCSL", "UNRATE", "INDPRO", "PCEPILFE"])
def test_a_revision_is_known_only_after_the_value_it_revises(series: str) -> None:
    rows = table("macro", last=dt.date(2016, 2, 12)).filter(series_id=series)
    first, second = (rows.filter(revision=r).select("event_date", "available_at", "value") for r in (0, 1))
    both = first.join(second, on="event_date", suffix="_revised")
    assert not both.is_empty()
    assert both.filter(pl.col("available_at_revised") <= pl.col("available_at")).is_empty()
    assert both.filter(pl.col("value_revised") != pl.col("value")).height > both.height / 4  # rounding hides some


def test_both_sides_of_a_positioning_report_add_up_to_open_interest() -> None:
    legs = ("managed_money", "producer", "swap", "other", "nonreportable")
    spreads = [pl.col(name) for name in ("managed_money_spread", "swap_spread", "other_spread")]
    rows = table("cot").filter(pl.col("report_type").str.starts_with("disaggregated"))
    for side in ("long", "short"):
        total = pl.sum_horizontal([pl.col(f"{leg}_{side}") for leg in legs] + spreads)
        assert rows.filter(total != pl.col("open_interest")).is_empty()


def test_positions_are_never_negative() -> None:
    counts = [n for n, dtype in table("cot").schema.items() if dtype == pl.Int64]
    assert all((table("cot")[name].min() or 0) >= 0 for name in counts)


def test_some_positioning_reports_come_late_and_none_early() -> None:
    rows = table("cot", last=dt.date(2016, 2, 12)).unique(["event_date"])
    days = rows.select((pl.col("available_at") - pl.col("event_at")).dt.total_days()).to_series()
    assert days.min() == 2  # Tuesday 16:00 to Friday 15:35
    assert (days > 6).any()


def test_speculators_follow_the_trend() -> None:
    rows = table("cot").filter(cftc_code="088691", report_type="disaggregated_futures_only").sort("event_date")
    net = (rows["managed_money_long"] - rows["managed_money_short"]) / rows["open_interest"]
    strength = np.tanh(at_day(market(), trend(market(), "GOLD"), rows["event_date"]))
    assert np.corrcoef(net.to_numpy(), strength)[0, 1] > 0.6


def test_hourly_bars_lie_inside_the_daily_bar_and_end_at_its_close() -> None:
    day = pl.col("event_at").dt.convert_time_zone("America/New_York").dt.date()
    hourly = (
        table("bars_intraday")
        .filter(interval="60m")
        .with_columns(event_date=day)
        .sort("event_at")
        .group_by("symbol", "event_date")
        .agg(
            top=pl.col("high").max(),
            bottom=pl.col("low").min(),
            shares=pl.col("volume").sum(),
            end=pl.col("close").last(),
        )
        .join(table("bars_daily"), on=["symbol", "event_date"])
    )
    outside = (
        (pl.col("top") > pl.col("high")) | (pl.col("bottom") < pl.col("low")) | (pl.col("shares") > pl.col("volume"))
    )
    assert hourly.filter(outside | (pl.col("end") != pl.col("close"))).is_empty()
    assert hourly.height == 5 * market().count


def test_an_early_close_has_three_hourly_bars() -> None:
    day = pl.col("event_at").dt.convert_time_zone("America/New_York").dt.date()
    bars = table("bars_intraday").filter(day == dt.date(2014, 11, 28), symbol="GLD", interval="60m")
    assert bars.height == 3


def test_the_decision_quote_is_on_the_days_path_and_is_not_the_close() -> None:
    bars = table("bars_daily").select("symbol", "event_date", "low", "high", "close")
    both = table("decision_quotes").join(bars, on=["symbol", "event_date"])
    middle = (pl.col("bid") + pl.col("ask")) / 2
    assert both.height == table("decision_quotes").height
    assert both.filter((middle < pl.col("low")) | (middle > pl.col("high"))).is_empty()
    assert both.filter(middle == pl.col("close")).height < both.height / 50
    assert both["basis"].unique().to_list() == ["quote"]


def test_trusts_on_one_metal_move_together_and_miners_more_than_the_metal() -> None:
    bars = table("bars_daily").filter(pl.col("symbol").is_in(["GLD", "IAU", "SGOL", "GDX", "UGL"]))
    wide = bars.with_columns(r=pl.col("close").log().diff().over("symbol", order_by="event_date")).pivot(
        "symbol", index="event_date", values="r"
    )
    wide = wide.drop_nulls()
    assert wide.select(pl.corr("GLD", "IAU")).item() > 0.99
    assert wide.select(pl.corr("GLD", "SGOL")).item() > 0.99
    beta = wide.select(pl.cov("GDX", "GLD") / pl.col("GLD").var()).item()
    assert 1.2 < beta < 2.4
    assert wide.select(pl.cov("UGL", "GLD") / pl.col("GLD").var()).item() == pytest.approx(2.0, abs=0.05)


def test_fear_rises_when_stocks_fall() -> None:
    spy = table("bars_daily").filter(symbol="SPY").select("event_date", r=pl.col("close").pct_change(5))
    vix = table("bars_daily").filter(symbol="VIX").select("event_date", v=pl.col("close").pct_change(5))
    assert spy.join(vix, on="event_date").drop_nulls().select(pl.corr("r", "v")).item() < -0.2


def test_dated_futures_expire_in_order_and_the_front_continues_them() -> None:
    dated = table("futures").filter(series="simulated_contract_daily")
    ordered = dated.sort("root", "event_date", "contract_rank").with_columns(
        later=pl.col("expiry_month").diff().over("root", "event_date")
    )
    assert ordered.filter(pl.col("later") <= pl.duration(days=0)).is_empty()
    assert dated.filter(pl.col("expiry_month") <= pl.col("event_date")).is_empty()
    front = table("futures").filter(series="simulated_continuous_front").select("root", "event_date", "close")
    first = dated.filter(contract_rank=1).select("root", "event_date", "close")
    assert_frame_equal(front.sort("root", "event_date"), first.sort("root", "event_date"))


def test_delivery_months_add_up_to_the_total_of_the_root() -> None:
    rows = table("comex_volume_oi")
    months = (
        rows.filter(pl.col("expiry_month").is_not_null())
        .group_by("root", "event_date")
        .agg(pl.col("open_interest").sum())
    )
    whole = rows.filter(pl.col("expiry_month").is_null()).select("root", "event_date", total="open_interest")
    both = months.join(whole, on=["root", "event_date"])
    assert both.filter(pl.col("open_interest") != pl.col("total")).is_empty()


def test_depositories_add_up_to_the_report_total() -> None:
    rows = table("comex_stocks")
    vaults = rows.filter(category="total").group_by("metal", "event_date").agg(pl.col("total_oz").sum())
    whole = rows.filter(category="combined_total").select("metal", "event_date", whole="total_oz")
    both = vaults.join(whole, on=["metal", "event_date"])
    assert not both.is_empty()
    assert both.select((pl.col("total_oz") - pl.col("whole")).abs().max()).item() < 0.01


def test_option_prices_obey_put_call_parity() -> None:
    price, strike, years, vol = (np.array([v]) for v in (180.0, 175.0, 0.25, 0.16))
    call = black_scholes(price, strike, years, vol, np.array([True]))
    put = black_scholes(price, strike, years, vol, np.array([False]))
    forward = price - strike * np.exp(-0.02 * years)
    assert call[0] - put[0] == pytest.approx(forward)
    assert call[1] - put[1] == pytest.approx(1.0)
    assert call[2] == pytest.approx(put[2])
    assert call[3] == pytest.approx(put[3])


def test_option_quotes_are_of_the_session_they_are_seen_in_and_not_crossed() -> None:
    chain = table("option_chain")
    assert chain.filter(pl.col("bid") > pl.col("ask")).is_empty()
    assert chain.filter(pl.col("event_at").dt.date() != pl.col("session")).is_empty()
    assert chain.filter(pl.col("expiry") < pl.col("session") + pl.duration(days=7)).is_empty()
    assert chain.group_by("session").len()["len"].min() > 20


def test_schedules_carry_no_figures_and_precede_their_outcome() -> None:
    rows = table("event_calendar")
    schedule, outcome = rows.filter(stage="schedule"), rows.filter(stage="outcome")
    assert schedule["actual"].null_count() == schedule.height
    assert outcome["actual"].null_count() == 0
    assert outcome.join(schedule, on=["event", "event_at"], how="anti").is_empty()
    assert schedule["event_at"].max() > outcome["event_at"].max()


def test_policy_moves_in_quarter_points_eight_times_a_year() -> None:
    rows = table("fomc_meetings")
    outcome = rows.filter(stage="outcome")
    assert outcome.filter(pl.col("event_date").dt.year() == 2014).height == 8
    steps = outcome.sort("event_date")["target_rate_upper_pct"].diff().drop_nulls() / 0.25
    assert (steps - steps.round()).abs().max() == 0.0
    assert outcome["target_rate_upper_pct"].min() >= 0.25


def test_headlines_say_simulated() -> None:
    assert table("news")["headline"].str.starts_with("SIMULATED: ").all()


def test_regimes_start_calm_and_every_kind_appears() -> None:
    regime = simulate(7).regime
    assert regime[0] == CALM
    assert set(regime.tolist()) == {0, 1, 2}
    assert (regime == STRESS).mean() < 0.35


def test_markets_have_fixed_origins() -> None:
    assert origin_for(dt.date(2020, 1, 2)) == dt.date(2014, 1, 2)
    assert origin_for(dt.date(2010, 1, 4)) == dt.date(2004, 1, 2)
    assert origin_for(calendar.FIRST_SESSION) == calendar.FIRST_SESSION
    with pytest.raises(ConfigError, match="the simulated market starts on 2000-01-03; 1999-12-31 lies before it"):
        origin_for(dt.date(1999, 12, 31))


def test_a_span_longer_than_the_horizon_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(market_module, "HORIZON", 10)
    with pytest.raises(ConfigError, match="10 sessions; 2015-09-30 lies beyond them"):
        _ = Market(7, ORIGIN, LAST).sessions


def test_the_path_of_a_session_has_nine_positive_points_a_symbol() -> None:
    assert paths(market()).shape == (market().count, len(INSTRUMENTS), 9)
    assert (paths(market()) > 0).all()


def test_recursions_agree_with_their_definition() -> None:
    shocks = normals(1, "check", 50)
    level, mean = 0.0, shocks[0]
    keep = 0.5 ** (1 / 5.0)
    for position, (fast, slow) in enumerate(zip(autoregress(shocks, 0.9), ewma(shocks, 5.0), strict=True)):
        level = 0.9 * level + shocks[position]
        mean = keep * mean + (1 - keep) * shocks[position]
        assert fast == pytest.approx(level)
        assert slow == pytest.approx(mean)


def test_rows_beyond_the_calendar_are_not_knowable_and_left_out() -> None:
    instant = dt.datetime(2099, 1, 1, tzinfo=dt.UTC)
    frame = pl.DataFrame({"event_date": [dt.date(2099, 1, 1)], "event": ["diwali"], "event_at": [instant]})
    assert finish("seasonal_calendar", frame.with_columns(available_at=pl.col("event_at"))).is_empty()
