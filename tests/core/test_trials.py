"""Trials: which parameters can be varied, what the neighbours are, and that only the parameters differ."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl
import polars.selectors as cs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qgtm_core import calendar
from qgtm_core.backtest.evidence.trial_record import BEST_SCHEMA, Evaluation, MemoryTrials, digest_of, rows_of, summary
from qgtm_core.backtest.evidence.trials import (
    LIMIT,
    Family,
    Trial,
    evaluate_trials,
    families,
    moved,
    neighbourhood,
    sweep,
)
from qgtm_core.errors import ConfigError, InvariantError
from qgtm_core.strategies.evaluate import evaluate, evaluate_all
from qgtm_core.strategies.panel import signal_key
from qgtm_core.strategies.registry import REGISTRY
from qgtm_core.strategies.spec import Cadence, Strategy, consumed
from qgtm_core.strategies.variants import leaves, name_of, read_by, value_at, with_values
from qgtm_core.types import StrategyStatus
from qgtm_core.universe import TRADED
from tests.core.strategies.strategy_frames import asked, healthy

FIRST, LAST = dt.date(2024, 5, 1), dt.date(2024, 6, 28)
AT = dt.datetime(2026, 3, 5, 20, 30, tzinfo=dt.UTC)
DAILY = {key: s for key, s in REGISTRY.items() if s.cadence is not Cadence.INTRADAY}
PANEL = pl.DataFrame({"session": [FIRST, LAST], "symbol": ["GLD"] * 2, "z_252": [1.0, -3.0], "z_189": [9.0, 9.0]})
PARAMS: Mapping[str, Any] = {
    "win": 252,
    "z0": 2.0,
    "w": [0.5, 0.3],
    "deep": {"a": 4, "b": 5},
    "on": True,
    "never": 7.0,
    "none": 0.0,
    "kinds": ["cpi", "nfp"],
    "speeds": [[16, 64], [32, 128]],
}


def toy(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
    """Reads most parameters, each in its own way."""
    z = pl.col(f"z_{params['win']}")
    first, second = params["w"]
    speed = sum(pl.col(f"z_{params['win']}") / slow for _, slow in params["speeds"])
    sign = -1.0 if params["on"] else 1.0
    bias = params["none"] + len(params["kinds"]) * 0.0
    size = (first * z + second * speed * 0.0) / params["z0"] + bias
    return panel.select(score=(sign * size * (params["deep"]["a"] / 4)).clip(-1.0, 1.0), quality=pl.lit(1.0))


def a_strategy(**changes: Any) -> Strategy:
    return replace(REGISTRY["etf_flow_pm"], **{"id": "toy", "params": PARAMS, "rule": toy, **changes})


@lru_cache(maxsize=1)
def features() -> dict[str, pl.DataFrame]:
    """Healthy tables of all strategies, known an hour before each decision; nobody ever fitted the meta-labeller."""
    lookback = max(s.lookback for s in DAILY.values())
    days = asked(calendar.offset_session(FIRST, -lookback), LAST)
    names = dict.fromkeys(table for s in DAILY.values() for table in s.tables)
    tables = {name: healthy(name, days).with_columns(cs.datetime() + dt.timedelta(hours=21)) for name in names}
    fitted = {"payload": pl.lit(None, dtype=pl.String)}
    return {name: t.with_columns(**fitted) if "payload" in t.columns else t for name, t in tables.items()}


@lru_cache(maxsize=1)
def signals() -> dict[str, pl.DataFrame]:
    return evaluate_all(DAILY, features(), asked(FIRST, LAST), include_quarantined=True)


@lru_cache(maxsize=1)
def library() -> dict[str, Family]:
    """All families over two months."""
    return {f.strategy_id: f for f in families(DAILY, DAILY, features(), asked(FIRST, LAST), signals=signals())}


def own(family: Family, number: int) -> np.ndarray:
    """Scores of a trial over the strategy's own traded symbols, (sessions, symbols)."""
    symbols = [s for s in sorted(DAILY[family.strategy_id].symbols) if s in TRADED]
    return family.scores[number][:, [TRADED.index(s) for s in symbols]]


def scores_of(signal: pl.DataFrame) -> np.ndarray:
    """Scores of a signal table, (sessions, traded symbols)."""
    traded = signal.filter(pl.col("symbol").is_in(TRADED))
    return traded["score"].to_numpy().reshape(signal["session"].n_unique(), -1)


def same_bits(one: np.ndarray, other: np.ndarray) -> bool:
    return (
        one.shape == other.shape
        and np.where(np.isnan(one), np.nan, one).tobytes() == np.where(np.isnan(other), np.nan, other).tobytes()
    )


