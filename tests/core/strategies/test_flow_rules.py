"""Rules about flows, stocks and positions give the numbers worked out by hand in their specification."""

from __future__ import annotations

import datetime as dt
import math

import polars as pl
import pytest

from qgtm_core.strategies.evaluate import evaluate
from qgtm_core.strategies.registry import REGISTRY
from qgtm_core.types import StrategyStatus
from tests.core.strategies.strategy_frames import asked, features_of, panel_of

MINE = {
    "etf_flow_pm": (28, "daily", 15, 272, "Med", {"k": 20, "win": 252, "q_derived": 0.6}),
    "gold_etf_flow": (29, "daily", 10, 257, "Med", {"k": 5, "win": 252, "dead": 1.5, "full": 3.0, "q": 0.8}),
    "cot_precious": (30, "weekly", 15, 156, "Med", {"win_w": 156, "dead": 1.0, "full": 2.5, "q_backlog": 0.5}),
    "hedging_pressure": (
        31, "monthly, first week", 60, 104, "Med", {"mean_w": 52, "full": 1.5, "min_metals": 3},
    ),
    "sge_withdrawals": (32, "monthly", 40, 48, "Low", {"win_m": 36, "q": 0.6}),
    # 60 months of coins; 64 bars of the price
    "gold_mint_sales": (
        33, "monthly", 40, 64, "Low",
        {"win_m": 60, "ret_days": 63, "ret_full": 0.10, "cap": 0.6, "floor_oz": 1000, "q": 0.5},
    ),
    "gold_sge_premium": (34, "daily", 15, 252, "Low", {"smooth": 5, "win": 252, "q": 0.7}),
    "gold_comex_squeeze": (
        35, "daily", 15, 273, "Med", {"k": 20, "win": 252, "w": [0.6, 0.4], "x_min": 1.0, "full": 2.5, "lot": 100},
    ),
    "silver_comex_squeeze": (
        36, "daily", 15, 273, "Med",
        {"k": 20, "win": 252, "w": [0.5, 0.3, 0.2], "x_min": 1.25, "full": 2.5, "lot": 5000},
    ),
    "gold_lbma_fix_anomaly": (37, "daily", 5, 21, "Med", {"win": 20, "t_full": 3.0, "cap": 0.5, "q": 0.5}),
    "comex_warehouse": (57, "weekly", 40, 312, "Low", {"k": 60, "win": 252, "cap": 0.5, "q": 0.6}),
    "cot_positioning": (58, "weekly", 20, 156, "Med", {"win_w": 156, "dead": 0.6, "full": 1.0, "q": 0.8}),
    "inventory_surprise": (
        59, "event", 2, 312, "Low", {"years": 5, "z0": 2.0, "w_gld": 0.15, "max_age": 2, "q": 0.5},
    ),
}  # fmt: skip


def near(value: float) -> object:
    return pytest.approx(value, abs=5e-4)


def opinions(strategy_id: str, **columns: list[object]) -> pl.DataFrame:
    strategy = REGISTRY[strategy_id]
    return strategy.rule(panel_of(strategy, columns), strategy.params)


def by_symbol(strategy_id: str, **columns: list[object]) -> dict[str, float]:
    """Scores by symbol; the columns are given in the order of the strategy's legs, which is that of the symbols."""
    return dict(zip(sorted(REGISTRY[strategy_id].symbols), opinions(strategy_id, **columns)["score"], strict=True))


@pytest.mark.parametrize("key", MINE)
def test_declarations_are_those_of_the_registry_of_the_specification(key: str) -> None:
    strategy, (number, cadence, horizon, warmup, capacity, params) = REGISTRY[key], MINE[key]
    assert (strategy.number, strategy.cadence.value, strategy.horizon_sessions) == (number, cadence, horizon)
    assert (strategy.warmup, strategy.capacity) == (warmup, capacity)
    assert {name: strategy.params[name] for name in params} == params
    assert strategy.formula
    assert all(item.data for item in strategy.inputs)


