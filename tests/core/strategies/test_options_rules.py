"""The printed numbers of the options strategies, asserted on their rules."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from qgtm_core.strategies.options import (
    cash_secured_put,
    covered_call_writer,
    event_straddle,
    gold_collar,
    silver_ratio_spread,
    vrp_harvester,
)
from qgtm_core.strategies.spec import Sleeve, Strategy
from qgtm_core.strategies.vol import gold_options_skew, gold_vol_term_structure
from qgtm_core.types import Reason, StrategyStatus

OPTIONS = tuple(
    module.STRATEGY
    for module in (
        covered_call_writer,
        cash_secured_put,
        vrp_harvester,
        gold_collar,
        silver_ratio_spread,
        event_straddle,
    )
)


def judged(strategy: Strategy, **columns: float | int | None) -> dict[str, float | str | None]:
    """What the rule says of one session with these values."""
    types = {"sessions_to_fomc": pl.Int32, "sessions_to_event": pl.Int32, "event_iv_sessions": pl.Int32}
    schema = {name: types.get(name, pl.Float64) for name in columns}
    panel = pl.DataFrame({name: [value] for name, value in columns.items()}, schema=schema)
    keys = {"session": pl.lit(dt.date(2024, 3, 4)), "symbol": pl.lit(strategy.symbols[0])}
    return strategy.rule(panel.with_columns(**keys), strategy.params).row(0, named=True)


@pytest.mark.parametrize(("a", "b", "score"), [(1.2, 0.9, 0.36), (1.2, 2.4, 0.12), (-4.0, 0.0, -0.6)])
def test_skew_follows_its_momentum_and_fades_its_extremes(a: float, b: float, score: float) -> None:
    said = judged(gold_options_skew.STRATEGY, skew_zchg_10=a, skew_z_126=b, skew_quotes=0.7)
    assert said["score"] == pytest.approx(score, abs=5e-4)
    assert said["quality"] == 0.7


@pytest.mark.parametrize(("z", "score"), [(-1.6, -0.4), ((19 - 17.5 - 0.8) / 0.7, 0.25), (9.0, 0.5)])
def test_the_slope_of_implied_volatility_moves_half_a_score(z: float, score: float) -> None:
    assert judged(gold_vol_term_structure.STRATEGY, slope_z_126=z)["score"] == pytest.approx(score, abs=5e-4)


@pytest.mark.parametrize(
    ("t", "fomc", "score"), [(1.8, 9, 0.4), (0.4, 9, 0.8), (0.4, 2, 0.0), (0.4, 3, 0.8), (0.4, None, 0.8)]
)
def test_calls_are_written_less_in_a_trend_and_not_before_the_fed(t: float, fomc: int | None, score: float) -> None:
    said = judged(covered_call_writer.STRATEGY, vrp_z_252=1.2, gld_t_63=t, quotes_30_45=0.9, sessions_to_fomc=fomc)
    assert said["score"] == pytest.approx(score, abs=5e-4)


@pytest.mark.parametrize(("t", "rank", "score"), [(0.0, 5 / 14, 0.7), (-1.0, 5 / 14, 0.0), (0.0, 0.29, 0.0)])
def test_puts_are_written_in_no_downtrend_and_at_no_low_volatility(t: float, rank: float, score: float) -> None:
    said = judged(cash_secured_put.STRATEGY, vrp_z_252=0.8, gld_t_63=t, gvz_rank_252=rank, quotes_30_45=1.0)
    assert said["score"] == pytest.approx(score, abs=5e-4)


@pytest.mark.parametrize(
    ("vrp", "gvz", "event", "score"),
    [(0.01, 17.0, 6, 0.6), (-0.01, 17.0, 6, 0.0), (0.01, 18.5, 6, 0.0), (0.01, 17.0, 5, 0.0), (0.01, 17.0, None, 0.6)],
)
def test_condors_need_a_premium_an_upright_curve_and_no_event(
    vrp: float, gvz: float, event: int | None, score: float
) -> None:
    said = judged(
        vrp_harvester.STRATEGY,
        vrp=vrp,
        vrp_z_252=1.3,
        gvz=gvz,
        iv_90=0.18,
        quotes_30_45=1.0,
        sessions_to_event=event,
    )
    assert said["score"] == pytest.approx(score, abs=5e-4)


def test_a_collar_weighs_the_trend_and_the_level_of_volatility() -> None:
    said = judged(gold_collar.STRATEGY, gld_t_63=-1.0, gvz_pr_252=0.8, quotes_60=0.8)
    assert said["score"] == pytest.approx(0.55, abs=5e-4)
    assert judged(gold_collar.STRATEGY, gld_t_63=1.0, gvz_pr_252=0.4, quotes_60=0.8)["score"] == 0.0


def test_a_butterfly_wants_a_calm_trend_and_rich_volatility() -> None:
    said = judged(silver_ratio_spread.STRATEGY, slv_t_63=0.5, iv_30_rank_252=0.45, quotes_30_45=1.0)
    assert said["score"] == pytest.approx(0.36, abs=5e-4)
    assert judged(silver_ratio_spread.STRATEGY, slv_t_63=-2.0, iv_30_rank_252=0.45, quotes_30_45=1.0)["score"] == 0.0


def straddle(**changes: float | int | None) -> dict[str, float | str | None]:
    printed: dict[str, float | int | None] = {
        "event_iv": 0.22,
        "event_iv_sessions": 3,
        "event_base_iv": 0.16,
        "event_move": 0.0175,
        "sessions_to_event": 1,
    }
    return judged(event_straddle.STRATEGY, **(printed | changes))


def test_a_straddle_is_bought_where_past_moves_beat_the_implied_one() -> None:
    assert straddle()["score"] == pytest.approx(0.2712, abs=5e-4)
    assert straddle(event_move=0.0160)["score"] == 0.0


def test_a_straddle_waits_for_its_window_and_its_expiries() -> None:
    assert straddle(sessions_to_event=3)["reason"] == Reason.OUT_OF_WINDOW
    assert straddle(sessions_to_event=None)["reason"] == Reason.OUT_OF_WINDOW
    assert straddle(event_iv=None)["reason"] == Reason.GATE
    assert straddle()["reason"] is None


def test_an_event_without_variance_of_its_own_is_degenerate() -> None:
    said = straddle(event_iv=0.10)
    assert said["score"] is None
    assert said["reason"] is None


@pytest.mark.parametrize(
    ("strategy", "columns"),
    [
        (covered_call_writer.STRATEGY, {"vrp_z_252": 1.0, "gld_t_63": 0.0, "sessions_to_fomc": 9}),
        (cash_secured_put.STRATEGY, {"vrp_z_252": 1.0, "gld_t_63": 0.0, "gvz_rank_252": 0.5}),
        (silver_ratio_spread.STRATEGY, {"slv_t_63": 0.0, "iv_30_rank_252": 0.5}),
    ],
    ids=lambda value: getattr(value, "id", ""),
)
def test_without_an_expiry_in_the_window_the_gate_is_shut(strategy: Strategy, columns: dict[str, float]) -> None:
    assert judged(strategy, quotes_30_45=None, **columns)["reason"] == Reason.GATE


@pytest.mark.parametrize("strategy", OPTIONS, ids=lambda strategy: strategy.id)
def test_options_strategies_are_research_and_never_routed(strategy: Strategy) -> None:
    assert strategy.status is StrategyStatus.RESEARCH
    assert strategy.sleeve is Sleeve.OPTIONS
    assert strategy.tags["route_to_oms"] == "false"
