"""Order templates: which contracts, how many, what they need and why there is none."""

from __future__ import annotations

import datetime as dt
import functools
import itertools
import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qgtm_core import calendar
from qgtm_core.errors import InvariantError
from qgtm_core.options import payoff
from qgtm_core.options.build import Signal, build, build_all
from qgtm_core.options.chain import CALL, PUT, Chain, Quote, read_chain
from qgtm_core.options.payoff import Leg
from qgtm_core.options.rows import template_rows
from qgtm_core.options.structures import STRUCTURES
from qgtm_core.options.template import Account, Refusal, Template
from qgtm_core.schemas.options import TEMPLATES
from qgtm_core.strategies.registry import REGISTRY
from tests.core.option_chains import chains, span

SESSIONS = span(dt.date(2022, 3, 1), 1)
SESSION, DECIDED = SESSIONS.row(0)
ROWS = chains(SESSIONS, ("GLD", "SLV"))
RICH = Account(equity_usd=1_000_000.0, cash_usd=1_000_000.0, shares={"GLD": 1_050.0})
EVENT = calendar.offset_session(SESSION, 2)
DAY = dt.date(2022, 4, 14)


@functools.cache
def chain(underlying: str = "GLD") -> Chain:
    found = read_chain(ROWS, underlying, DECIDED)
    assert found is not None
    return found


def ok(score: float = 1.0) -> Signal:
    return Signal("OK", score, None)


def order(strategy_id: str, score: float = 1.0, account: Account = RICH) -> Template:
    strategy = REGISTRY[strategy_id]
    built = build(strategy, ok(score), chain(strategy.symbols[0]), account, DECIDED, EVENT)
    assert isinstance(built, Template), built
    return built


def refused(
    strategy_id: str, signal: Signal | None = None, rows: pl.DataFrame = ROWS, account: Account = RICH
) -> Refusal:
    strategy = REGISTRY[strategy_id]
    built = build(strategy, signal or ok(), read_chain(rows, strategy.symbols[0], DECIDED), account, DECIDED, EVENT)
    assert isinstance(built, Refusal), built
    return built


def quote(right: str, strike: float, mid: float, delta: float = 0.3, expiry: dt.date = DAY) -> Quote:
    return Quote("X", expiry, right, strike, mid - 0.05, mid + 0.05, 0.2, delta, 0.01, 0.2)


def slow_outcome(built: Template, price: float, shares: int) -> float:
    worth = shares * (price - chain(built.underlying).price) - payoff.net_worst(built.legs)
    for leg in built.legs:
        ahead = price - leg.quote.strike if leg.quote.right == CALL else leg.quote.strike - price
        worth += leg.weight * max(ahead, 0.0)
    return worth


@pytest.mark.parametrize("strategy_id", STRUCTURES)
def test_losses_profits_and_break_evens_are_those_of_a_walk_over_prices(strategy_id: str) -> None:
    built = order(strategy_id)
    shares, whole = STRUCTURES[strategy_id].shares, built.quantity * 100
    outcomes = [slow_outcome(built, price / 4.0, shares) for price in range(4 * 600)]
    assert built.max_loss_usd == pytest.approx(max(-min(outcomes), 0.0) * whole, abs=0.3 * whole)
    assert built.max_loss_usd >= -min(outcomes) * whole - 1e-6
    if built.max_profit_usd is None:
        assert outcomes[-1] > outcomes[-2]
    else:
        assert built.max_profit_usd == pytest.approx(max(outcomes) * whole, abs=0.3 * whole)
    for price in built.break_evens:
        assert slow_outcome(built, price, shares) == pytest.approx(0.0, abs=1e-9)
    turns = sum((a < 0) != (b < 0) for a, b in itertools.pairwise(outcomes))
    assert len(built.break_evens) == turns


@pytest.mark.parametrize("strategy_id", STRUCTURES)
def test_every_sold_option_is_covered_and_the_order_has_four_legs_at_most(strategy_id: str) -> None:
    built = order(strategy_id)
    assert 1 <= len(built.legs) <= 4
    assert built.time_in_force == "day"
    bare = dict.fromkeys((CALL, PUT), 0)
    for leg in built.legs:
        bare[leg.quote.right] -= leg.weight
    assert max(bare[CALL], 0) * built.quantity * 100 == built.covering_shares <= RICH.shares["GLD"]
    if bare[PUT] > 0:
        assert built.collateral_usd == pytest.approx(built.legs[0].quote.strike * 100 * built.quantity)
    assert built.collateral_usd <= RICH.cash_usd


