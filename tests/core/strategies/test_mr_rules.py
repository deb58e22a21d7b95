"""Worked numbers and edges of the mean-reversion rules and of gold's fair value."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import polars as pl
import pytest

from qgtm_core import calendar
from qgtm_core.schemas.features.formation import FORMED_PAIRS, GROUPS, TWINS
from qgtm_core.strategies.evaluate import evaluate
from qgtm_core.strategies.macro.gold_real_rate_residual import STRATEGY as FAIR_VALUE
from qgtm_core.strategies.mr.gold_miner_aisc_margin import STRATEGY as MARGIN
from qgtm_core.strategies.mr.gold_phys_premium import STRATEGY as PREMIUM
from qgtm_core.strategies.mr.gold_platinum import STRATEGY as PLATINUM
from qgtm_core.strategies.mr.gold_royalty_divergence import STRATEGY as ROYALTY
from qgtm_core.strategies.mr.miners_vs_metal import STRATEGY as MINERS
from qgtm_core.strategies.mr.pairs_mr import MONTH_SESSIONS, open_sides
from qgtm_core.strategies.mr.pairs_mr import STRATEGY as PAIRS
from qgtm_core.strategies.panel import legs_of
from qgtm_core.strategies.spec import Strategy
from tests.core.strategies.strategy_frames import asked, panel_of

TOLERANCE = 5e-4
FAIR = {"z": 1.9, "r2": 0.52, "half_life": 30.0, "adf": -3.6, "yield_slope": -0.1}


def judged(strategy: Strategy, **values: list[Any]) -> dict[str, dict[str, Any]]:
    """What the rule says by symbol, the legs' values given in order of their symbols."""
    out = strategy.rule(panel_of(strategy, values), strategy.params)
    return dict(zip([leg.symbol for leg in legs_of(strategy)], out.to_dicts(), strict=True))


def near(value: float) -> Any:
    return pytest.approx(value, abs=TOLERANCE)


def fair(**changes: float | None) -> dict[str, Any]:
    return judged(FAIR_VALUE, **{f"gold_fair_{name}_504": [v] for name, v in {**FAIR, **changes}.items()})["GLD"]


def test_gold_above_its_fair_value_is_sold():
    row = fair()
    assert (row["score"], row["quality"], row["reason"]) == (near(-0.6), near(0.8667), None)
    assert row["quality"] * (0.3 + 0.7 * abs(row["score"])) == near(0.6240)


@pytest.mark.parametrize(
    "change",
    [
        {"r2": 0.25},
        {"r2": 0.2999},
        {"half_life": None},
        {"half_life": 4.9},
        {"half_life": 120.1},
        {"adf": -3.44},
        {"yield_slope": 0.0},
        {"yield_slope": 0.01},
    ],
)
def test_each_gate_silences_the_fair_value(change):
    assert fair(**change)["reason"] == "GATE"


@pytest.mark.parametrize("change", [{"r2": 0.30}, {"half_life": 5.0}, {"half_life": 120.0}, {"adf": -3.45}])
def test_the_gates_let_their_limits_pass(change):
    assert fair(**change)["reason"] is None


@pytest.mark.parametrize(("z", "score"), [(0.99, 0.0), (-1.9, 0.6), (2.5, -1.0), (-9.0, 1.0)])
def test_small_deviations_from_fair_value_are_no_opinion(z, score):
    assert fair(z=z)["score"] == near(score)


def miners(z: list[float], slope: float = 1.6, r2: float = 0.35, adf: float = -3.2) -> pl.DataFrame:
    days = asked(dt.date(2024, 1, 2)).select("session")
    days = calendar.schedule(dt.date(2024, 1, 2)).head(len(z)).select("session") if len(z) > 1 else days
    legs = pl.DataFrame({"symbol": ["GDX", "GLD"], "side": ["y", "x"]})
    values = {"miners_slope_252": slope, "miners_r2_252": r2, "miners_adf_252": adf}
    rows = days.with_columns(miners_z_252=pl.Series(z)).join(legs, how="cross", maintain_order="left_right")
    return MINERS.rule(rows.with_columns(**{n: pl.lit(v) for n, v in values.items()}), MINERS.params)


