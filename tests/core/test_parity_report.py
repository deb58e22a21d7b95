"""Parity of live and backtest: a session recorded with one world is run again with another, and each cause is named."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
import pytest

from qgtm_core.backtest.parity.records import Changed, Ended, Raised
from qgtm_core.backtest.parity.report import Cause, Facts, Level, Report, Sides, Stages, compare, unexplained_share
from qgtm_core.backtest.parity.rerun import Bench, nothing, run_again, run_staged, with_signals
from qgtm_core.correlation import correlation_id
from qgtm_core.execution.intents import client_order_id
from qgtm_core.policy import Policy, PortfolioPolicy, RiskLimits
from qgtm_core.schemas.parity import PARITY_TABLE
from qgtm_core.schemas.signals import signal_table
from qgtm_core.types import BookState, Execution, Gate, KillTier, OrderState, Side
from qgtm_core.view import SessionView
from tests.core.views import SESSION, book, market_row, view

POLICY = Policy()
OPENING = book("1000000", GLD=500)
AT = dt.datetime(2024, 6, 12, 19, 30, tzinfo=dt.UTC)
CHANGED = (Changed("pit/prices", 3, 0),)


def market(price: float = 100.0) -> dict[str, Any]:
    return {symbol: market_row(symbol, price) for symbol in ("GLD", "SLV", "GDX", "UGL")}


def bench(policy: Policy = POLICY, state: BookState = OPENING, price: float = 100.0) -> Bench:
    return Bench(state, ("momentum",), policy, market(price))


def signals_of(of: SessionView, params: str = "p1", name: str = "s0") -> pl.DataFrame:
    rows = [
        {
            "session": of.session,
            "strategy_id": name,
            "symbol": symbol,
            "score": float(score),
            "confidence": 1.0,
            "status": "OK",
            "reason": None,
            "horizon_sessions": 5,
            "as_of_max": None,
            "available_at": None,
            "decided_at": of.decided_at,
            "correlation_id": correlation_id(of.session, symbol),
            "params_hash": params,
        }
        for symbol, score in zip(of.symbols, of.score[0], strict=True)
    ]
    return pl.DataFrame(rows, schema=signal_table("any").dtypes)


def facts_of(live: Stages, **changes: Any) -> Facts:
    given: dict[str, Any] = {
        "session": SESSION,
        "book": "test",
        "opened": True,
        "policy_hash": POLICY.policy_hash,
        "params": {"s0": "p1", "s1": "p1"},
        "traded": frozenset({"s0"}),
        "orders": {i.client_order_id: Ended(OrderState.FILLED, "", "b1") for i in live.intents},
        "ranges": dict.fromkeys(("GLD", "SLV", "GDX", "UGL"), (99.0, 101.0)),
    }
    return Facts(**{**given, **changes})


def recorded(of: SessionView | None = None, on: Bench | None = None, params: str = "p1") -> Stages:
    """A session as live would have recorded it."""
    of = of or view()
    return run_again(on or bench(), of, signals_of(of, params))[0]


def report(
    live: Stages,
    now: SessionView | None = None,
    on: Bench | None = None,
    known: SessionView | None = None,
    told: pl.DataFrame | None = None,
    **facts: Any,
) -> Report:
    """Compare what was recorded with the world as it is now; `known` is the world without what came later."""
    now, on = now or view(), on or bench()
    told = signals_of(now) if told is None else told
    again, short = run_again(on, with_signals(now, told), told)
    staged, short_live = run_staged(on, with_signals(now, live.signals), told, live)
    then = None
    if known is not None:
        then, _ = run_staged(on, with_signals(known, live.signals), signals_of(known), live)
    given = facts_of(live, shortfalls={**short, **short_live}, **facts)
    return compare(Sides(live, again, staged, then), given)


def causes(found: Report, *levels: Level) -> set[str]:
    rows = found.rows if not levels else found.rows.filter(pl.col("level").is_in([level.value for level in levels]))
    return set(rows["cause"])


def filled_otherwise(live: Stages, *, price: str | None = None, shares: int | None = None) -> Stages:
    """The first order's fills at another price, or of other shares (0 = none)."""
    order = live.intents[0].client_order_id
    own = [fill for fill in live.executions if fill.client_order_id == order]
    others = [fill for fill in live.executions if fill.client_order_id != order]
    first = replace(own[0], quantity_shares=live.intents[0].quantity_shares)
    if price is not None:
        first = replace(first, price=Decimal(price))
    if shares is not None:
        first = replace(first, quantity_shares=Decimal(shares))
    return replace(live, executions=(*others, *([first] if first.quantity_shares else [])))


# nothing differs