def test_a_parameter_the_rule_computes_with_is_read_wherever_it_stands() -> None:
    read = {name_of(place) for place in read_by(a_strategy(), PANEL)}
    assert {"z0", "w[0]", "w[1]", "deep.a", "on", "none", "speeds[1][1]"} <= read


def test_a_parameter_that_names_a_column_or_is_never_read_or_is_a_word_is_left_out() -> None:
    read = {name_of(place) for place in read_by(a_strategy(), PANEL)}
    assert not read & {"win", "never", "deep.b", "kinds[0]"}


def test_a_number_written_in_any_way_names_a_column() -> None:
    def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
        said = str(params["z0"]) + f"{params['win']:d}" + "%s" % params["deep"]["a"] + f"{params['w'][0]:.2f}"  # noqa: UP031
        return panel.select(score=pl.lit(0.0), quality=pl.lit(float(len(said)) * 0.0))

    assert {name_of(p) for p in read_by(a_strategy(rule=rule), PANEL)} == {"w[1]"}


def test_watching_a_rule_does_not_change_what_it_says() -> None:
    said: list[pl.DataFrame] = []

    def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
        assert dict(params) == dict(params)
        assert len(params) == len(PARAMS)
        said.append(toy(panel, params))
        return said[-1]

    read_by(a_strategy(rule=rule), PANEL)
    assert said[0].equals(toy(PANEL, PARAMS))


numbers = st.one_of(st.integers(-10_000, 10_000), st.floats(-1e6, 1e6, allow_subnormal=False)).filter(bool)


@given(numbers)
def test_a_number_has_two_neighbours_one_on_either_side(value: float) -> None:
    low, high = moved(value)
    assert low < value < high
    assert type(low) is type(high) is type(value)


@given(st.floats(1e-6, 1e6))
def test_a_decimal_moves_by_a_quarter(value: float) -> None:
    assert moved(value) == pytest.approx((0.75 * value, 1.25 * value), rel=1e-11)


@pytest.mark.parametrize(
    ("value", "neighbours"),
    [(1, (0, 2)), (2, (1, 3)), (20, (15, 25)), (-20, (-25, -15)), (0.3, (0.225, 0.375)), (-2.0, (-2.5, -1.5))],
)
def test_whole_numbers_stay_whole_and_decimals_legible(value: float, neighbours: tuple[float, float]) -> None:
    assert moved(value) == neighbours


def test_a_boolean_is_turned_over_and_a_zero_has_no_neighbours() -> None:
    assert (moved(value=True), moved(value=False)) == ((False,), (True,))
    assert moved(0) == moved(0.0) == ()


def test_the_neighbourhood_begins_with_the_registered_set_and_moves_one_leaf_at_a_time() -> None:
    strategy = a_strategy()
    trials = neighbourhood(strategy, read_by(strategy, PANEL))
    assert trials[0] == Trial("toy", PARAMS, "", strategy.params_hash)
    assert [t.changed for t in trials[1:6]] == [
        "z0 2 → 1.5",
        "z0 2 → 2.5",
        "w[0] 0.5 → 0.375",
        "w[0] 0.5 → 0.625",
        "w[1] 0.3 → 0.225",
    ]
    for trial in trials[1:]:
        moved_leaves = [p for p in leaves(PARAMS) if value_at(trial.params, p) != value_at(PARAMS, p)]
        assert [name_of(p) for p in moved_leaves] == [trial.changed.split()[0]]
        assert trial.params_hash == replace(strategy, params=trial.params).params_hash
    assert len({t.params_hash for t in trials}) == len(trials)
    assert {"none", "win"}.isdisjoint(t.changed.partition(" ")[0] for t in trials)


def test_weights_are_not_brought_back_to_one() -> None:
    strategy = a_strategy()
    trial = next(t for t in neighbourhood(strategy, {("w", 0)}) if t.changed == "w[0] 0.5 → 0.625")
    assert trial.params["w"] == [0.625, 0.3]


def test_changing_a_copy_leaves_the_registered_parameters_alone() -> None:
    changed = with_values(PARAMS, {("w", 1): 9.0, ("deep", "a"): 8, ("none",): 1.0})
    assert (changed["w"], changed["deep"]["a"], changed["none"]) == ([0.5, 9.0], 8, 1.0)
    assert (PARAMS["w"], PARAMS["deep"]["a"], PARAMS["none"]) == ([0.5, 0.3], 4, 0.0)