def test_etf_flow_follows_the_flow_of_a_month() -> None:
    z = (math.log(930 / 912) - 0.001) / 0.012
    out = opinions("etf_flow_pm", flow_20_z_252=[z, -9.0, 0.0, None], derived=[False, True, False, None])
    assert out["score"].to_list() == [near(0.7727), -1.0, 0.0, None]
    assert out["quality"].to_list()[:3] == [1.0, 0.6, 1.0]


@pytest.mark.parametrize(("z", "score"), [((0.024 - 0.0005) / 0.007, -1.0), (2.0, -0.3333), (-2.0, 0.3333), (1.4, 0.0)])
def test_gold_etf_flow_fades_extremes_of_a_week(z: float, score: float) -> None:
    out = opinions("gold_etf_flow", issuer_flow_5_z_252=[z])
    assert out["score"][0] == near(score)
    assert out["quality"][0] == 0.8


def test_gold_etf_flow_is_quarantined_unless_the_dead_are_asked_for() -> None:
    strategy, days = REGISTRY["gold_etf_flow"], asked(dt.date(2024, 6, 28))
    features = features_of(strategy, dt.date(2024, 6, 28))
    assert strategy.status is StrategyStatus.DEAD
    assert evaluate(strategy, features, days)["reason"].to_list() == ["QUARANTINED"]
    assert evaluate(strategy, features, days, include_quarantined=True)["status"].to_list() == ["OK"]


def test_hedging_pressure_compares_the_metals_with_each_other() -> None:
    scores = by_symbol("hedging_pressure", hedging_pressure_mean_52=[0.28, -0.05, 0.10, 0.22])
    assert scores == {"GLD": near(0.6521), "SLV": near(0.3775), "PPLT": near(-0.1716), "PALL": near(-0.8580)}


def test_hedging_pressure_of_three_metals_leaves_the_fourth_out() -> None:
    scores = by_symbol("hedging_pressure", hedging_pressure_mean_52=[0.3, None, 0.1, 0.2])
    assert scores == {"GLD": near(1 / 1.5), "SLV": near(0.0), "PPLT": near(-1 / 1.5), "PALL": None}


@pytest.mark.parametrize("pressure", [[0.3, None, None, 0.2], [0.1, 0.1, 0.1, 0.1]])
def test_hedging_pressure_is_silent_for_two_metals_and_without_differences(pressure: list[object]) -> None:
    assert opinions("hedging_pressure", hedging_pressure_mean_52=pressure)["score"].to_list() == [None] * 4


def test_sge_withdrawals_follow_the_growth_of_the_load_out() -> None:
    out = opinions("sge_withdrawals", withdrawals_growth_12_z_36=[(math.log(145 / 120) - 0.02) / 0.18])
    assert out["score"][0] == near(0.4701)
    assert out["quality"][0] == 0.6


@pytest.mark.parametrize(("ret", "score"), [(-0.06, 0.2700), (0.12, -0.4500)])
def test_mint_sales_are_bargain_hunting_after_a_fall_and_euphoria_after_a_rise(ret: float, score: float) -> None:
    out = opinions("gold_mint_sales", mint_excess_over_sd_60=[1.5], gld_log_return_63=[ret])
    assert out["score"][0] == near(score)
    assert out["quality"][0] == 0.5


def test_sge_premium_follows_the_smoothed_premium() -> None:
    out = opinions("gold_sge_premium", shanghai_premium_mean_5_z_252=[(0.0075 - 0.002) / 0.004])
    assert out["score"][0] == near(0.6875)
    assert out["quality"][0] == 0.7


@pytest.mark.parametrize(("zc", "zd", "score"), [(1.8, 1.2, 0.6240), (0.9, 0.9, 0.0), (-3.0, -3.0, 0.0)])
def test_gold_squeeze_is_long_beyond_its_threshold_and_else_flat(zc: float, zd: float, score: float) -> None:
    out = opinions("gold_comex_squeeze", coverage_z_252=[-zc], registered_flow_20_z_252=[-zd], weekly_interest=[False])
    assert out["score"][0] == near(score)