def test_a_session_run_again_in_the_same_world_has_no_difference() -> None:
    live = recorded()
    found = report(live)
    assert live.intents
    assert found.rows.is_empty()
    assert found.intents_identical
    assert unexplained_share([found]) == 0.0
    assert [(c.level, c.compared, c.equal) for c in found.levels()] == [
        ("SIGNAL", 4, 4),
        ("TARGET", 4, 4),
        ("ORDER", 4, 4),
        ("FILL", len(live.intents), len(live.intents)),
        ("FEES", 1, 1),
    ]


def test_the_recorded_signals_put_back_into_a_view_are_the_view() -> None:
    wild = np.full((1, 4), np.nan)
    again = with_signals(replace(view(), score=wild, confidence=wild), signals_of(view()))
    assert np.array_equal(again.score, view().score)
    assert np.array_equal(again.confidence, view().confidence)


def test_rows_are_those_of_the_declared_table() -> None:
    found = report(recorded(), now=view(score=0.3))
    assert PARITY_TABLE.require_valid(found.rows).height > 0


# signals


def test_a_parameter_that_changed_explains_signals_and_all_that_follows_from_them() -> None:
    found = report(recorded(params="p0"), now=view(score=[0.1, 0.5, 0.5, 0.5]))
    assert causes(found) == {Cause.CODE_CHANGED}
    assert {row["level"] for row in found.rows.to_dicts()} == {"SIGNAL", "TARGET", "ORDER", "FILL"}
    assert not found.intents_identical
    assert "p0 then, p1 now" in found.rows.filter(level="SIGNAL")["explanation"][0]


def test_a_row_that_came_late_is_proven_by_the_run_without_it() -> None:
    found = report(recorded(), now=view(score=0.3), known=view(), changed=CHANGED)
    assert causes(found) == {Cause.DATA_LATE}
    assert "pit/prices 3 rows (0 revised)" in found.rows.filter(level="SIGNAL")["explanation"][0]


def test_a_revision_is_told_from_a_late_row() -> None:
    found = report(recorded(), now=view(score=0.3), known=view(), changed=(Changed("pit/macro", 1, 1),))
    assert causes(found, Level.SIGNAL) == {Cause.DATA_REVISED}


def test_later_rows_explain_nothing_that_is_still_different_without_them() -> None:
    found = report(recorded(), now=view(score=0.3), known=view(score=0.4), changed=CHANGED)
    assert causes(found, Level.SIGNAL) == {Cause.UNEXPLAINED}
    assert causes(found) == {Cause.UNEXPLAINED}, "what follows from the unexplained is not explained"


def test_a_signal_that_differs_without_a_record_is_unexplained() -> None:
    found = report(recorded(), now=view(score=0.3))
    assert causes(found, Level.SIGNAL) == {Cause.UNEXPLAINED}
    assert unexplained_share([found]) == 1.0


def test_a_strategy_that_was_not_run_is_told_from_one_that_said_something_else() -> None:
    told = pl.concat([signals_of(view()), signals_of(view(), name="s1")])
    found = report(recorded(), told=told)
    assert causes(found) == {Cause.SESSION_NOT_RUN}
    assert set(found.rows["strategy_id"]) == {"s1"}


def test_noise_of_floats_is_rounding() -> None:
    live = recorded()
    noisy = replace(live, signals=live.signals.with_columns(pl.col("score") + 1e-12))
    assert causes(report(noisy), Level.SIGNAL) == {Cause.ROUNDING}


def test_a_strategy_that_reads_others_inherits_their_cause() -> None:
    both = pl.concat([signals_of(view(), "p0"), signals_of(view(), "p1", "s1")])
    live = replace(recorded(), signals=both)
    now = view(score=0.3)
    again = pl.concat([signals_of(now), signals_of(now, name="s1")])
    staged_signals = pl.concat([signals_of(now), signals_of(view(), name="s1")])  # s1 over the recorded s0
    stages, _ = run_again(bench(), with_signals(now, again), again)
    staged, _ = run_staged(bench(), with_signals(now, both), staged_signals, live)
    found = compare(Sides(live, stages, staged), facts_of(live))
    assert causes(found, Level.SIGNAL) == {Cause.CODE_CHANGED}


# targets and orders


def test_a_quote_that_was_replaced_explains_the_prices_and_the_orders() -> None:
    found = report(recorded(), now=view(mid=[101.0, 100, 100, 100]), known=view(), changed=CHANGED)
    assert causes(found) == {Cause.DATA_LATE}
    mid = found.rows.filter(pl.col("field") == "mid").row(0, named=True)
    assert (mid["live"], mid["backtest"], mid["unit"]) == ("100.0", "101.0", "bp")
    assert mid["difference"] == pytest.approx(-99.0099, abs=1e-3)