def test_a_grid_is_every_combination_and_the_registered_set_once() -> None:
    strategy = a_strategy()
    trials = sweep(strategy, {"z0": [1.5, 2.0, 2.5], "w[1]": [0.3, 0.0]}, read_by(strategy, PANEL))
    assert [t.changed for t in trials] == [
        "",
        "z0 2 → 1.5",
        "z0 2 → 1.5, w[1] 0.3 → 0",
        "w[1] 0.3 → 0",
        "z0 2 → 2.5",
        "z0 2 → 2.5, w[1] 0.3 → 0",
    ]


@pytest.mark.parametrize(
    ("grid", "words"),
    [
        ({"z1": [1.0]}, "'z1' does not exist; vary z0, w"),
        ({"win": [126]}, "'win' names a column of the features or is not read"),
        ({"z0": []}, "'z0' needs a list of different numbers"),
        ({"z0": ["2"]}, "'z0' needs a list of different numbers"),
        ({"z0": [1.0, 1.0]}, "'z0' needs a list of different numbers"),
        ({"z0": [math.nan]}, "'z0' needs a list of different numbers"),
        ({"z0": list(range(1, 28)), "w[0]": list(range(20))}, f"540 parameter sets are too many.*at most {LIMIT}"),
    ],
    ids=["unknown", "look-back", "empty", "text", "twice", "nan", "many"],
)
def test_a_grid_that_cannot_be_tried_is_refused(grid: dict[str, list[Any]], words: str) -> None:
    strategy = a_strategy()
    with pytest.raises(ConfigError, match=words):
        sweep(strategy, grid, read_by(strategy, PANEL))


def test_registered_parameters_score_to_the_last_bit_what_the_signals_say() -> None:
    assert set(library()) == set(DAILY)
    spoke = 0
    for key, family in library().items():
        assert family.trials[0].params_hash == DAILY[key].params_hash
        assert same_bits(own(family, 0), scores_of(signals()[key])), key
        spoke += bool(np.isfinite(family.scores[0]).any())
    assert spoke >= 60  # equality of silence says little


def test_a_trial_scores_what_a_strategy_registered_with_its_parameters_would() -> None:
    compared = 0
    for key in ("real_rate_gold", "tsmom", "gold_silver_ratio", "pairs_mr", "precious_metals", "gold_tsmom"):
        strategy, family = DAILY[key], library()[key]
        told = {signal_key(child): signals()[child] for child in consumed(strategy, DAILY)}
        for n, trial in enumerate(family.trials):
            other = replace(strategy, params=trial.params)
            found = evaluate(other, {**features(), **told}, asked(FIRST, LAST), include_quarantined=True)
            assert same_bits(own(family, n), scores_of(found)), (key, trial.changed)
            compared += 1
    assert compared > 50


def test_dead_strategies_speak_in_trials() -> None:
    dead = [key for key, s in DAILY.items() if s.status is StrategyStatus.DEAD]
    assert sum(bool(np.isfinite(library()[key].scores[0]).any()) for key in dead) >= 4


def test_symbols_a_strategy_does_not_trade_are_silent() -> None:
    family = library()["real_rate_gold"]
    assert family.symbols == TRADED
    assert family.scores.shape == (len(family.trials), len(asked(FIRST, LAST)), len(TRADED))
    others = [n for n, symbol in enumerate(TRADED) if symbol not in DAILY["real_rate_gold"].symbols]
    assert np.isnan(family.scores[:, :, others]).all()


def test_the_symbols_may_be_chosen() -> None:
    (family,) = families(["inventory_surprise"], DAILY, features(), asked(FIRST, LAST), symbols=("USO", "GLD"))
    assert family.symbols == ("USO", "GLD")
    assert family.scores.shape[2] == 2


def test_trials_with_the_same_scores_are_known_by_the_first_of_them() -> None:
    family = library()["etf_flow_pm"]  # `q_derived` moves the quality only
    assert [t.changed for t in family.trials] == [
        "",
        "z0 2 → 1.5",
        "z0 2 → 2.5",
        "q_derived 0.6 → 0.45",
        "q_derived 0.6 → 0.75",
    ]
    assert family.first_alike.tolist() == [0, 1, 2, 0, 0]
    assert family.distinct.tolist() == [0, 1, 2]


def test_a_set_the_rule_cannot_work_with_is_a_fault_with_its_reason() -> None:
    family = library()["vol_risk_parity"]
    assert [t.changed for t in family.faulted] == ["lam 0.97 → 0.7275", "lam 0.97 → 1.2125"]
    assert "vol_ewma_73" in family.faults[family.faulted[0].params_hash]
    assert not {t.params_hash for t in family.trials} & set(family.faults)


