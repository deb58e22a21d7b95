"""Each rule gives the numbers worked out by hand in its specification."""

from __future__ import annotations

import dataclasses
import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qgtm_core.strategies.evaluate import confidence, evaluate
from qgtm_core.strategies.registry import DAILY, REGISTRY, SHADOW
from tests.core.strategies.strategy_frames import asked, features_of, panel_of

TOLERANCE = 5e-4


def near(value: float) -> object:
    return pytest.approx(value, abs=TOLERANCE)


def opinions(strategy_id: str, **columns: list[object]) -> pl.DataFrame:
    strategy = REGISTRY[strategy_id]
    return strategy.rule(panel_of(strategy, columns), strategy.params)


def sureness(score: float, quality: float) -> float:
    frame = pl.DataFrame({"f": [1.0], "q": [quality], "s": [score]})
    return confidence(*(frame[name].to_numpy() for name in ("f", "q", "s"))).item()


def test_real_rate_gold_is_long_when_real_yields_fall() -> None:
    out = opinions(
        "real_rate_gold",
        real_10y_zchg_5=[-0.5],
        real_10y_zchg_20=[-1.2],
        real_10y_zchg_60=[-0.8],
        real_10y_z_504=[0.6],
    )
    assert out["score"][0] == near(0.3160)
    assert sureness(out["score"][0], out["quality"][0]) == near(0.5212)


def test_dxy_gold_is_long_when_the_dollar_falls_and_the_correlation_holds() -> None:
    out = opinions("dxy_gold", uup_zchg_20=[-1.0], uup_zchg_60=[-1.5], gld_uup_corr_126=[-0.30])
    assert out["score"][0] == near(0.4688)
    assert sureness(out["score"][0], out["quality"][0]) == near(0.4711)
    assert out["reason"][0] is None


@pytest.mark.parametrize(("correlation", "reason"), [(-0.0999, "GATE"), (-0.1, None), (0.5, "GATE")])
def test_dxy_gold_is_gated_by_a_correlation_above_minus_a_tenth(correlation: float, reason: str | None) -> None:
    out = opinions("dxy_gold", uup_zchg_20=[-1.0], uup_zchg_60=[-1.5], gld_uup_corr_126=[correlation])
    assert out["reason"][0] == reason


@pytest.mark.parametrize(("real_change", "score"), [(0.15, 0.2300), (-0.05, 0.4600), (0.05, 0.4600)])
def test_breakeven_inflation_gold_is_damped_only_when_real_yields_rise_faster(real_change: float, score: float) -> None:
    out = opinions(
        "breakeven_inflation_gold",
        breakeven_10y_zchg_20=[1.2],
        breakeven_10y_zchg_60=[0.5],
        breakeven_10y_chg_20=[0.10],
        real_10y_chg_20=[real_change],
    )
    assert out["score"][0] == near(score)


def vix_haven_score(events: dict[int, tuple[float, float]], sessions: int = 20) -> float:
    """Score of the last session from `age: (rank, return)`; quiet otherwise."""
    strategy = REGISTRY["vix_haven"]
    rank = [events.get(sessions - 1 - n, (0.5, 0.0))[0] for n in range(sessions)]
    fall = [events.get(sessions - 1 - n, (0.5, 0.0))[1] for n in range(sessions)]
    days = asked(dt.date(2024, 1, 2), dt.date(2024, 6, 28))["session"].head(sessions)
    panel = pl.DataFrame({"session": days, "symbol": ["GLD"] * sessions, "vix_pr_252": rank, "spy_return_5d": fall})
    return strategy.rule(panel, strategy.params)["score"][-1]


def test_vix_haven_fades_with_the_age_of_the_event() -> None:
    assert vix_haven_score({0: (0.94, -0.035)}) == near(0.6417)
    assert vix_haven_score({3: (0.94, -0.035)}) == near(0.5133)
    assert vix_haven_score({14: (0.94, -0.035)}) == near(0.6417 / 15)
    assert vix_haven_score({15: (0.94, -0.035)}) == 0.0


def test_vix_haven_takes_the_strongest_faded_event_and_needs_both_conditions() -> None:
    assert vix_haven_score({10: (1.0, -0.06), 1: (0.8, -0.02)}) == near(max(5 / 15, 1 / 6 * 14 / 15))
    assert vix_haven_score({0: (0.94, -0.019)}) == 0.0
    assert vix_haven_score({0: (0.79, -0.035)}) == 0.0


def test_tsmom_is_the_sign_sized_by_volatility() -> None:
    out = opinions("tsmom", log_return_252=[0.18, 0.0, 0.1, -0.1, -0.05], vol_mop=[0.16, 0.2, 0.1, 0.0, 0.30])
    assert out["score"].to_list() == [near(0.9375), 0.0, 1.0, None, near(-0.5)]


