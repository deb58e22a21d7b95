"""What the results are compared with."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest

from qgtm_core import calendar
from qgtm_core.backtest.research.costs import FREE, CostModel
from qgtm_core.backtest.research.returns import ResearchMarket
from qgtm_core.backtest.research.run import run_research, yardstick_figures
from qgtm_core.backtest.research.yardsticks import RULES, total_return_index, yardsticks
from tests.core.markets import research_market_of

NAN = np.nan
SESSIONS = tuple(calendar.schedule(dt.date(2014, 1, 2), dt.date(2018, 12, 31))["session"].to_list())


def market(symbols: tuple[str, ...] = ("GLD", "SLV", "GDX"), seed: int = 4) -> ResearchMarket:
    outcome = np.random.default_rng(seed).normal(2e-4, 0.01, (len(SESSIONS), len(symbols)))
    outcome[-1] = NAN
    return replace(research_market_of(outcome, symbols), sessions=SESSIONS)


def test_gold_held_earns_what_gold_earned() -> None:
    held, _ = yardsticks(market(), CostModel())
    np.testing.assert_array_equal(held.returns, market().next_return[:, 0])
    assert not held.turnover.any()
    figures = yardstick_figures(held, SESSIONS)
    assert (figures["first"], figures["cost_bp"], figures["sessions"]) == (SESSIONS[0], None, len(SESSIONS) - 1)


def test_without_gold_there_is_no_such_yardstick() -> None:
    (rules,) = yardsticks(market(("SLV", "GDX")), CostModel())
    assert rules.name == f"yardstick: {len(RULES)} price rules"


def test_the_rules_begin_where_three_years_and_an_embargo_have_trained_them() -> None:
    _, rules = yardsticks(market(), CostModel())
    begins = 756 + 21
    assert np.isnan(rules.returns[:begins]).all()
    assert np.isfinite(rules.returns[begins:]).all()
    assert yardstick_figures(rules, SESSIONS)["first"] == SESSIONS[begins]


def test_a_short_history_has_gold_only() -> None:
    found = market()
    short = replace(research_market_of(found.next_return[:300], found.symbols), sessions=SESSIONS[:300])
    assert [each.name for each in yardsticks(short, CostModel())] == ["yardstick: gold held"]


def test_the_rules_do_not_see_what_comes() -> None:
    """Other outcomes from a session on change nothing before it."""
    cut = 1000
    spoilt = market()
    spoilt.next_return[cut:] *= -3.0
    _, known = yardsticks(market(), CostModel())
    _, other = yardsticks(spoilt, CostModel())
    np.testing.assert_array_equal(known.returns[:cut], other.returns[:cut])
    assert (known.returns[cut:-1] != other.returns[cut:-1]).any()


def test_the_rules_pay_half_the_spread() -> None:
    _, dear = yardsticks(market(), CostModel())
    _, free = yardsticks(market(), FREE)
    traded = np.nansum(dear.turnover)
    assert np.nansum(dear.cost) / traded * 1e4 == pytest.approx(10.0)
    assert np.nansum(free.cost) == 0.0
    assert np.nansum(free.returns) > np.nansum(dear.returns)


def test_an_index_starts_with_the_first_known_return_and_ends_with_the_last() -> None:
    known = np.array([[NAN], [0.1], [NAN], [0.2], [NAN]])
    np.testing.assert_allclose(total_return_index(known)[:, 0], [NAN, 100.0, 110.0, 110.0, NAN])


def test_yardsticks_stand_before_the_strategies_in_the_table() -> None:
    found = market()
    rows = run_research(found, {"a": np.ones((len(SESSIONS), 3))}, CostModel(), "b").metrics
    assert rows["name"].to_list() == ["yardstick: gold held", "yardstick: 50 price rules", "a"]