def test_a_score_out_of_range_is_a_fault_of_the_set_and_an_error_of_the_registered_one() -> None:
    def rule(panel: pl.DataFrame, params: Mapping[str, Any]) -> pl.DataFrame:
        return panel.select(score=pl.repeat(params["z0"], pl.len()), quality=pl.lit(1.0))

    def family(z0: float) -> Family:
        return evaluate_trials(a_strategy(rule=rule, params={"z0": z0}), features(), asked(FIRST, LAST))

    assert next(iter(family(1.0).faults.values())).startswith("InvariantError: toy: score or quality out of range")
    with pytest.raises(InvariantError, match="out of range"):
        family(2.0)


def test_trials_may_be_given_but_begin_with_the_registered_set() -> None:
    strategy, days = DAILY["etf_flow_pm"], asked(FIRST, LAST)
    trials = sweep(strategy, {"z0": [1.0, 3.0]}, {("z0",)})
    assert evaluate_trials(strategy, features(), days, trials).trials == trials
    for wrong in (trials[1:], ()):
        with pytest.raises(ConfigError, match="first trial is not the registered"):
            evaluate_trials(strategy, features(), days, wrong)


def test_there_are_no_trials_without_sessions() -> None:
    with pytest.raises(ConfigError, match="no sessions"):
        evaluate_trials(DAILY["tsmom"], features(), asked(FIRST).clear())
    assert list(families(["tsmom"], DAILY, features(), asked(FIRST).clear())) == []
    assert list(families([], DAILY, features(), asked(FIRST, LAST))) == []


def test_signals_that_are_consumed_are_computed_where_they_are_not_given() -> None:
    (family,) = families(["precious_metals"], DAILY, features(), asked(FIRST, LAST))
    assert np.isfinite(family.scores[0]).any()
    assert family.scores.tobytes() == library()["precious_metals"].scores.tobytes()


EVALUATION = Evaluation("v1", "data", FIRST, LAST, 40, AT)


def test_a_family_is_recorded_trial_by_trial_and_fault_by_fault() -> None:
    family = library()["vol_risk_parity"]
    sharpe = [0.05, math.nan, *[0.02] * (len(family.trials) - 2)]
    rows = rows_of(family, sharpe, EVALUATION)
    assert [r.params_hash for r in rows] == [t.params_hash for t in (*family.trials, *family.faulted)]
    assert [r.sharpe for r in rows[:2]] == [0.05, None]
    assert [(r.sharpe, r.periods) for r in rows[-2:]] == [(None, 0)] * 2
    assert "vol_ewma_73" in (rows[-2].fault or "")
    with pytest.raises(ValueError, match="zip"):
        rows_of(family, sharpe[1:], EVALUATION)


def test_the_digest_knows_neither_order_nor_repetition() -> None:
    assert digest_of([("b", "1"), ("a", "2"), ("b", "1")]) == digest_of([("a", "2"), ("b", "1")])
    assert digest_of([("a", "2")]) != digest_of([("a", "3")]) != digest_of([])


def test_the_summary_counts_faults_and_names_the_best_and_the_registered() -> None:
    ledger = MemoryTrials()
    registered, better = Trial.of("s", {"z0": 2.0}), Trial.of("s", {"z0": 1.5}, "z0 2 → 1.5")
    broken = Trial.of("s", {"z0": 0.0}, "z0 2 → 0")
    ledger.record([EVALUATION.row(registered, 0.01), EVALUATION.row(better, 0.03)])
    ledger.record([EVALUATION.row(broken, None, "it failed"), EVALUATION.row(Trial.of("t", {}), None)])
    s, t = summary(ledger.best_known()).iter_rows(named=True)
    assert (s["trials"], s["faults"], s["best"], s["best_changed"], s["registered"]) == (3, 1, 0.03, "z0 2 → 1.5", 0.01)
    assert (t["trials"], t["faults"], t["best"], t["best_changed"], t["registered"]) == (1, 0, None, None, None)


def test_of_two_registered_sets_the_summary_takes_the_later() -> None:
    ledger = MemoryTrials()
    later = replace(EVALUATION, evaluated_at=AT + dt.timedelta(days=1))
    ledger.record([later.row(Trial.of("s", {"z0": 9.0}), 0.02), EVALUATION.row(Trial.of("s", {"z0": 2.0}), 0.01)])
    assert summary(ledger.best_known())["registered"].to_list() == [0.02]


def test_an_empty_ledger_has_an_empty_summary() -> None:
    best = MemoryTrials().best_known()
    assert best.schema == pl.Schema(BEST_SCHEMA)
    assert summary(best).is_empty()