def test_xsmom_ranks_the_metals() -> None:
    out = opinions("xsmom", log_return_252_21=[0.25, -0.30, -0.02, 0.10])  # GLD, PALL, PPLT, SLV
    assert out["score"].to_list() == [near(1.0), near(-1.0), near(-0.3333), near(0.3333)]


def test_xsmom_ranks_those_that_are_there_and_shares_ties() -> None:
    out = opinions("xsmom", log_return_252_21=[0.25, None, -0.02, 0.10])
    assert out["score"].to_list() == [1.0, None, -1.0, 0.0]
    out = opinions("xsmom", log_return_252_21=[0.1, 0.1, -0.02, -0.02])
    assert out["score"].to_list() == [near(2 / 3), near(2 / 3), near(-2 / 3), near(-2 / 3)]


def test_carver_trend_combines_three_speeds() -> None:
    raw = {"ewmac_16_64": [1.3333] * 5, "ewmac_32_128": [2.0] * 5, "ewmac_64_256": [3.0] * 5}
    assert opinions("carver_trend", **raw)["score"].to_list() == [near(0.2837)] * 5


def test_carver_trend_caps_each_forecast_and_their_sum() -> None:
    out = opinions("carver_trend", ewmac_16_64=[100.0] * 5, ewmac_32_128=[100.0] * 5, ewmac_64_256=[100.0] * 5)
    assert out["score"].to_list() == [1.0] * 5
    out = opinions("carver_trend", ewmac_16_64=[100.0] * 5, ewmac_32_128=[0.0] * 5, ewmac_64_256=[0.0] * 5)
    assert out["score"].to_list() == [near(1.07 / 3)] * 5


def kalman(z: float, slope: float, mean: float, sd: float) -> pl.DataFrame:
    legs = 8
    strategy = REGISTRY["kalman_pairs"]
    columns = {"kalman_z": z, "kalman_slope": slope, "kalman_slope_mean_252": mean, "kalman_slope_sd_252": sd}
    panel = panel_of(strategy, {name: [value] * legs for name, value in columns.items()})
    return (
        pl.concat([panel, strategy.rule(panel, strategy.params)], how="horizontal").filter(pair="GLD/SLV").sort("side")
    )


def test_kalman_pairs_leans_against_the_surprise_and_hedges_with_the_slope() -> None:
    out = kalman(z=1.5, slope=0.5, mean=0.5, sd=0.1)
    assert out["score"].to_list() == [near(0.3750), near(-0.7500)]  # x, then y
    assert kalman(z=0.99, slope=0.5, mean=0.5, sd=0.1)["score"].to_list() == [0.0, 0.0]
    assert kalman(z=-3.0, slope=2.0, mean=2.0, sd=0.1)["score"].to_list() == [-1.0, 0.5]


def test_kalman_pairs_is_less_sure_of_an_unusual_slope() -> None:
    assert kalman(z=1.5, slope=0.5, mean=0.5, sd=0.1)["quality"].to_list() == [1.0, 1.0]
    assert kalman(z=1.5, slope=0.9, mean=0.5, sd=0.1)["quality"].to_list() == [0.5, 0.5]


def ratio_scores(z: list[float], half_life: float | None = 20.0) -> tuple[list[float], list[str | None]]:
    strategy = REGISTRY["gold_silver_ratio"]
    days = asked(dt.date(2020, 1, 2), dt.date(2024, 6, 28))["session"].head(len(z)).to_list()
    panel = pl.concat(
        panel_of(
            strategy, {"ratio_z_252": [v, v], "ratio_half_life_252": pl.Series([half_life] * 2, dtype=pl.Float64)}, d
        )
        for d, v in zip(days, z, strict=True)
    )
    out = strategy.rule(panel, strategy.params).tail(2)
    return out["score"].to_list(), out["reason"].to_list()


def test_gold_silver_ratio_sells_the_dear_metal_on_entry() -> None:
    scores, reasons = ratio_scores([(4.50 - 4.40) / 0.045])
    assert scores == [near(-0.7407), near(0.7407)]  # GLD, SLV
    assert reasons == [None, None]


def test_gold_silver_ratio_holds_until_the_exit_and_stands_aside_after_the_stop() -> None:
    assert ratio_scores([2.2, 1.0])[0] == [near(-1 / 3), near(1 / 3)]
    assert ratio_scores([2.2, 0.4])[0] == [0.0, 0.0]
    assert ratio_scores([2.2, 4.1, 2.5])[0] == [0.0, 0.0]
    assert ratio_scores([2.2, 4.1, 0.4, -2.1])[0] == [near(0.7), near(-0.7)]


@pytest.mark.parametrize("half_life", [None, 4.9, 90.1])
def test_gold_silver_ratio_is_gated_without_a_usable_half_life(half_life: float | None) -> None:
    assert ratio_scores([2.2], half_life)[1] == ["GATE", "GATE"]


