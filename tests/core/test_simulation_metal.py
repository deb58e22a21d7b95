"""Physical metal, money and closed-end trusts of the simulated market: plausible, in time and deep enough."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache

import polars as pl
import pytest

from qgtm_core import festivals
from qgtm_core.simulation.market import Market
from qgtm_core.simulation.tables import BUILDERS
from qgtm_core.simulation.world import FOUNDERS, SYMBOLS
from qgtm_core.universe import INSTRUMENTS

ORIGIN = dt.date(2014, 1, 2)
LAST = dt.date(2021, 6, 30)
DAY = pl.col("event_date")


@lru_cache(maxsize=32)
def table(name: str) -> pl.DataFrame:
    return BUILDERS[name](Market(7, ORIGIN, LAST))


def series(name: str) -> pl.DataFrame:
    return table("macro").filter(series_id=name, revision=0).sort("event_date")


def test_instruments_that_came_later_leave_the_market_of_the_others_as_it_was() -> None:
    assert set(SYMBOLS) == set(INSTRUMENTS)
    assert SYMBOLS[: len(FOUNDERS)] == FOUNDERS
    closes = table("bars_daily").filter(dt.date(2020, 3, 16) == DAY).select("symbol", "close")
    found = dict(closes.iter_rows())
    golden = {"GLD": 119.6769, "SLV": 20.9493, "NEM": 23.1555, "USO": 144.8814, "VIX": 12.28}
    assert {symbol: found[symbol] for symbol in golden} == golden


@pytest.mark.parametrize("symbol", ["PHYS", "PSLV"])
def test_a_closed_end_trust_trades_at_a_premium_to_its_metal_that_comes_back(symbol: str) -> None:
    nav = table("etf_holdings").filter(symbol=symbol).select("event_date", "nav_usd", "premium_pct")
    both = (
        table("bars_daily")
        .filter(symbol=symbol)
        .join(nav, on="event_date")
        .with_columns(over=100.0 * (pl.col("close") / pl.col("nav_usd") - 1.0))
    )
    assert both.select((pl.col("over") - pl.col("premium_pct")).abs().max()).item() < 0.02  # rounding of cents
    assert -2.5 < both["over"].mean() < 0.5
    assert 0.3 < both["over"].std() < 1.5
    assert 0.85 < both.select(pl.corr("over", pl.col("over").shift(1))).item() < 0.999


def test_every_trust_of_the_specification_states_its_metal() -> None:
    rows = table("etf_holdings")
    assert {"GLD", "SLV", "IAU", "PPLT", "PALL", "PHYS"} <= set(rows["symbol"])
    for name in ("tonnes", "ounces", "shares_outstanding", "nav_usd"):
        assert rows[name].null_count() == 0


def test_the_balance_sheet_is_of_wednesdays_and_says_in_which_unit_it_is() -> None:
    for name in ("WALCL", "WTREGEN"):
        rows = series(name)
        assert rows["event_date"].dt.weekday().unique().to_list() == [3]
        assert rows["unit"].unique().to_list() == ["Millions of U.S. Dollars"]
        assert (rows["event_date"].diff().drop_nulls() == dt.timedelta(days=7)).all()
    assert series("RRPONTSYD")["unit"].unique().to_list() == ["Billions of US Dollars"]


def test_liquidity_in_one_unit_is_positive_and_moves() -> None:
    wide = (
        series("WALCL")
        .select("event_date", assets="value")
        .join(series("WTREGEN").select("event_date", account="value"), on="event_date")
    )
    repo = series("RRPONTSYD").select("event_date", repo="value")
    net = wide.join_asof(repo, on="event_date").drop_nulls()
    level = net.select(pl.col("assets") / 1000 - pl.col("account") / 1000 - pl.col("repo")).to_series()
    assert level.min() > 2000
    assert level.pct_change(13).drop_nulls().std() > 0.01


def test_overnight_money_costs_about_the_policy_rate() -> None:
    rates = (
        series("SOFR")
        .select("event_date", sofr="value")
        .join(series("DFF").select("event_date", funds="value"), on="event_date")
    )
    assert rates.select((pl.col("sofr") - pl.col("funds")).abs().max()).item() < 0.15


def test_the_slope_of_the_vix_turns_over_in_stress_and_not_in_calm() -> None:
    both = (
        series("VIXCLS")
        .select("event_date", near="value")
        .join(series("VXVCLS").select("event_date", far="value"), on="event_date")
    )
    share = both.select((pl.col("near") > pl.col("far")).mean()).item()
    assert 0.1 < share < 0.5
    assert both.select(pl.corr("near", pl.col("near") / pl.col("far"))).item() > 0.5


@pytest.mark.parametrize(
    ("name", "months"), [("sge_withdrawals", 60), ("us_mint", 72), ("cb_gold_flows", 72), ("cb_gold_reserves", 20)]
)
def test_monthly_series_reach_back_far_enough(name: str, months: int) -> None:
    assert table(name)["event_date"].n_unique() >= months


def test_shanghai_trades_near_london_and_rests_on_its_holidays() -> None:
    london = table("lbma_fix").filter(metal="gold", fix="AM").select("event_date", "usd_per_oz")
    both = table("sge_benchmark").join(london, on="event_date").join(table("fx"), on="event_date")
    over = both.select(pl.col("pm_cny_per_g") * 31.1034768 / pl.col("rate") / pl.col("usd_per_oz") - 1.0).to_series()
    assert both.height == table("sge_benchmark").height
    assert -0.005 < over.mean() < 0.01
    assert over.abs().max() < 0.03
    closed = [*festivals.FESTIVALS["lunar_new_year"], dt.date(2019, 10, 1)]
    assert table("sge_benchmark").filter(DAY.is_in(closed)).is_empty()


def test_coins_sell_best_in_january() -> None:
    monthly = table("us_mint").group_by(DAY.dt.month().alias("month")).agg(pl.col("gold_oz").mean())
    assert monthly.sort("gold_oz")["month"][-1] == 1


def test_central_banks_buy_on_the_whole_but_not_always() -> None:
    flows = table("cb_gold_flows")["net_tonnes"]
    assert flows.mean() > 10
    assert 0 < (flows < 0).mean() < 0.4


def test_miners_report_within_seven_weeks_and_their_costs_leave_a_margin() -> None:
    rows = table("mining_costs").filter(dt.date(2014, 12, 31) <= DAY)
    after = rows.select((pl.col("available_at").dt.date() - DAY).dt.total_days()).to_series()
    assert after.min() >= 24
    assert after.max() <= 48
    gap = rows.sort("available_at").select(pl.col("available_at").diff().over("symbol")).to_series().max()
    assert gap < dt.timedelta(days=120)
    gold = table("lbma_fix").filter(metal="gold", fix="PM").select("event_date", "usd_per_oz").sort("event_date")
    margin = rows.sort("event_date").join_asof(gold, on="event_date")
    assert (
        margin.select(((pl.col("usd_per_oz") - pl.col("aisc_usd_per_oz")) / pl.col("usd_per_oz")).min()).item() > 0.05
    )


def test_crude_stocks_are_of_fridays_and_known_in_the_week_after() -> None:
    rows = table("eia_weekly")
    assert rows["event_date"].dt.weekday().unique().to_list() == [5]
    after = rows.select((pl.col("available_at").dt.date() - DAY).dt.total_days()).to_series()
    assert set(after) == {5, 6}


def test_gold_and_silver_are_sometimes_dearer_now_than_later_and_mostly_not() -> None:
    dated = table("futures").filter(series="simulated_contract_daily")
    wide = dated.sort("event_date").pivot("contract_rank", index=["root", "event_date"], values="close")
    dearer = (
        (pl.col("1") > pl.col("2") * 1.0005).rolling_min(3).over("root", order_by="event_date")
    )  # three days on end
    share = dict(wide.with_columns(dearer=dearer).group_by("root").agg(pl.col("dearer").mean()).iter_rows())
    for root in ("GC", "SI"):
        assert 0.005 < share[root] < 0.2


def test_two_nearbies_with_ten_days_to_first_notice_can_be_had_every_session() -> None:
    dated = table("futures").filter(series="simulated_contract_daily")
    notice = pl.col("expiry_month").dt.offset_by("-4d")  # at the earliest
    usable = dated.filter((notice - DAY).dt.total_days() >= 10).group_by("root", "event_date").len()
    assert usable.height == 4 * dated["event_date"].n_unique()
    assert usable["len"].min() == 3


def test_a_rolled_contract_has_a_price_on_the_day_before_it_takes_its_place() -> None:
    dated = table("futures").filter(series="simulated_contract_daily").sort("event_date")
    first, second = (dated.filter(contract_rank=rank) for rank in (1, 2))
    before = pl.concat([first, second]).select("root", "contract", yesterday="event_date")
    previous = first.with_columns(yesterday=DAY.shift(1).over("root", order_by="event_date")).drop_nulls("yesterday")
    assert previous.join(before, on=["root", "contract", "yesterday"], how="anti").is_empty()


def test_exchange_stocks_and_open_interest_are_there_every_session() -> None:
    sessions = table("futures")["event_date"].n_unique()
    stocks = table("comex_stocks").filter(depository="ALL")
    for category in ("total_registered", "total_eligible", "combined_total"):
        for metal in ("gold", "silver"):
            assert stocks.filter(category=category, metal=metal).height == sessions
    whole = table("comex_volume_oi").filter(pl.col("expiry_month").is_null())
    assert whole.group_by("root").len().sort("root").rows() == [("GC", sessions), ("SI", sessions)]


@pytest.mark.parametrize("category", ["FOMC_DECISION", "CPI", "NFP"])
def test_events_have_two_dozen_outcomes_and_known_dates_for_five_weeks(category: str) -> None:
    rows = table("event_calendar").filter(category=category)
    assert rows.filter(stage="outcome").height >= 24
    decision = dt.datetime.combine(LAST, dt.time(19, 30), tzinfo=dt.UTC)
    known = rows.filter(pl.col("stage") == "schedule", pl.col("available_at") <= decision)
    assert known["event_at"].max() > decision + dt.timedelta(days=35)