def test_other_house_rules_explain_the_target_and_what_follows() -> None:
    other = Policy(portfolio=PortfolioPolicy(annual_vol_target=0.03))
    found = report(recorded(), on=bench(other), policy_hash=other.policy_hash)
    assert causes(found) == {Cause.POLICY_CHANGED}
    assert f"{POLICY.policy_hash} then, {other.policy_hash} now" in found.rows.filter(level="TARGET")["explanation"][0]


def test_other_limits_explain_the_orders_where_the_target_agrees() -> None:
    other = Policy(limits=RiskLimits(max_position_weight=0.05))
    found = report(recorded(), on=bench(other), policy_hash=other.policy_hash)
    assert causes(found, Level.ORDER, Level.FILL) == {Cause.POLICY_CHANGED}
    assert causes(found, Level.TARGET) == set()


def test_a_target_that_its_own_signals_do_not_give_is_unexplained() -> None:
    live = recorded()
    moved = replace(live, target=live.target.with_columns(target_weight=pl.col("target_weight") + 0.01))
    assert causes(report(moved), Level.TARGET) == {Cause.UNEXPLAINED}


def test_one_share_of_equal_approvals_is_rounding() -> None:
    live = recorded()
    first = live.intents[0]
    one_more = replace(first, quantity_shares=first.quantity_shares + 1)
    found = report(replace(live, intents=(one_more, *live.intents[1:])))
    assert causes(found, Level.ORDER) == {Cause.ROUNDING}
    assert not found.intents_identical, "bytes are bytes"


def test_an_order_that_the_approval_does_not_give_is_unexplained() -> None:
    live = recorded()
    first = live.intents[0]
    many = replace(first, quantity_shares=first.quantity_shares + 7)
    assert Cause.UNEXPLAINED in causes(report(replace(live, intents=(many, *live.intents[1:]))), Level.ORDER)


# the kill switch and runs that ended


def throttled() -> tuple[Stages, Gate]:
    """Live approved under THROTTLE."""
    gate = Gate(KillTier.THROTTLE, "a loss")
    latched = replace(OPENING, latched=gate.tier, latched_reason=gate.reason)
    return recorded(on=bench(state=latched)), gate


def test_a_tier_raised_between_opening_and_approval_explains_smaller_orders() -> None:
    live, gate = throttled()
    found = report(live, tiers=(Raised(AT, gate, "operator"),))
    assert causes(found) == {Cause.KILL_SWITCH}
    tier = found.rows.filter(pl.col("field") == "tier").row(0, named=True)
    assert (tier["live"], tier["backtest"]) == ("THROTTLE", "NORMAL")
    assert "operator" in tier["explanation"]


def test_a_tier_that_nobody_recorded_is_unexplained() -> None:
    assert causes(report(throttled()[0])) == {Cause.UNEXPLAINED}


def stopped_after_approval() -> Stages:
    return replace(recorded(), intents=(), executions=())


@pytest.mark.parametrize(
    ("facts", "cause"),
    [
        ({"tiers": (Raised(AT, Gate(KillTier.NO_NEW, "asked for"), "operator"),)}, Cause.KILL_SWITCH),
        ({"confirmed_breaks": 2}, Cause.BOOKS_BROKEN),
        ({}, Cause.SESSION_NOT_RUN),
    ],
)
def test_approved_but_not_ordered_is_told_by_what_stopped_the_run(facts: dict[str, Any], cause: Cause) -> None:
    assert causes(report(stopped_after_approval(), **facts), Level.ORDER, Level.FILL) == {cause}


def test_a_session_that_was_not_run_says_so_at_every_level() -> None:
    live = nothing(signals_of(view()))
    found = report(live, opened=False)
    assert causes(found) == {Cause.SESSION_NOT_RUN}
    assert set(found.rows["level"]) == {"TARGET", "ORDER", "FILL"}
    assert set(found.rows.filter(field="stage")["explanation"]) == {"the book was not opened for this session"}
    assert unexplained_share([found]) == 0.0


@pytest.mark.parametrize("recorded_tier", [True, False])
def test_orders_of_a_flatten_are_the_kill_switch_where_it_was_raised(recorded_tier: bool) -> None:
    live = recorded()
    closing = replace(
        live.intents[0],
        client_order_id=client_order_id(SESSION, "test", "GLD", Side.SELL, "flatten0"),
        symbol="GLD",
        side=Side.SELL,
        quantity_shares=Decimal(500),
    )
    tiers = (Raised(AT, Gate(KillTier.FLATTEN, "drawdown"), "kill switch"),) if recorded_tier else ()
    found = report(replace(live, intents=(*live.intents, closing)), tiers=tiers)
    expected = Cause.KILL_SWITCH if recorded_tier else Cause.UNEXPLAINED
    own = found.rows.filter(client_order_id=closing.client_order_id, level="ORDER")
    assert set(own["cause"]) == {expected.value}


