"""The evidence record: what it says, what it depends on, and when a strategy passes."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from qgtm_core import calendar
from qgtm_core.backtest.evidence.gates import GATES, Gate, Verdict
from qgtm_core.backtest.evidence.judgement import Family, Method, judge, regime_rows
from qgtm_core.backtest.evidence.record import Evidence, Stamps, Subject, Tried, distinct_rows, evidence_of, sample_of
from qgtm_core.backtest.evidence.trial_record import Evaluation
from qgtm_core.backtest.evidence.trials import Trial
from qgtm_core.backtest.metrics import annual_sharpe, performance
from qgtm_core.maths.validation import deflated_sharpe, moments, probabilistic_sharpe
from qgtm_core.schemas.results import EVIDENCE_TABLE, OUT_OF_SAMPLE_TABLE, VALIDATION_TABLE

SESSIONS = tuple(calendar.schedule(dt.date(2012, 1, 3), dt.date(2017, 12, 29))["session"].to_list())
T = len(SESSIONS)
STAMPS = Stamps("book", "costs", "code", "data", "trials")
NO_REGIMES: dict[str, NDArray[np.bool_]] = {}


def noise(sets: int = 5, drift: float = 0.0, seed: int = 3) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(drift, 0.01, (sets, T))


def subject(returns: NDArray[np.float64], **changes: Any) -> Subject:
    made = Subject(
        strategy_id="tsmom",
        status="PAPER",
        horizon=5,
        params_hash="abc",
        changes=("", *(f"z0 2 → {n}" for n in range(1, len(returns)))),
        returns=returns,
        gross=returns[0] + 1e-4,
        turnover=np.full(T, 0.1),
        spoke=np.ones(T, dtype=bool),
        capacity=((1e6, 0.5), (1e9, None)),
        capacity_usd=2e7,
    )
    return replace(made, **changes)


def tried(returns: NDArray[np.float64], count: int = 5) -> Tried:
    return Tried(count, tuple(moments(row).sharpe for row in returns))


def evidence(returns: NDArray[np.float64], **changes: Any) -> Evidence:
    own = tried(returns)
    return evidence_of(subject(returns, **changes), SESSIONS, NO_REGIMES, own, replace(own, count=600), STAMPS)


def record(returns: NDArray[np.float64], **changes: Any) -> dict[str, Any]:
    return evidence(returns, **changes).record.row(0, named=True)


def test_the_rows_are_those_of_the_declared_tables() -> None:
    found = evidence(noise())
    assert EVIDENCE_TABLE.require_valid(found.record).height == 1
    assert VALIDATION_TABLE.require_valid(found.validation).height > 0
    assert OUT_OF_SAMPLE_TABLE.require_valid(found.out_of_sample).height > 0


def test_the_same_inputs_give_the_same_record_three_times() -> None:
    first, second, third = (evidence(noise()) for _ in range(3))
    assert first.record.equals(second.record)
    assert first.record.equals(third.record)
    assert first.validation.equals(third.validation)


@pytest.mark.parametrize("stamp", ["costs_hash", "code_version", "data_hash", "trials_hash"])
def test_whatever_it_depends_on_changes_its_hash(stamp: str) -> None:
    returns = noise()
    own = tried(returns)
    changed = evidence_of(subject(returns), SESSIONS, NO_REGIMES, own, own, replace(STAMPS, **{stamp: "other"}))
    same = evidence_of(subject(returns), SESSIONS, NO_REGIMES, own, own, STAMPS)
    assert changed.record["evidence_hash"][0] != same.record["evidence_hash"][0]


def test_one_return_changes_its_hash() -> None:
    returns = noise()
    other = returns.copy()
    other[3, 1000] += 1e-6
    assert record(returns)["evidence_hash"] != record(other)["evidence_hash"]


def test_the_whole_sample_has_the_figures_of_the_one_metrics_module() -> None:
    returns = noise(drift=3e-4)
    found, figures = record(returns), performance(returns[0])
    for name in ("sessions", "sharpe", "annual_return", "annual_vol", "max_drawdown"):
        assert found[name] == getattr(figures, name)
    assert found["gross_sharpe"] == annual_sharpe(returns[0] + 1e-4)
    assert found["annual_cost"] == pytest.approx(1e-4 * 252)
    assert found["annual_turnover"] == pytest.approx(0.1 * 252)
    assert found["sharpe_low"] < found["sharpe"] < found["sharpe_high"]


def test_chances_are_those_of_the_published_formulas() -> None:
    returns = noise(drift=3e-4)
    found, seen, own = record(returns), moments(returns[0]), tried(returns)
    assert found["psr"] == probabilistic_sharpe(seen)
    assert found["dsr"] == deflated_sharpe(seen, 5, own.variance)
    assert found["dsr_library"] == deflated_sharpe(seen, 600, own.variance)
    assert found["dsr_library"] < found["dsr"] < found["psr"]


def test_out_of_sample_begins_three_years_and_an_embargo_after_the_first_signal() -> None:
    found = evidence(noise())
    assert found.out_of_sample["session"][0] == SESSIONS[756 + 21]
    assert found.record["oos_sessions"][0] == found.out_of_sample.height == T - 756 - 21
    assert found.record["oos_sharpe"][0] == annual_sharpe(found.out_of_sample["return_1d"].to_numpy())


def test_what_is_chosen_for_a_session_was_best_long_before_it() -> None:
    returns = noise(sets=3)
    returns[2, : T // 2] += 0.004  # best by far, until it fails
    returns[2, T // 2 :] -= 0.004
    found = evidence(returns)
    first = found.out_of_sample.row(0, named=True)
    assert first["trial"] == "z0 2 → 2"
    assert found.record["in_sample_sharpe"][0] > 2.0
    assert found.record["oos_sharpe"][0] < 0.0


def test_a_strategy_with_skill_passes_and_noise_fails() -> None:
    assert record(noise(sets=5, drift=2.5e-3, seed=8))["verdict"] == Verdict.PASS.value
    failing = record(noise(seed=9))
    assert failing["verdict"] == Verdict.FAIL.value
    assert "deflated Sharpe" in failing["failed"]


def test_a_short_sample_fails_by_its_length_and_still_has_its_figures() -> None:
    heard = np.zeros(T, dtype=bool)
    heard[100:300] = True
    found = record(noise(drift=2e-3), spoke=heard)
    assert found["sessions"] == 200
    assert found["failed"].startswith("sample 200, needs ≥ 756")
    assert found["oos_sharpe"] is None
    assert (found["first"], found["last"]) == (SESSIONS[100], SESSIONS[299])


def test_a_strategy_that_never_spoke_says_what_is_missing() -> None:
    found = evidence(noise() * 0.0, spoke=np.zeros(T, dtype=bool), missing="no rows of macro")
    row = found.record.row(0, named=True)
    assert (row["verdict"], row["failed"], row["sessions"]) == ("NO_DATA", "no rows of macro", 0)
    assert row["sharpe"] is None
    assert found.validation.is_empty()
    assert found.out_of_sample.is_empty()


def test_silence_without_a_known_reason_is_said_too() -> None:
    found = record(noise() * 0.0, spoke=np.zeros(T, dtype=bool))
    assert found["failed"] == "it never had a signal in these sessions"


def test_one_parameter_set_alone_cannot_be_overfitted() -> None:
    found = record(noise(sets=1, drift=2.5e-3, seed=8))
    assert found["pbo"] is None
    assert found["verdict"] == Verdict.PASS.value


def test_a_change_without_effect_is_no_alternative() -> None:
    returns = noise(sets=2)
    assert distinct_rows(np.stack([returns[0], returns[0], returns[1], np.zeros(T)])) == [0, 2]
    assert record(np.stack([returns[0], returns[0]]))["pbo"] is None


def test_returns_that_never_vary_have_no_chances() -> None:
    found = record(noise(sets=1) * 0.0)
    assert [found[name] for name in ("sharpe", "sharpe_low", "psr", "dsr", "pbo")] == [None] * 5
    assert found["verdict"] == Verdict.FAIL.value


def test_the_spread_of_trials_is_that_of_long_samples_and_of_different_results() -> None:
    stamp = Evaluation("c", "d", SESSIONS[0], SESSIONS[-1], T, dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    trials = [Trial.of("tsmom", {"z": z}) for z in range(4)]
    rows = [
        stamp.row(trials[0], 0.01),
        stamp.row(trials[1], 0.01),
        stamp.row(trials[2], 0.03),
        replace(stamp, periods=100).row(trials[3], 0.9),
        stamp.row(trials[3], None, "it raised"),
    ]
    found = Tried.of(rows, 77)
    assert (found.count, found.sharpes) == (77, (0.01, 0.03))
    assert found.variance == pytest.approx(0.0002)
    assert Tried.of(rows[:1], 1).variance == 0.0


def test_the_sample_runs_from_the_first_signal_to_the_last() -> None:
    assert sample_of(np.array([False, True, False, True, False])) == slice(1, 4)
    assert sample_of(np.zeros(3, dtype=bool)) == slice(0, 0)


@pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.column)
def test_every_gate_holds_at_its_limit_and_not_beyond(gate: Gate) -> None:
    beyond = -1e-9 if gate.at_least else 1e-9
    assert gate.passes({gate.column: gate.limit})
    assert not gate.passes({gate.column: gate.limit + beyond * max(gate.limit, 1.0)})
    assert gate.passes({gate.column: None}) is not gate.needed
    assert gate.told({gate.column: None}).startswith(f"{gate.name} none, needs")


def test_all_ways_of_judging_leave_their_rows() -> None:
    found = evidence(noise())
    counts = dict(found.validation["method"].value_counts().iter_rows())
    folds = -(-(T - 756 - 21) // 126)
    assert counts == {
        "EXPANDING": folds, "ROLLING": folds, "KFOLD": 6, "CPCV": 9, "YEAR": 6, "CAPACITY": 2,
    }  # fmt: skip
    assert found.record["cpcv_paths"][0] == 9
    paths = found.validation.filter(method=Method.CPCV.value)["sharpe"]
    assert found.record["cpcv_median"][0] == pytest.approx(paths.median())


def test_regimes_and_years_split_the_registered_returns() -> None:
    returns = noise(sets=1)
    family = Family(SESSIONS, returns, ("",), 1)
    calm = np.arange(T) % 2 == 0
    rows = {row["label"]: row for row in regime_rows(family, {"calm": calm, "wild": ~calm})}
    assert rows["calm"]["sessions"] + rows["wild"]["sessions"] == T
    assert rows["calm"]["sharpe"] == annual_sharpe(returns[0][calm])
    assert sum(rows[str(year)]["sessions"] for year in range(2012, 2018)) == T
    assert rows["2014"]["first"].year == rows["2014"]["last"].year == 2014


def test_too_short_a_sample_leaves_the_ways_out_that_need_more() -> None:
    few = SESSIONS[:100]
    found = judge(Family(few, noise()[:, :100], ("",) * 5, 1))
    assert found.rows == []
    assert not len(found.paths)
    assert np.isnan(found.kfold).all()


def test_a_capacity_without_a_figure_is_null() -> None:
    rows = evidence(noise()).validation.filter(pl.col("method") == "CAPACITY")
    assert dict(rows.select("label", "sharpe").iter_rows()) == {"1000000": 0.5, "1000000000": None}