def test_cheap_miners_are_bought_and_hedged_with_their_slope():
    out = miners([-2.1])
    assert out["score"].to_list() == [near(0.4375), near(-0.7)]
    assert out["quality"].to_list() == [near(0.5), near(0.5)]


def test_a_trade_in_miners_lasts_until_the_residual_is_small():
    out = miners([-2.1, -1.2, -0.5, -1.2, -4.5, -1.0], slope=0.5)
    assert out["score"].to_list()[::2] == [near(v) for v in (0.7, 0.4, 0.0, 0.0, 0.0, 0.0)]


def test_miners_that_are_not_cointegrated_with_gold_are_gated():
    assert miners([-2.1], adf=-3.04)["reason"].to_list() == ["GATE", "GATE"]
    assert miners([-2.1], adf=-3.05)["reason"].to_list() == [None, None]


@pytest.mark.parametrize(("z", "platinum"), [(2.4, 0.6), (1.4, 0.0), (-3.5, -1.0)])
def test_platinum_is_bought_when_gold_is_dear_against_it(z, platinum):
    rows = judged(PLATINUM, platinum_z_756=[z, z])
    assert (rows["PPLT"]["score"], rows["GLD"]["score"]) == (near(platinum), near(-platinum))
    assert rows["GLD"]["quality"] == 0.4


def test_royalties_that_ran_ahead_are_sold_against_miners():
    rows = judged(ROYALTY, royalty_gap_z_252=[1.8] * 4, adj_close=[50.0] * 4)
    assert {s: r["score"] for s, r in rows.items()} == {
        "FNV": near(-0.1778),
        "RGLD": near(-0.1778),
        "WPM": near(-0.1778),
        "GDX": near(0.5333),
    }


def test_two_royalties_share_the_score_of_three():
    rows = judged(ROYALTY, royalty_gap_z_252=[None, 1.8, 1.8, 1.8], adj_close=[None, 50.0, 50.0, 50.0])
    assert rows["FNV"]["score"] is None
    assert (rows["RGLD"]["score"], rows["WPM"]["score"], rows["GDX"]["score"]) == (
        near(-0.2667),
        near(-0.2667),
        near(0.5333),
    )


def test_miners_that_lag_their_margin_are_bought():
    rows = judged(MARGIN, margin_z_756=[-1.4] * 2, margin_r2_756=[0.4] * 2, cost_age_days=[60.0] * 2)
    assert (rows["GDX"]["score"], rows["GLD"]["score"]) == (near(0.3714), near(-0.3714))
    assert rows["GDX"]["quality"] == near(0.8 * 0.75)


def test_a_fund_below_its_usual_premium_is_bought_against_gold():
    premium = 18.20 / 18.50 - 1.0
    z = (premium + 0.008) / 0.005
    assert (premium, z) == (near(-0.0162), near(-1.6432))
    rows = judged(PREMIUM, premium=[premium] * 2, premium_z_252=[z] * 2)
    assert (rows["PHYS"]["score"], rows["GLD"]["score"]) == (near(0.8216), near(-0.8216))
    assert rows["PHYS"]["quality"] == 1.0


def test_a_wide_premium_is_trusted_less_and_a_directional_weight_takes_from_the_hedge():
    values = {"premium": [0.05] * 2, "premium_z_252": [1.0] * 2}
    assert judged(PREMIUM, **values)["PHYS"]["quality"] == 0.5
    out = PREMIUM.rule(panel_of(PREMIUM, values), {**PREMIUM.params, "w_dir": 0.4})
    assert out["score"].to_list() == [near(0.3), near(-0.5)]


DAYS = calendar.schedule(dt.date(2024, 5, 1), dt.date(2024, 6, 28))["session"].to_list()