def test_cot_precious_leans_against_crowding() -> None:
    share = (210_000 - 60_000) / 480_000
    assert share == near(0.3125)
    z = (share - 0.18) / 0.07
    assert z == near(1.8929)
    out = opinions("cot_precious", mm_net_pct_oi_z_156=[z, -9.0, 0.9, 2.5], backlog=[False, True, False, False])
    assert out["score"].to_list() == [near(-0.5952), 1.0, 0.0, -1.0]
    assert out["quality"].to_list() == [1.0, 0.5, 1.0, 1.0]


VOLATILITY = {"GLD": 0.15, "SLV": 0.30, "PPLT": 0.25, "PALL": 0.35, "GDX": 0.33}
SCORES = {"GLD": 0.5788, "SLV": 0.2894, "PPLT": 0.3473, "PALL": 0.2481, "GDX": 0.2631}


def risk_parity(
    volatility: dict[str, float | None], correlation: float = 0.6, use_erc: bool = False
) -> dict[str, float]:
    strategy = REGISTRY["vol_risk_parity"]
    symbols = sorted(strategy.symbols)
    columns = {f"corr_126@{a}/{b}": [correlation] * 5 for a in symbols for b in symbols if a < b}
    panel = panel_of(strategy, {"vol_ewma_97": [volatility[s] for s in symbols], **columns})
    out = strategy.rule(panel, {**strategy.params, "use_erc": use_erc})
    return dict(zip(symbols, out["score"].to_list(), strict=True))


def test_vol_risk_parity_scales_inverse_volatility_weights_to_the_target() -> None:
    assert risk_parity(VOLATILITY) == {symbol: near(score) for symbol, score in SCORES.items()}


def test_vol_risk_parity_with_equal_risk_equals_inverse_volatility_under_one_correlation() -> None:
    assert risk_parity(VOLATILITY, use_erc=True) == {symbol: near(score) for symbol, score in SCORES.items()}


def test_vol_risk_parity_shares_the_risk_among_those_it_knows() -> None:
    scores = risk_parity({**VOLATILITY, "PALL": None})
    assert scores["PALL"] is None
    assert scores["GLD"] == near(
        0.12 / 0.15 / (4 * np.sqrt((1 + 3 * 0.6) / 4)) * (1 / 0.15 + 1 / 0.3 + 4 + 1 / 0.33) * 0.15
    )


def test_vol_risk_parity_drops_the_symbol_without_correlations() -> None:
    strategy = REGISTRY["vol_risk_parity"]
    symbols = sorted(strategy.symbols)
    columns = {
        f"corr_126@{a}/{b}": pl.Series([None if "PPLT" in (a, b) else 0.6] * 5, dtype=pl.Float64)
        for a in symbols
        for b in symbols
        if a < b
    }
    panel = panel_of(strategy, {"vol_ewma_97": [VOLATILITY[s] for s in symbols], **columns})
    out = dict(zip(symbols, strategy.rule(panel, strategy.params)["score"].to_list(), strict=True))
    assert [symbol for symbol, score in out.items() if score is None] == ["PPLT"]


def seasonal(month: int, to_lny: int = 200, since_lny: int = 100, to_diwali: int = 200, to_akshaya: int = 200) -> float:
    return opinions(
        "gold_seasonal_demand",
        month=[month],
        sessions_to_lunar_new_year=[to_lny],
        sessions_since_lunar_new_year=[since_lny],
        sessions_to_diwali=[to_diwali],
        sessions_to_akshaya_tritiya=[to_akshaya],
    )["score"][0]


def test_gold_seasonal_demand_adds_up_its_windows() -> None:
    assert seasonal(1, to_lny=17) == near(0.60)
    assert seasonal(7) == near(-0.20)
    assert seasonal(2, since_lny=8, to_lny=240) == near(-0.10)
    assert seasonal(10, to_diwali=30) == near(0.4)
    assert seasonal(5, to_akshaya=0) == near(0.2)
    assert seasonal(2, to_lny=0, since_lny=0) == near(0.1)
    assert seasonal(3, since_lny=21) == 0.0


@given(z=st.floats(-50, 50), slope=st.floats(-50, 50))
def test_no_leg_of_a_pair_exceeds_the_risk_budget(z: float, slope: float) -> None:
    out = kalman(z, slope, mean=0.5, sd=0.1)
    assert out["score"].abs().max() <= 1.0


def test_every_rule_answers_null_to_a_panel_without_values() -> None:
    clocked = {"gold_seasonality"}  # needs nothing but the calendar
    for strategy in (s for s in (*DAILY.values(), *SHADOW.values()) if s.id not in clocked):
        alive = dataclasses.replace(strategy, min_symbols=1)
        nothing = {name: frame.clear() for name, frame in features_of(strategy, dt.date(2024, 6, 27)).items()}
        out = evaluate(alive, nothing, asked(dt.date(2024, 6, 27)), include_quarantined=True)
        assert out["score"].null_count() == out.height == len(strategy.symbols)