@pytest.mark.parametrize(("strategy_id", "weekly", "quality"), [
    ("gold_comex_squeeze", False, 1.0),
    ("gold_comex_squeeze", True, 0.6),
    ("silver_comex_squeeze", False, 1.0),
    ("silver_comex_squeeze", True, 0.6),
])  # fmt: skip
def test_a_squeeze_is_less_sure_with_the_weekly_open_interest(strategy_id: str, weekly: bool, quality: float) -> None:
    columns = {"coverage_z_252": [-2.0], "registered_flow_20_z_252": [-2.0], "weekly_interest": [weekly]}
    lease = {"lease_z_252": [1.0]} if strategy_id == "silver_comex_squeeze" else {}
    assert opinions(strategy_id, **columns, **lease)["quality"][0] == quality


@pytest.mark.parametrize(("zb", "score", "quality"), [(1.5, 0.6400, 1.0), (None, 0.6500, 0.8)])
def test_silver_squeeze_reads_the_lease_rate_where_there_is_a_curve(
    zb: float | None, score: float, quality: float
) -> None:
    out = opinions(
        "silver_comex_squeeze",
        coverage_z_252=[-2.0],
        registered_flow_20_z_252=[-1.0],
        weekly_interest=[False],
        lease_z_252=[zb],
    )
    assert out["score"][0] == near(score)
    assert out["quality"][0] == quality


def test_silver_squeeze_needs_more_than_gold() -> None:
    columns = {"coverage_z_252": [-1.1], "registered_flow_20_z_252": [-1.1], "weekly_interest": [False]}
    assert opinions("gold_comex_squeeze", **columns)["score"][0] == near(0.44)
    assert opinions("silver_comex_squeeze", **columns, lease_z_252=[1.1])["score"][0] == 0.0


def test_the_fix_anomaly_leans_against_the_auctions() -> None:
    out = opinions("gold_lbma_fix_anomaly", am_to_pm_t_20=[-0.0004 / (0.0030 / math.sqrt(20))])
    assert out["score"][0] == near(0.0994)
    assert out["quality"][0] == 0.5


def test_comex_warehouse_is_long_while_stocks_fall_and_short_while_they_rise() -> None:
    z = (-0.08 + 0.005) / 0.04
    out = opinions("comex_warehouse", total_flow_60_z_252=[z, -z])
    assert out["score"].to_list() == [near(0.4688), near(-0.4688)]
    assert out["quality"][0] == 0.6


def test_cot_positioning_goes_with_the_commercials_at_their_extremes() -> None:
    out = opinions("cot_positioning", commercial_index_156=[90.0, 45.0])
    assert out["score"].to_list() == [near(0.5), 0.0]
    assert opinions("cot_positioning", commercial_index_156=[100.0, 0.0])["score"].to_list() == [1.0, -1.0]
    assert out["quality"][0] == 0.8


def test_an_inventory_surprise_moves_oil_and_a_little_gold() -> None:
    s = (-4.5 + 1.2) / 3.1
    scores = by_symbol("inventory_surprise", crude_surprise=[s, s], crude_age=[0, 0])
    assert scores == {"USO": near(0.5323), "GLD": near(0.0798)}


@pytest.mark.parametrize(("age", "reason"), [(0, None), (2, None), (3, "OUT_OF_WINDOW")])
def test_an_inventory_surprise_is_old_after_two_sessions(age: int, reason: str | None) -> None:
    out = opinions("inventory_surprise", crude_surprise=[1.0, 1.0], crude_age=[age, age])
    assert out["reason"].to_list() == [reason, reason]


def test_a_lease_rate_that_is_not_known_does_not_silence_the_silver_squeeze() -> None:
    strategy, day = REGISTRY["silver_comex_squeeze"], dt.date(2024, 6, 28)
    features = features_of(strategy, day)
    blank = features["inventory"].with_columns(lease_z_252=pl.lit(None, pl.Float64))
    signals = evaluate(strategy, {**features, "inventory": blank}, asked(day))
    assert signals["status"].to_list() == ["OK"]


@pytest.mark.parametrize("key", sorted(set(MINE) - {"inventory_surprise"}))
def test_every_one_says_how_it_differs_from_its_neighbours(key: str) -> None:
    assert REGISTRY[key].differs
    assert key not in REGISTRY[key].differs