def pairs(gap: list[float | None], days: list[dt.date] = DAYS, **values: Any) -> pl.DataFrame:
    """Signals of GLD/PHYS alone, all other pairs without bars; values are constant or one a day."""
    given = {
        "obs": 500,
        "formed_on": [day.replace(day=1) for day in days[: len(gap)]],
        "formation_rank": 1.0,
        "formation_distance_252": 0.1,
        "formation_adf_252": -4.0,
        "formation_half_life_252": 10.0,
        **values,
    }
    known = [calendar.decision_time(day) - dt.timedelta(hours=20) for day in days[: len(gap)]]
    frame = pl.DataFrame({"session": days[: len(gap)], "gap": pl.Series(gap, dtype=pl.Float64)}).with_columns(
        *(pl.Series(n, v) if isinstance(v, list) else pl.lit(v).alias(n) for n, v in given.items()),
        pl.Series("event_at", known),
        pl.Series("available_at", known),
        pair=pl.lit("GLD/PHYS"),
        y=pl.lit("GLD"),
        x=pl.lit("PHYS"),
    )
    return evaluate(PAIRS, {"formation": frame}, asked(days[0], days[len(gap) - 1]))


def scores(frame: pl.DataFrame, symbol: str = "GLD") -> list[float | None]:
    return frame.filter(symbol=symbol)["score"].to_list()


@pytest.mark.parametrize(("y", "x", "gap", "score"), [(1.12, 1.03, 3.0, 1.0), (1.12, 1.06, 2.0, 0.6667)])
def test_the_leg_that_ran_ahead_is_sold_against_the_other(y, x, gap, score):
    assert (y - x) / 0.03 == near(gap)
    out = pairs([None, (y - x) / 0.03])
    assert (scores(out)[-1], scores(out, "PHYS")[-1]) == (near(-score), near(score))


def test_a_trade_follows_the_gap_until_it_changes_sign():
    out = pairs([None, 1.9, 2.1, 1.5, 0.1, -0.1, -1.9, -2.4])
    want = [0.0, 0.0, -0.7, -0.5, -0.0333, 0.0, 0.0, 0.8]
    assert scores(out) == [near(v) for v in want]
    assert scores(out, "PHYS") == [near(-v) for v in want]


def test_a_gap_that_jumps_to_the_other_side_turns_the_trade_at_once():
    assert scores(pairs([None, 2.1, -2.1])) == [near(v) for v in (0.0, -0.7, 0.7)]


def test_a_trade_ends_after_its_longest_time_and_waits_for_a_change_of_sign():
    days = calendar.schedule(dt.date(2024, 7, 1), dt.date(2024, 7, 31))["session"].to_list()  # 22 sessions
    out = scores(pairs([2.4] * 22, days))
    assert out[:20] == [near(-0.8)] * 20
    assert out[20:] == [0.0, 0.0]


def test_a_trade_does_not_outlive_its_formation():
    out = scores(pairs([2.4] * 22 + [None, 1.9, 2.0]))  # May 2024 has 22 sessions
    assert out[19] == near(-0.8)
    assert out[22:] == [0.0, 0.0, near(-0.6667)]


def test_days_that_cannot_be_used_neither_end_nor_forget_a_trade():
    out = pairs([None, 2.1, None, 1.5])
    assert scores(out) == [near(v) for v in (0.0, -0.7, 0.0, -0.5)]


@pytest.mark.parametrize("values", [{"formation_rank": 6.0}, {"formation_adf_252": -3.3}, {"formation_rank": None}])
def test_only_the_nearest_cointegrated_pairs_are_traded(values):
    out = pairs([None, 3.0], **values)
    assert scores(out) == [0.0, 0.0]


@pytest.mark.parametrize(("half_life", "quality"), [(10.0, 1.0), (20.0, 1.0), (20.1, 0.3), (None, 0.3)])
def test_the_quality_is_the_share_of_open_pairs_that_revert_fast(half_life, quality):
    out = pairs([None, 3.0], formation_half_life_252=half_life).filter(symbol="GLD")
    assert out["confidence"].to_list() == [near(0.3 * 0.3), near(quality)]


