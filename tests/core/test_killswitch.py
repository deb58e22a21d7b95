from __future__ import annotations

import datetime as dt
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qgtm_core.errors import ConfigError
from qgtm_core.risk.killswitch import (
    KillLimits,
    ResetRequest,
    closed,
    evaluate,
    person,
    raised_tier,
    reset_refusal,
)
from qgtm_core.types import Gate, KillTier

LIMITS = KillLimits()
MILLION = 1_000_000.0
AT = dt.datetime(2026, 3, 5, 20, 30, tzinfo=dt.UTC)
REQUEST = ResetRequest("Ada", "marks repaired", AT, kill_state_id=7)
tiers = st.sampled_from(list(KillTier))
money = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True))


@pytest.mark.parametrize(
    ("equity", "tier"),
    [
        (1_010_000.0, KillTier.NORMAL),
        (990_000.0, KillTier.NORMAL),  # exactly half of the limit is not over it
        (989_999.0, KillTier.WARN),
        (985_000.0, KillTier.WARN),  # exactly three quarters
        (984_999.0, KillTier.THROTTLE),
        (980_001.0, KillTier.THROTTLE),
        (980_000.0, KillTier.NO_NEW),  # the limit itself
        (850_001.0, KillTier.NO_NEW),
        (850_000.0, KillTier.FLATTEN),  # the maximum drawdown itself
        (-1.0, KillTier.FLATTEN),
    ],
)
def test_each_loss_has_its_tier(equity: float, tier: KillTier) -> None:
    assert evaluate(equity, MILLION, MILLION, LIMITS).tier is tier


def test_a_slow_drawdown_flattens_without_a_daily_loss() -> None:
    gate = evaluate(85_000.0, 85_000.0, 100_000.0, LIMITS)
    assert gate == Gate(KillTier.FLATTEN, "drawdown 15.00% against a maximum of 15.00%")


def test_the_reason_carries_the_figures() -> None:
    assert evaluate(980_000.0, MILLION, MILLION, LIMITS).reason == "daily loss 2.00% against a limit of 2.00%"


def test_a_first_session_without_history_is_normal() -> None:
    assert evaluate(MILLION, None, None, LIMITS) == Gate(KillTier.NORMAL, "")


@pytest.mark.parametrize(
    ("equity", "previous", "peak"),
    [
        (None, MILLION, MILLION),
        (math.nan, MILLION, MILLION),
        (math.inf, MILLION, MILLION),
        (MILLION, math.nan, MILLION),
        (MILLION, 0.0, MILLION),
        (MILLION, MILLION, math.nan),
        (MILLION, MILLION, -1.0),
    ],
)
def test_a_figure_that_is_missing_or_no_number_closes_the_gate(
    equity: float | None, previous: float, peak: float
) -> None:
    assert evaluate(equity, previous, peak, LIMITS).tier is KillTier.NO_NEW


def test_incomplete_marks_close_the_gate_but_never_flatten() -> None:
    gate = evaluate(1.0, MILLION, MILLION, LIMITS, marks_complete=False)
    assert gate == Gate(KillTier.NO_NEW, "marks are missing")


@pytest.mark.parametrize(
    ("age_s", "tier"),
    [
        (None, KillTier.NORMAL),
        (0.0, KillTier.NORMAL),
        (180.0, KillTier.NORMAL),
        (180.5, KillTier.NO_NEW),
        (math.inf, KillTier.NO_NEW),
        (math.nan, KillTier.NO_NEW),
        (-1.0, KillTier.NO_NEW),  # a clock that jumped back proves nothing
    ],
)
def test_a_stale_reconciliation_closes_the_gate(age_s: float | None, tier: KillTier) -> None:
    assert evaluate(MILLION, MILLION, MILLION, LIMITS, reconciliation_age_s=age_s).tier is tier


def test_a_store_that_is_down_closes_the_gate() -> None:
    gate = evaluate(MILLION, MILLION, MILLION, LIMITS, store_available=False)
    assert gate == Gate(KillTier.NO_NEW, "the ledger is not available")