@pytest.mark.parametrize("strategy_id", STRUCTURES)
def test_the_worst_price_is_no_better_than_the_middle_and_all_quotes_pass_the_filter(strategy_id: str) -> None:
    built = order(strategy_id)
    assert built.limit_worst >= built.limit_mid
    for leg in built.legs:
        assert leg.quote.bid > 0
        assert leg.quote.ask - leg.quote.bid <= 0.25 * leg.quote.mid


def test_a_covered_call_is_sold_near_its_delta_on_the_whole_hundreds_held() -> None:
    built = order("covered_call_writer", score=0.55)
    (leg,) = built.legs
    calls = chain().of(leg.quote.expiry, CALL)
    assert abs(leg.quote.delta - 0.28) == min(abs(q.delta - 0.28) for q in calls)
    assert (leg.quote.expiry - SESSION).days == 37
    assert built.quantity == math.floor(0.55 * 10)
    assert built.exit.take_profit_usd == pytest.approx(0.5 * leg.quote.mid * built.quantity * 100)
    assert built.exit.stop_loss_usd == pytest.approx(2.0 * leg.quote.mid * built.quantity * 100)
    assert built.exit.close_on == calendar.session_on_or_before(leg.quote.expiry - dt.timedelta(days=21))


def test_the_yield_of_a_put_is_premium_over_cash_a_year() -> None:
    built = order("cash_secured_put")
    (leg,) = built.legs
    assert built.annual_yield == pytest.approx(leg.quote.mid / leg.quote.strike * 365 / 37)
    assert built.quantity == int(1_000_000 // (100 * leg.quote.strike))
    printed = 2.10 / 215 * 365 / 35
    assert printed == pytest.approx(0.1019, abs=5e-4)


def test_a_condor_has_its_wings_outside_and_a_bounded_loss() -> None:
    built = order("vrp_harvester")
    strikes = [leg.quote.strike for leg in built.legs]
    assert [leg.side for leg in built.legs] == [1, -1, -1, 1]
    assert strikes == sorted(strikes)
    assert built.limit_mid < 0
    assert built.max_loss_usd <= 0.01 * RICH.equity_usd
    assert built.max_loss_usd == pytest.approx(built.collateral_usd)


def test_a_collar_costs_nothing_to_sell_more_than_its_put() -> None:
    built = order("gold_collar")
    put, call = (leg.quote for leg in built.legs)
    assert (put.right, call.right) == (PUT, CALL)
    assert call.mid <= put.mid
    assert call.delta <= 0.30
    others = [
        q for q in chain().of(call.expiry, CALL) if q.mid <= put.mid and q.delta <= 0.30 and q.strike > put.strike
    ]
    assert call.mid == max(q.mid for q in others)


def test_a_butterfly_breaks_its_upper_wing() -> None:
    built = order("silver_ratio_spread")
    near, body, far = (leg.quote.strike for leg in built.legs)
    assert [leg.weight for leg in built.legs] == [1, -2, 1]
    assert far - body > body - near > 0


def test_a_straddle_expires_after_the_event_and_is_closed_the_session_after() -> None:
    built = order("event_straddle")
    call, put = (leg.quote for leg in built.legs)
    assert call.strike == put.strike
    assert call.expiry > EVENT
    assert built.exit.close_on == calendar.next_session(EVENT)
    assert built.exit.stop_loss_usd is None


def test_a_strategy_without_a_signal_passes_its_reason_on() -> None:
    assert refused("vrp_harvester", Signal("NO_SIGNAL", None, "WARMUP")).reason == "WARMUP"
    assert refused("vrp_harvester", ok(0.0)).reason == "FLAT"


def test_an_old_chain_is_stale_and_none_is_missing() -> None:
    older = ROWS.with_columns(pl.col("event_at", "available_at") - dt.timedelta(minutes=11))
    assert refused("vrp_harvester", rows=older).reason == "STALE"
    assert refused("vrp_harvester", rows=ROWS.clear()).reason == "MISSING"


def test_a_chain_from_after_the_decision_is_not_seen() -> None:
    later = ROWS.with_columns(pl.col("event_at", "available_at") + dt.timedelta(minutes=6))
    assert read_chain(later, "GLD", DECIDED) is None


def test_without_an_expiry_in_the_window_the_gate_is_shut() -> None:
    far = ROWS.filter((pl.col("expiry") - pl.lit(SESSION)) > pl.duration(days=50))
    for strategy_id in ("covered_call_writer", "cash_secured_put", "vrp_harvester", "silver_ratio_spread"):
        assert refused(strategy_id, rows=far).reason == "GATE"


def test_no_shares_and_no_cash_leave_sold_options_uncovered() -> None:
    poor = Account(equity_usd=1e6, cash_usd=5_000.0, shares={"GLD": 99.0})
    for strategy_id in ("covered_call_writer", "gold_collar", "cash_secured_put"):
        assert refused(strategy_id, account=poor).reason == "UNCOVERED"


def test_less_than_one_contract_is_too_small() -> None:
    assert refused("covered_call_writer", ok(0.05)).reason == "SMALL"
    assert refused("vrp_harvester", account=Account(10_000.0, 10_000.0)).reason == "SMALL"


def test_two_orders_never_lean_on_the_same_shares_or_cash() -> None:
    asked = [(REGISTRY[i], ok()) for i in STRUCTURES]
    built = build_all(asked, {"GLD": chain(), "SLV": chain("SLV")}, RICH, DECIDED, EVENT)
    orders = [b for b in built if isinstance(b, Template)]
    assert sum(b.covering_shares for b in orders) <= RICH.shares["GLD"]
    assert sum(b.collateral_usd for b in orders) <= RICH.cash_usd
    collar = next(b for b in built if b.strategy_id == "gold_collar")
    assert isinstance(collar, Refusal)  # the covered calls took all the shares
    assert collar.reason == "UNCOVERED"


def test_a_ratio_spread_without_its_far_call_is_refused() -> None:
    legs = (Leg(quote(CALL, 100, 3.0), 1), Leg(quote(CALL, 105, 1.0), -1, 2))
    assert payoff.cover(legs).calls == 1
    with pytest.raises(InvariantError):
        payoff.payoff(legs, 100.0)


def test_a_long_option_that_ends_sooner_covers_nothing() -> None:
    legs = (Leg(quote(PUT, 95, 1.0), 1), Leg(quote(PUT, 100, 2.0, expiry=dt.date(2022, 5, 20)), -1))
    assert payoff.cover(legs).cash == 100.0


def test_five_legs_are_too_many() -> None:
    with pytest.raises(InvariantError):
        payoff.cover([Leg(quote(CALL, 100 + n, 1.0), 1) for n in range(5)])


@given(
    st.lists(
        st.tuples(st.sampled_from([CALL, PUT]), st.integers(80, 120), st.sampled_from([1, -1]), st.integers(1, 2)),
        min_size=1,
        max_size=4,
    )
)
def test_what_needs_no_shares_has_a_bounded_loss(parts: list[tuple[str, int, int, int]]) -> None:
    legs = [Leg(quote(right, float(strike), 2.0), side, ratio) for right, strike, side, ratio in parts]
    if payoff.cover(legs).calls == 0:
        worst = payoff.payoff(legs, 100.0).max_loss
        assert math.isfinite(worst)
        paid = payoff.net_worst(legs)
        values = [
            sum(
                leg.weight * max((price - leg.quote.strike) * (1 if leg.quote.right == CALL else -1), 0.0)
                for leg in legs
            )
            - paid
            for price in range(400)
        ]
        assert worst >= -min(values) - 1e-9


def test_rows_hold_a_leg_each_or_the_reason_and_keep_their_declaration() -> None:
    asked = [(REGISTRY[i], ok(0.5)) for i in STRUCTURES]
    built = build_all(asked, {"GLD": chain(), "SLV": None}, RICH, DECIDED, EVENT)
    rows = template_rows(SESSION, "main", DECIDED, built)
    TEMPLATES.require_valid(rows)
    condor = rows.filter(strategy_id="vrp_harvester")
    assert condor["leg"].to_list() == [1, 2, 3, 4]
    assert condor["side"].to_list() == ["buy", "sell", "sell", "buy"]
    silver = rows.filter(strategy_id="silver_ratio_spread").row(0, named=True)
    assert (silver["leg"], silver["reason"]) == (0, "MISSING")


def test_missing_greeks_are_computed_from_the_quotes_own_volatility() -> None:
    for own in chain().quotes[:5]:
        assert own.gamma > 0
        assert own.vega > 0


def test_a_condor_away_from_its_middle_is_hedged_with_shares() -> None:
    lifted = ROWS.with_columns(delta=pl.when(pl.col("right") == CALL).then(pl.col("delta") * 0.4).otherwise("delta"))
    strategy = REGISTRY["vrp_harvester"]
    built = build(strategy, ok(), read_chain(lifted, "GLD", DECIDED), RICH, DECIDED)
    assert isinstance(built, Template)
    unit = built.net_delta / (built.quantity * 100)
    assert built.hedge_shares == (-round(built.net_delta) if abs(unit) > 0.10 else 0)
