"""The conventions that bind every strategy: order of verdicts, freshness, cadence, legs and the shape of the table."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable

import polars as pl
import pytest

from qgtm_core import calendar
from qgtm_core.errors import DataError, InvariantError
from qgtm_core.schemas.signals import signal_table
from qgtm_core.strategies.evaluate import evaluate
from qgtm_core.strategies.registry import REGISTRY
from qgtm_core.strategies.spec import Strategy
from tests.core.strategies.strategy_frames import asked, features_of, healthy

DAY = dt.date(2024, 6, 26)
GOLD = REGISTRY["real_rate_gold"]


def broken(strategy: Strategy, change: Callable[[pl.DataFrame], pl.DataFrame], first: dt.date = DAY) -> pl.DataFrame:
    """Signals of `first` after a change to every feature table."""
    frames = {name: change(frame) for name, frame in features_of(strategy, first).items()}
    return evaluate(strategy, frames, asked(first))


def test_a_signal_has_the_declared_shape() -> None:
    out = evaluate(GOLD, features_of(GOLD, DAY), asked(DAY))
    signal_table("real_rate_gold").require_valid(out)
    row = out.row(0, named=True)
    decided = calendar.decision_time(DAY)
    assert (row["status"], row["reason"]) == ("OK", None)
    assert row["available_at"] == decided - dt.timedelta(hours=22)
    assert row["as_of_max"] == decided - dt.timedelta(hours=23)
    assert row["params_hash"] == GOLD.params_hash
    assert row["horizon_sessions"] == 20
    assert row["confidence"] == pytest.approx(0.3 + 0.7 * abs(row["score"]))


def test_signals_are_sorted_by_session_and_symbol_whatever_the_order_asked() -> None:
    strategy = REGISTRY["kalman_pairs"]
    days = asked(DAY - dt.timedelta(days=9), DAY)
    out = evaluate(strategy, features_of(strategy, days["session"][0], DAY), days.sort("session", descending=True))
    assert out.height == days.height * 6
    assert out.select("session", "symbol").equals(out.select("session", "symbol").sort("session", "symbol"))


def test_no_sessions_asked_give_no_rows() -> None:
    assert evaluate(GOLD, features_of(GOLD, DAY), asked(DAY).clear()).equals(signal_table("real_rate_gold").empty())


@pytest.mark.parametrize("frames", [{}, {"macro": None}])
def test_an_absent_table_is_missing(frames: dict[str, None]) -> None:
    given = {name: healthy(name, asked(DAY)).clear() for name in frames}
    assert evaluate(GOLD, given, asked(DAY))["reason"].to_list() == ["MISSING"]


def test_an_absent_row_is_missing() -> None:
    assert broken(GOLD, lambda f: f.filter(pl.col("session") < DAY))["reason"].to_list() == ["MISSING"]


def test_an_input_without_a_count_of_observations_is_missing() -> None:
    out = broken(GOLD, lambda f: f.with_columns(real_10y_obs=pl.lit(None, pl.Int32)))
    assert out["reason"].to_list() == ["MISSING"]


@pytest.mark.parametrize(("observations", "reason"), [(565, "WARMUP"), (566, None)])
def test_fewer_observations_than_the_warm_up_are_too_few(observations: int, reason: str | None) -> None:
    out = broken(GOLD, lambda f: f.with_columns(real_10y_obs=pl.lit(observations, pl.Int32)))
    assert out["reason"].to_list() == [reason]


AGES = [(60, None, 1.0), (90, None, 0.75), (120, None, 0.5), (121, "STALE", 0.0)]


@pytest.mark.parametrize(("hours", "reason", "freshness"), AGES)
def test_confidence_falls_with_age_until_the_input_is_stale(hours: int, reason: str | None, freshness: float) -> None:
    known = pl.col("decided_at") - dt.timedelta(hours=hours)
    stamps = asked(DAY).select("session", real_10y_available_at=known, real_10y_event_at=known)
    out = broken(GOLD, lambda f: f.update(stamps, on="session"))
    assert out["reason"].to_list() == [reason]
    score = out["score"][0] or 0.0
    assert out["confidence"][0] == pytest.approx(freshness * (0.3 + 0.7 * abs(score)))


def test_the_stalest_input_sets_the_freshness() -> None:
    strategy = REGISTRY["dxy_gold"]
    stamps = asked(DAY).select("session", uup_available_at=pl.col("decided_at") - dt.timedelta(hours=90))
    fresh, aged = broken(strategy, lambda f: f), broken(strategy, lambda f: f.update(stamps, on="session"))
    assert aged["confidence"][0] == pytest.approx(0.75 * fresh["confidence"][0])
    assert aged["available_at"][0] == fresh["available_at"][0]  # the newest among the inputs


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_a_value_that_is_not_a_number_is_degenerate(value: float | None) -> None:
    out = broken(GOLD, lambda f: f.with_columns(real_10y_zchg_20=pl.lit(value, pl.Float64)))
    assert out["reason"].to_list() == ["DEGENERATE"]
    assert out["score"].to_list() == [None]
    assert out["confidence"].to_list() == [0.0]


def test_the_worst_of_several_faults_is_reported() -> None:
    old = asked(DAY).select("session", real_10y_available_at=pl.col("decided_at") - dt.timedelta(days=9))
    stale = lambda f: f.update(old, on="session")  # noqa: E731
    short = lambda f: f.with_columns(real_10y_obs=pl.lit(3, pl.Int32))  # noqa: E731
    empty = lambda f: f.with_columns(real_10y_zchg_20=pl.lit(None, pl.Float64))  # noqa: E731
    assert broken(GOLD, lambda f: empty(stale(f)))["reason"].to_list() == ["STALE"]
    assert broken(GOLD, lambda f: empty(short(stale(f))))["reason"].to_list() == ["WARMUP"]


def test_an_input_known_only_after_the_decision_stops_everything() -> None:
    late = asked(DAY).select("session", real_10y_available_at=pl.col("decided_at") + dt.timedelta(seconds=1))
    with pytest.raises(InvariantError, match=r"real_rate_gold.*2024-06-26.*after its decision"):
        broken(GOLD, lambda f: f.update(late, on="session"))


def test_a_rule_sees_its_declared_columns_and_no_others() -> None:
    seen: list[str] = []

    def spy(panel: pl.DataFrame, params: object) -> pl.DataFrame:
        seen.extend(panel.columns)
        return panel.select(score=pl.lit(0.0), quality=pl.lit(1.0))

    strategy = dataclasses.replace(GOLD, rule=spy)
    evaluate(strategy, features_of(GOLD, DAY), asked(DAY))
    assert sorted(seen) == sorted(["session", "symbol", "pair", "side", "market", *GOLD.inputs[0].columns])


@pytest.mark.parametrize(("score", "quality"), [(1.1, 1.0), (-1.1, 1.0), (0.0, 1.1), (0.0, -0.1)])
def test_a_rule_that_breaks_its_bounds_stops_everything(score: float, quality: float) -> None:
    wild = dataclasses.replace(GOLD, rule=lambda p, _: p.select(score=pl.lit(score), quality=pl.lit(quality)))
    with pytest.raises(InvariantError, match="out of range"):
        evaluate(wild, features_of(GOLD, DAY), asked(DAY))


def test_a_rule_that_loses_rows_stops_everything() -> None:
    two = pl.DataFrame({"score": [0.0, 0.0], "quality": [1.0, 1.0]})
    lossy = dataclasses.replace(GOLD, rule=lambda panel, params: two)
    with pytest.raises(InvariantError, match="2 rows for 1"):
        evaluate(lossy, features_of(GOLD, DAY), asked(DAY))


def test_a_day_without_a_session_is_refused() -> None:
    sunday = asked(DAY).with_columns(session=pl.lit(dt.date(2024, 6, 23)))
    with pytest.raises(DataError, match="2024-06-23 is not a session"):
        evaluate(GOLD, features_of(GOLD, DAY), sunday)


def test_a_feature_key_that_occurs_twice_is_refused() -> None:
    with pytest.raises(DataError, match=r"features/macro.*more than once"):
        broken(GOLD, lambda f: pl.concat([f, f]))


def test_the_decision_time_asked_for_wins_over_the_calendar() -> None:
    earlier = asked(DAY).with_columns(pl.col("decided_at") - dt.timedelta(hours=1))
    out = evaluate(GOLD, features_of(GOLD, DAY), earlier)
    assert out["decided_at"].to_list() == earlier["decided_at"].to_list()
    early = asked(DAY).with_columns(pl.col("decided_at") - dt.timedelta(hours=23))
    with pytest.raises(InvariantError, match="after its decision"):
        evaluate(GOLD, features_of(GOLD, DAY), early)


def test_a_dead_strategy_is_quarantined_unless_research_asks() -> None:
    dead = REGISTRY["gold_silver_ratio"]
    features = features_of(dead, DAY)
    silent = evaluate(dead, features, asked(DAY))
    signal_table(dead.id).require_valid(silent)
    assert silent["reason"].to_list() == ["QUARANTINED", "QUARANTINED"]
    assert silent["symbol"].to_list() == ["GLD", "SLV"]
    assert evaluate(dead, features, asked(DAY), include_quarantined=True)["status"].to_list() == ["OK", "OK"]


def test_festival_dates_that_do_not_reach_far_enough_are_stale() -> None:
    strategy = REGISTRY["gold_seasonal_demand"]
    assert broken(strategy, lambda f: f)["status"].to_list() == ["OK"]
    assert broken(strategy, lambda f: f.with_columns(covered=pl.lit(value=False)))["reason"].to_list() == ["STALE"]
    assert broken(strategy, lambda f: f.with_columns(month=pl.lit(None, pl.Int8)))["reason"].to_list() == ["DEGENERATE"]


def test_a_symbol_is_the_mean_of_its_pairs_that_speak() -> None:
    strategy = REGISTRY["kalman_pairs"]
    values = pl.DataFrame(
        {
            "pair": ["GLD/SLV", "GLD/GDX"],
            "kalman_z": [1.5, -3.0],
            "kalman_slope": [0.5, 0.5],
            "kalman_slope_mean_252": [0.5, 9.0],
            "kalman_slope_sd_252": [0.1, 0.1],
        }
    )
    both = broken(strategy, lambda f: f.update(values, on="pair"))
    gold = both.filter(symbol="GLD").row(0, named=True)
    assert gold["score"] == pytest.approx((-0.75 + 1.0) / 2)
    assert gold["confidence"] == pytest.approx(0.75 * (0.3 + 0.7 * 0.125))  # mean quality of 1 and 0.5
    one = broken(strategy, lambda f: f.update(values, on="pair").filter(pl.col("pair") != "GLD/GDX"))
    assert one.filter(symbol="GLD")["score"][0] == pytest.approx(-0.75)
    assert one.filter(symbol="GDX")["reason"][0] == "MISSING"


def test_a_symbol_whose_pairs_all_fail_carries_the_worst_reason() -> None:
    strategy = REGISTRY["kalman_pairs"]
    short = pl.when(pair="GLD/SLV").then(3).otherwise("obs").cast(pl.Int32)
    out = broken(strategy, lambda f: f.with_columns(obs=short).filter(pl.col("pair") != "GLD/GDX"))
    assert out.filter(symbol="GLD")["reason"][0] == "MISSING"
    assert out.filter(symbol="SLV")["reason"][0] is None  # SLV/SIL still speaks


def only(symbols: list[str]) -> Callable[[pl.DataFrame], pl.DataFrame]:
    return lambda f: f.filter(pl.col("symbol").is_in(symbols))


def test_one_symbol_fails_alone_while_enough_others_speak() -> None:
    out = broken(REGISTRY["tsmom"], only(["GLD", "SLV", "GDX"]), first=dt.date(2024, 6, 28))
    assert dict(zip(out["symbol"], out["reason"], strict=True)) == {
        "GDX": None,
        "GLD": None,
        "PALL": "MISSING",
        "PPLT": "MISSING",
        "SLV": None,
    }


@pytest.mark.parametrize("strategy_id", ["tsmom", "xsmom"])
def test_too_few_symbols_silence_them_all_for_the_reason_of_the_others(strategy_id: str) -> None:
    out = broken(REGISTRY[strategy_id], only(["GLD", "SLV"]), first=dt.date(2024, 6, 28))
    assert set(out["reason"]) == {"MISSING"}
    assert out["score"].null_count() == out.height
    assert out["confidence"].sum() == 0.0


def test_a_monthly_strategy_repeats_its_last_month_end_unchanged() -> None:
    strategy = REGISTRY["tsmom"]
    days = asked(dt.date(2024, 5, 30), dt.date(2024, 6, 28))
    out = evaluate(strategy, features_of(strategy, dt.date(2024, 5, 30), dt.date(2024, 6, 28)), days)
    unchanged = ("score", "confidence", "as_of_max", "available_at", "params_hash")
    gold = out.filter(symbol="GLD")
    held = gold.filter(pl.col("session").is_between(dt.date(2024, 5, 31), dt.date(2024, 6, 27)))
    assert held.select(unchanged).n_unique() == 1
    assert held["available_at"][0] == calendar.decision_time(dt.date(2024, 5, 31)) - dt.timedelta(hours=22)
    assert gold.filter(session=dt.date(2024, 5, 30))["available_at"][0] < held["available_at"][0]
    assert gold.filter(session=dt.date(2024, 6, 28))["available_at"][0] > held["available_at"][0]
    assert held["correlation_id"].n_unique() == held.height


def test_a_weekly_strategy_computes_on_the_first_session_of_the_week() -> None:
    strategy = REGISTRY["cot_precious"]
    first, last = dt.date(2024, 5, 20), dt.date(2024, 6, 7)  # 27 May is a holiday
    out = evaluate(strategy, features_of(strategy, first, last), asked(first, last)).filter(symbol="GLD")
    computed = out.group_by("available_at", maintain_order=True).agg(pl.col("session").first())["session"].to_list()
    assert computed == [dt.date(2024, 5, 20), dt.date(2024, 5, 28), dt.date(2024, 6, 3)]


def test_a_dead_feed_silences_a_held_signal_before_the_next_computation() -> None:
    strategy = REGISTRY["tsmom"]
    first, last = dt.date(2024, 5, 31), dt.date(2024, 6, 14)
    frozen = calendar.decision_time(first) - dt.timedelta(hours=22)
    frames = {
        name: f.with_columns(available_at=pl.min_horizontal("available_at", pl.lit(frozen)))
        for name, f in features_of(strategy, first, last).items()
    }
    out = evaluate(strategy, frames, asked(first, last)).filter(symbol="GLD")
    assert set(out.filter(pl.col("session") <= dt.date(2024, 6, 4))["status"]) == {"OK"}
    assert set(out.filter(pl.col("session") >= dt.date(2024, 6, 6))["reason"]) == {"STALE"}
    assert out.filter(pl.col("session") >= dt.date(2024, 6, 6))["score"].null_count() == 7


def test_a_month_without_a_computation_stays_silent_until_the_next_one() -> None:
    strategy = REGISTRY["tsmom"]
    first, last = dt.date(2024, 5, 31), dt.date(2024, 6, 28)
    gap = lambda f: f.filter(pl.col("session") != first)  # noqa: E731
    frames = {name: gap(f) for name, f in features_of(strategy, first, last).items()}
    out = evaluate(strategy, frames, asked(first, last)).filter(symbol="GLD")
    assert set(out.filter(pl.col("session") < last)["reason"]) == {"MISSING"}
    assert out.filter(session=last)["status"].to_list() == ["OK"]


def test_before_the_first_computation_of_the_calendar_a_slow_strategy_is_missing() -> None:
    out = broken(REGISTRY["tsmom"], lambda f: f, first=dt.date(2000, 1, 4))
    assert set(out["reason"]) == {"MISSING"}


def test_correlations_of_one_symbol_that_are_unknown_silence_that_symbol_only() -> None:
    strategy = REGISTRY["vol_risk_parity"]
    frames = features_of(strategy, dt.date(2024, 6, 24))
    unknown = (pl.col("symbol_a") == "PPLT") | (pl.col("symbol_b") == "PPLT")
    frames["correlation"] = frames["correlation"].with_columns(corr_126=pl.when(~unknown).then("corr_126"))
    out = evaluate(strategy, frames, asked(dt.date(2024, 6, 24)))
    assert out.filter(symbol="PPLT")["reason"].to_list() == ["DEGENERATE"]
    assert set(out.filter(pl.col("symbol") != "PPLT")["status"]) == {"OK"}
    frames["correlation"] = frames["correlation"].filter(~unknown)
    out = evaluate(strategy, frames, asked(dt.date(2024, 6, 24)))
    assert out.filter(symbol="PPLT")["reason"].to_list() == ["MISSING"]
