"""Rules on volatility and tails, and the bundle of older strategies, give the numbers of their specification."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qgtm_core.maths.options import straddle_delta, value
from qgtm_core.strategies.evaluate import evaluate
from qgtm_core.strategies.panel import legs_of, signal_key
from qgtm_core.strategies.registry import REGISTRY
from qgtm_core.strategies.spec import consumed
from tests.core.strategies.strategy_frames import asked, healthy, panel_of

MINE = {
    "vol_risk_parity": 38, "vol_risk_premium_pm": 39, "vol_term_structure_pm": 40, "gamma_scalp_pm": 41,
    "tail_hedge_pm": 43, "precious_metals": 65,
}  # fmt: skip
SESSION = dt.date(2024, 6, 28)
Columns = dict[str, list[Any]]


def near(number: float) -> object:
    return pytest.approx(number, abs=5e-4)


def told(strategy_id: str, **columns: list[Any]) -> pl.DataFrame:
    strategy = REGISTRY[strategy_id]
    typed = {name: pl.Series(values, dtype=pl.Float64, strict=False) for name, values in columns.items()}
    return strategy.rule(panel_of(strategy, typed), strategy.params)


def score(strategy_id: str, **values: float | None) -> float | None:
    """The score of a strategy with one symbol."""
    found: float | None = told(strategy_id, **{name: [each] for name, each in values.items()})["score"].item()
    return found


def test_each_keeps_its_number_and_says_how_it_differs() -> None:
    assert {name: REGISTRY[name].number for name in MINE} == MINE
    assert all(REGISTRY[name].differs for name in MINE)


# --- 39, 40


def test_a_rich_variance_premium_leans_long() -> None:
    premium = 0.18**2 - 0.14**2
    assert premium == near(0.0128)
    assert score("vol_risk_premium_pm", vrp_z_252=(premium - 0.006) / 0.007) == near(0.2429)
    assert told("vol_risk_premium_pm", vrp_z_252=[1.0])["quality"].item() == 0.6


@pytest.mark.parametrize(("z", "want"), [(1.2, -0.3), (-2.4, 0.5), (0.0, 0.0), (9.0, -0.5)])
def test_an_inverted_term_structure_of_realised_volatility_leans_short(z: float, want: float) -> None:
    got = told("vol_term_structure_pm", vol_yz_slope_z_252=[z] * 4)
    assert got["score"].to_list() == [near(want)] * 4
    assert got["quality"].to_list() == [0.7] * 4


def test_a_metal_without_history_is_silent_alone() -> None:
    got = told("vol_term_structure_pm", vol_yz_slope_z_252=[None, 1.2, 1.2, 1.2])
    assert got["score"].is_null().to_list() == [True, False, False, False]


# --- 41


def straddle(
    moneyness: float | None = math.log(1.03),
    gvz: float | None = 16.0,
    age: float | None = 11,
    realised: float | None = 0.20,
) -> float | None:
    return score("gamma_scalp_pm", log_moneyness=moneyness, gvz=gvz, strike_age_sessions=age, vol_yz_5=realised)


def test_the_straddle_has_the_worked_delta() -> None:
    years = 10 / 252
    d1 = (math.log(1.03) + 0.16**2 / 2 * years) / (0.16 * math.sqrt(years))
    assert d1 == near(0.9433)
    assert float(straddle_delta(math.log(1.03), years, 0.16)) == near(0.6545)
    assert straddle() == near(0.6545)


def test_the_straddle_is_traded_only_while_realised_beats_implied_by_a_tenth() -> None:
    assert straddle(realised=0.1761) == near(0.6545)
    assert straddle(realised=0.1759) == 0.0


def test_the_last_session_of_a_straddle_still_has_a_day_to_live() -> None:
    assert straddle(age=20) == straddle(age=25)
    assert straddle(age=20) == pytest.approx(float(straddle_delta(math.log(1.03), 1 / 252, 0.16)))


@pytest.mark.parametrize("missing", ["moneyness", "gvz", "age", "realised"])
def test_a_straddle_that_lacks_a_number_is_silent(missing: str) -> None:
    assert straddle(**{missing: None}) is None


@given(st.floats(-0.2, 0.2), st.floats(0.01, 1.0), st.floats(0.05, 0.8))
def test_a_straddles_delta_is_the_slope_of_its_value(moneyness: float, years: float, vol: float) -> None:
    spot, step = math.exp(moneyness), 1e-5
    worth = [sum(float(value(call, s, 1.0, years, vol)) for call in (True, False)) for s in (spot - step, spot + step)]
    delta = float(straddle_delta(moneyness, years, vol))
    assert delta == pytest.approx((worth[1] - worth[0]) / (2 * step), abs=1e-4)
    assert -1.0 <= delta <= 1.0


# --- 43


def hedge(ratio: float | None, *voices: tuple[float | None, float]) -> tuple[float | None, str | None]:
    """Score and reason while the others say (score, confidence) of gold."""
    columns: Columns = {"es_99_ratio": [ratio]}
    for number, (opinion, confidence) in enumerate(voices):
        columns |= {f"score@s{number}": [opinion], f"confidence@s{number}": [confidence]}
    row = told("tail_hedge_pm", **columns).row(0, named=True)
    return row["score"], row["reason"]


def test_a_tail_fatter_than_usual_is_hedged_in_proportion() -> None:
    assert hedge(0.039 / 0.030, (0.5, 0.4)) == (near(-0.18), None)
    assert hedge(1.5, (0.5, 0.4)) == (near(-0.3), None)
    assert hedge(4.0, (0.5, 0.4)) == (near(-0.3), None)


def test_a_usual_tail_needs_no_hedge() -> None:
    assert hedge(1.0, (0.5, 0.4)) == (0.0, None)
    assert hedge(0.7, (0.5, 0.4)) == (0.0, None)


@pytest.mark.parametrize(
    "voices", [(), ((None, 0.0),), ((0.5, 0.4), (-0.5, 0.5)), ((-0.1, 0.9), (None, 0.0)), ((0.0, 0.3),)]
)
def test_a_book_that_is_not_long_gold_has_nothing_to_hedge(voices: tuple[tuple[float | None, float], ...]) -> None:
    assert hedge(1.3, *voices)[1] == "GATE"


def test_a_silent_strategy_does_not_count_against_the_book() -> None:
    assert hedge(1.3, (0.5, 0.4), (None, 0.0))[1] is None


def test_an_unknown_tail_is_not_hedged() -> None:
    assert hedge(None, (0.5, 0.4))[0] is None


def test_the_hedge_listens_to_daily_strategies_that_listen_to_none() -> None:
    heard = consumed(REGISTRY["tail_hedge_pm"], REGISTRY)
    assert "gold_tsmom" in heard
    assert not {"tail_hedge_pm", "precious_metals", "gold_platinum", "mvg_v1"} & {*heard}


# --- 65

CHILDREN = ("gold_macro_regime", "gold_momentum_mr", "silver_industrial", "miners_leverage", "gold_seasonality")


def bundle(**said: dict[str, float]) -> dict[str, tuple[float | None, float, str | None]]:
    """(score, quality, reason) by symbol while the children say these scores by symbol."""
    symbols = [leg.symbol for leg in legs_of(REGISTRY["precious_metals"])]
    columns = {f"score@{child}": [said.get(child, {}).get(symbol) for symbol in symbols] for child in CHILDREN}
    out = told("precious_metals", **columns)
    return dict(zip(symbols, out.select("score", "quality", "reason").iter_rows(), strict=True))


def test_the_bundle_is_the_weighted_mean_of_the_children_that_speak() -> None:
    got = bundle(gold_macro_regime={"GLD": 0.5}, gold_momentum_mr={"GLD": 0.175}, gold_seasonality={"GLD": 0.0})
    assert got["GLD"] == (near(0.2981), near(0.65), None)
    assert got["SLV"][2] == "MISSING"


def test_three_children_anywhere_let_each_symbol_speak_for_itself() -> None:
    got = bundle(
        gold_macro_regime={"GLD": 0.5},
        silver_industrial={"SLV": 0.4, "GLD": -0.2},
        miners_leverage={"GDX": 0.6, "GDXJ": 0.3},
    )
    assert got["GLD"] == (near((0.3 * 0.5 - 0.2 * 0.2) / 0.5), near(0.5), None)
    assert got["SLV"] == (near(0.4), near(0.2), None)
    assert got["GDXJ"] == (near(0.3), near(0.15), None)


def test_two_children_are_too_few() -> None:
    got = bundle(gold_macro_regime={"GLD": 0.5}, gold_momentum_mr={"GLD": 0.2})
    assert {reason for _, _, reason in got.values()} == {"MISSING"}


@given(st.fixed_dictionaries({child: st.floats(-1, 1) for child in CHILDREN}))
def test_the_bundle_stays_among_its_children(scores: dict[str, float]) -> None:
    got = bundle(**{child: {"GLD": each} for child, each in scores.items()})["GLD"]
    assert got[0] is not None
    assert min(scores.values()) - 1e-12 <= got[0] <= max(scores.values()) + 1e-12
    assert got[1] == pytest.approx(1.0)


# --- through evaluate


def test_silent_children_silence_the_bundle_and_its_confidence_follows_their_weight() -> None:
    days = asked(SESSION)
    strategy = REGISTRY["precious_metals"]

    def signals(child: str, opinion: float | None) -> pl.DataFrame:
        frame = days.join(pl.DataFrame({"symbol": REGISTRY[child].symbols}), how="cross")
        return frame.with_columns(
            score=pl.lit(opinion, pl.Float64), confidence=pl.lit(0.5), event_at="decided_at", available_at="decided_at"
        )

    features = {signal_key(child): signals(child, 0.4) for child in CHILDREN}
    got = evaluate(strategy, features, days).filter(symbol="GLD").row(0, named=True)
    assert got["status"] == "OK"
    assert got["score"] == near(0.4)
    features |= {signal_key(child): signals(child, None) for child in CHILDREN[:3]}
    got = evaluate(strategy, features, days).filter(symbol="GLD").row(0, named=True)
    assert (got["status"], got["reason"], got["confidence"]) == ("NO_SIGNAL", "MISSING", 0.0)


@pytest.mark.parametrize("strategy_id", ["vol_risk_premium_pm", "vol_term_structure_pm", "gamma_scalp_pm"])
def test_a_stale_input_silences_and_a_fresh_one_speaks(strategy_id: str) -> None:
    strategy, days = REGISTRY[strategy_id], asked(SESSION)
    features = {table: healthy(table, days) for table in strategy.tables}
    assert evaluate(strategy, features, days)["status"].unique().to_list() == ["OK"]
    for item in strategy.inputs:
        name = f"{item.prefix}available_at"
        old = features[item.table].with_columns(pl.col(name) - dt.timedelta(days=6))
        assert evaluate(strategy, {**features, item.table: old}, days)["reason"].unique().to_list() == ["STALE"]