# fills


def test_another_price_inside_the_range_of_the_session_is_the_markets() -> None:
    found = report(filled_otherwise(recorded(), price="100.9"))
    (row,) = found.rows.to_dicts()
    assert (row["level"], row["field"], row["cause"], row["unit"]) == ("FILL", "average_price", "FILL_MODEL", "bp")
    assert 80 < row["difference"] < 90


@pytest.mark.parametrize("ranges", [{}, {"GLD": (99.0, 100.1), "SLV": (99.0, 100.1), "GDX": (99.0, 100.1)}])
def test_a_price_that_no_bar_bears_out_is_unexplained(ranges: dict[str, tuple[float, float]]) -> None:
    found = report(filled_otherwise(recorded(), price="100.9"), ranges=ranges)
    assert causes(found) == {Cause.UNEXPLAINED}


@pytest.mark.parametrize(
    ("ended", "shares", "cause"),
    [
        (Ended(OrderState.REJECTED, "insufficient buying power", "b1"), 0, Cause.REJECTED),
        (Ended(OrderState.CANCELLED, "not sent: gate at NO_NEW: asked for"), 0, Cause.KILL_SWITCH),
        (Ended(OrderState.INTENT), 0, Cause.NOT_SENT),
        (Ended(OrderState.UNKNOWN, "no answer"), 0, Cause.NOT_SENT),
        (Ended(OrderState.EXPIRED, "day order", "b1"), 3, Cause.PARTIAL_FILL),
        (Ended(OrderState.CANCELLED, "", "b1"), 0, Cause.PARTIAL_FILL),
        (Ended(OrderState.FILLED, "", "b1"), 3, Cause.UNEXPLAINED),
    ],
)
def test_missing_shares_are_told_by_how_the_order_ended(ended: Ended, shares: int, cause: Cause) -> None:
    live = filled_otherwise(recorded(), shares=shares)
    order = live.intents[0].client_order_id
    found = report(live, orders={**facts_of(live).orders, order: ended})
    assert set(found.rows.filter(field="filled_shares")["cause"]) == {cause.value}


def test_an_order_the_ledger_does_not_know_is_unexplained() -> None:
    live = filled_otherwise(recorded(), shares=0)
    assert causes(report(live, orders={})) == {Cause.UNEXPLAINED}


def test_more_than_the_model_would_fill_is_the_models_limit() -> None:
    live = recorded()
    thin = Bench(OPENING, ("momentum",), POLICY, {s: replace(r, volume_shares=1e3) for s, r in market().items()})
    found = report(live, on=thin)
    shares = found.rows.filter(field="filled_shares")
    assert set(shares["cause"]) == {Cause.FILL_MODEL.value}
    assert "participation limit" in shares["explanation"][0]


def test_a_trade_that_was_not_ours_is_an_outside_order() -> None:
    outside = Execution("x1", "manual", "SLV", Side.SELL, Decimal(40), Decimal(100), AT)
    (row,) = report(recorded(), external=(outside,)).rows.to_dicts()
    assert (row["symbol"], row["live"], row["cause"]) == ("SLV", "-40.0", "OUTSIDE_ORDER")


def test_a_fee_that_was_booked_is_told_in_dollars() -> None:
    (row,) = report(recorded(), fees_usd={"f1": -1.25, "f2": -0.5}).rows.to_dicts()
    assert (row["level"], row["difference"], row["unit"], row["cause"]) == ("FEES", 1.75, "USD", "FEES")


# the share that rings


def test_an_unexplained_order_among_a_hundred_is_allowed_and_two_are_not() -> None:
    live = filled_otherwise(recorded(), price="150")
    odd, even = report(live), report(recorded())
    n = len(live.intents)
    assert odd.unexplained_orders == 1
    assert unexplained_share([odd]) == pytest.approx(1 / n)
    assert unexplained_share([odd, *[even] * 99]) == pytest.approx(1 / (100 * n))


def test_an_unexplained_difference_rings_without_any_order() -> None:
    live = nothing(signals_of(view(score=0.0)))
    odd = replace(live, signals=live.signals.with_columns(score=pl.lit(0.4)))
    found = report(odd, now=view(score=0.0), on=bench(state=book()), opened=False)
    assert found.orders == 0
    assert unexplained_share([found]) == 1.0


def test_nothing_compared_is_no_share() -> None:
    assert unexplained_share([]) == 0.0