@pytest.mark.parametrize("latched", KillTier)
@pytest.mark.parametrize("equity", [MILLION, 989_000.0, 984_000.0, 980_000.0, 850_000.0])
def test_a_latched_tier_never_falls_and_keeps_its_reason(latched: KillTier, equity: float) -> None:
    fresh = evaluate(equity, MILLION, MILLION, LIMITS)
    gate = evaluate(equity, MILLION, MILLION, LIMITS, latched, "before")
    assert gate.tier == raised_tier(latched, fresh.tier)
    assert gate.reason == (fresh.reason if fresh.tier > latched else "before")


@given(equity=money, previous=money, peak=money, latched=tiers, age=money, complete=st.booleans(), up=st.booleans())
def test_no_input_lowers_the_tier_or_breaks_the_switch(equity, previous, peak, latched, age, complete, up) -> None:
    gate = evaluate(
        equity,
        previous,
        peak,
        LIMITS,
        latched,
        "before",
        marks_complete=complete,
        reconciliation_age_s=age,
        store_available=up,
    )
    assert gate.tier >= latched
    if equity is None or math.isnan(equity) or not complete or not up:
        assert gate.tier >= KillTier.NO_NEW
        if latched < KillTier.FLATTEN and (equity is None or math.isnan(equity) or not complete):
            assert gate.tier is not KillTier.FLATTEN


@given(st.floats(1e3, 1e9), st.floats(0.0, 0.5), st.floats(0.0, 0.5), st.floats(0.001, 0.2), st.floats(0.01, 0.9))
def test_a_deeper_loss_never_gives_a_lower_tier(
    previous: float, loss: float, further: float, daily_limit: float, max_drawdown: float
) -> None:
    limits = KillLimits(daily_limit, max_drawdown)
    shallow = evaluate(previous * (1 - loss), previous, previous, limits)
    deep = evaluate(previous * (1 - loss - further), previous, previous, limits)
    assert deep.tier >= shallow.tier


@pytest.mark.parametrize("latched", KillTier)
def test_a_failed_evaluation_is_a_closed_gate(latched: KillTier) -> None:
    gate = closed("no connection", latched, "before")
    assert gate.tier is max(latched, KillTier.NO_NEW)
    assert not gate.open
    assert gate.reason == ("before" if latched >= KillTier.NO_NEW else "no connection")


@pytest.mark.parametrize("value", [0.0, -0.1, math.nan, math.inf])
@pytest.mark.parametrize("name", ["daily_loss_limit", "max_drawdown", "reconciliation_stale_after"])
def test_a_limit_that_limits_nothing_is_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=name):
        KillLimits(**{name: value})


def test_another_person_may_approve_within_fifteen_minutes() -> None:
    for wait_s in (0, 900):
        assert reset_refusal(REQUEST, "Grace", AT + dt.timedelta(seconds=wait_s), 7, reconciled=True) is None


@pytest.mark.parametrize(
    ("request_", "by", "wait_s", "kill_state_id", "reconciled", "why"),
    [
        (None, "Grace", 0, 7, True, "no pending request"),
        (REQUEST, "", 0, 7, True, "no name"),
        (REQUEST, "  ", 0, 7, True, "no name"),
        (REQUEST, "Ada", 0, 7, True, "another person"),
        (REQUEST, " aDa ", 0, 7, True, "another person"),
        (REQUEST, "Ａｄａ", 0, 7, True, "another person"),
        (REQUEST, "Ádá", 0, 7, True, "another person"),
        (REQUEST, "A.d-a", 0, 7, True, "another person"),
        (REQUEST, "Grace", 901, 7, True, "15 minutes"),
        (REQUEST, "Grace", -1, 7, True, "15 minutes"),
        (REQUEST, "Grace", 0, 8, True, "tier has changed"),
        (REQUEST, "Grace", 0, 7, False, "do not match"),
    ],
)
def test_anything_less_than_two_persons_on_clean_books_is_refused(
    request_, by, wait_s, kill_state_id, reconciled, why
) -> None:
    at = AT + dt.timedelta(seconds=wait_s)
    assert why in str(reset_refusal(request_, by, at, kill_state_id, reconciled=reconciled))


def test_names_are_compared_without_decoration() -> None:
    assert person("  Ada Lovelace ") == person("ADA-LOVELACE") == "adalovelace"