def test_a_pair_not_formed_yet_is_warming_up_and_one_without_bars_is_missing():
    out = pairs([None, None], formed_on=None)
    reasons = dict(out.filter(pl.col("session") == DAYS[1]).select("symbol", "reason").iter_rows())
    # PHYS has other pairs, whose bars are missing
    assert reasons == {symbol: "WARMUP" if symbol == "GLD" else "MISSING" for symbol in PAIRS.symbols}
    assert pairs([None], obs=252)["reason"].to_list().count("WARMUP") == 1


def test_a_symbol_has_the_mean_score_of_its_open_pairs_alone():
    legs = legs_of(PAIRS)
    of_pair = {"GDX/GDXJ": 3.0, "GDX/NEM": -2.4, "GDX/SIL": 1.0}
    panel = panel_of(
        PAIRS,
        {
            "formed_on": [DAYS[0]] * len(legs),
            "formation_rank": [1.0] * len(legs),
            "formation_adf_252": [-4.0] * len(legs),
            "formation_half_life_252": [10.0 if leg.pair == "GDX/NEM" else 50.0 for leg in legs],
            "gap": [of_pair.get(leg.pair, 0.0) for leg in legs],
        },
    )
    out = PAIRS.rule(panel, PAIRS.params).with_columns(panel["symbol"])
    found = {symbol: out.filter(symbol=symbol)["score"].unique().to_list() for symbol in PAIRS.symbols}
    assert found["GDX"] == [near((-1.0 + 0.8) / 2)]
    assert (found["GDXJ"], found["NEM"], found["SIL"]) == ([near(1.0)], [near(-0.8)], [0.0])
    assert out["quality"].unique().to_list() == [0.5]


def test_a_replay_gives_the_same_state_from_any_start():
    rng = np.random.default_rng(4)
    gap = np.cumsum(rng.normal(0, 0.8, (120, 3)), axis=0)
    gap[rng.random(gap.shape) < 0.05] = np.nan
    month = np.repeat(np.arange(6), 20)
    whole = open_sides(gap, month, 2.0, 7)
    assert np.abs(whole).sum() > 60
    for at in (MONTH_SESSIONS, 61, 99, 119):
        rows = slice(at - MONTH_SESSIONS + 1, at + 1)
        assert open_sides(gap[rows], month[rows], 2.0, 7)[-1].tolist() == whole[at].tolist()


def plain_sides(gap: np.ndarray, month: np.ndarray, entry: float, max_hold: int) -> list[float]:
    """The trade of one pair, session by session."""
    out, side, held, spent = [], 0.0, 0, 0.0
    for t, now in enumerate(gap):
        if t and month[t] != month[t - 1]:
            side, held, spent = 0.0, 0, 0.0
        sign = np.sign(now)
        if side:
            held += 1
            if held >= max_hold:
                side, spent = 0.0, side
        if np.isfinite(now):
            spent = spent if sign == spent else 0.0
            side = side if sign == side else 0.0
            if not side and abs(now) >= entry and sign != spent:
                side, held = sign, 0
        out.append(side)
    return out


@pytest.mark.parametrize("seed", range(4))
def test_the_state_agrees_with_a_plain_loop(seed):
    rng = np.random.default_rng(seed)
    gap = np.cumsum(rng.normal(0, 1.0, 140))
    gap[rng.random(140) < 0.1] = np.nan
    month = np.repeat(np.arange(7), 20)
    got = open_sides(gap[:, None], month, 2.0, 6)[:, 0]
    assert got.tolist() == plain_sides(gap, month, 2.0, 6)


def test_no_month_is_longer_than_the_replay():
    months = calendar.schedule()["session"].dt.truncate("1mo").value_counts()["count"]
    assert months.max() == MONTH_SESSIONS


def test_pairs_stay_in_their_group_and_twins_are_left_out():
    group_of = {symbol: name for name, group in GROUPS.items() for symbol in group}
    assert len(FORMED_PAIRS) == len(set(FORMED_PAIRS)) == 20
    assert all(group_of[a] == group_of[b] for a, b in FORMED_PAIRS)
    assert not any({a, b} <= twins for a, b in FORMED_PAIRS for twins in TWINS)
    assert {s for pair in FORMED_PAIRS for s in pair} == set(PAIRS.symbols)
