"""Every strategy on its own: weights, returns, and each kind of cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qgtm_core import calendar
from qgtm_core.backtest.research.costs import FREE, CostModel, cost_rates
from qgtm_core.backtest.research.returns import (
    Account,
    account,
    matrix,
    next_returns,
    research_market,
    spoke,
    strategy_returns_rows,
    weights,
)
from qgtm_core.backtest.research.run import run_research
from qgtm_core.errors import InvariantError
from qgtm_core.kernels.costing import FIELDS, charge, charge_nb
from qgtm_core.schemas.results import METRICS_TABLE, STRATEGY_RETURNS_TABLE
from tests.core.markets import research_market_of
from tests.core.views import SESSION

NAN = np.nan
AHEAD = np.array([[0.01, 0.02], [-0.01, NAN], [0.03, 0.0], [NAN, NAN]])
MARKET = research_market_of(AHEAD)
IN_AND_OUT = [[1.0, NAN], [1.0, NAN], [-1.0, NAN], [NAN, NAN]]  # weights 0.5, 0.5, -0.5, 0
ONLY_SPREAD = replace(FREE, spread_multiple=1.0)


def found(score: Sequence[Sequence[float]], costs: CostModel = FREE, **known: float) -> Account:
    market = research_market_of(AHEAD, **known)
    return account(weights(np.array(score), market), market, costs)


def test_a_score_is_sized_to_its_volatility_and_shared_over_the_symbols() -> None:
    result = found([[1.0, 1.0], [0.5, 1.0], [-1.0, 1.0], [0.0, 0.0]])
    np.testing.assert_allclose(result.net, [0.25 * 0.03, -0.125 * 0.01, -0.25 * 0.03, 0.0])
    np.testing.assert_allclose(result.gross_weight, [0.5, 0.375, 0.5, 0.0])
    np.testing.assert_allclose(result.net_weight, [0.5, 0.375, 0.0, 0.0])


def test_a_symbol_without_any_signal_takes_no_share() -> None:
    np.testing.assert_allclose(found([[1.0, NAN]] * 4).net, [0.005, -0.005, 0.015, 0.0])


def test_a_symbol_takes_its_share_from_its_first_signal_on_and_not_before() -> None:
    market = research_market_of(AHEAD)
    score = np.array([[1.0, NAN], [1.0, NAN], [1.0, 1.0], [1.0, NAN]])
    np.testing.assert_allclose(weights(score, market), [[0.5, 0.0], [0.5, 0.0], [0.25, 0.25], [0.25, 0.0]])


def test_the_share_of_a_symbol_is_counted_for_each_parameter_set_alone() -> None:
    family = np.array([[[1.0, NAN]] * 4, [[1.0, NAN]] * 3 + [[1.0, 1.0]]])
    np.testing.assert_allclose(weights(family, MARKET)[:, 3, 0], [0.5, 0.25])


def test_a_calm_symbol_is_not_levered_beyond_its_full_weight() -> None:
    np.testing.assert_allclose(found([[1.0, NAN]] * 4, vol=0.01).net[:3], AHEAD[:3, 0])


@pytest.mark.parametrize("vol", [0.0, NAN])
def test_without_a_volatility_there_is_no_position(vol: float) -> None:
    result = found([[1.0, 1.0]] * 4, CostModel(), vol=vol)
    assert result.net.tolist() == [0.0] * 4
    assert result.turnover.tolist() == [0.0] * 4


def test_a_position_whose_next_return_is_unknown_earns_nothing_and_is_counted_as_such() -> None:
    result = found([[1.0, 1.0]] * 4)
    np.testing.assert_allclose(result.unknown, [0.0, 0.25, 0.0, 0.5])
    np.testing.assert_allclose(result.gross[1], 0.25 * -0.01)
    never = replace(MARKET, next_return=np.full((4, 2), np.inf))
    assert account(weights(np.ones((4, 2)), never), never, FREE).net.tolist() == [0.0] * 4


def test_every_change_of_weight_pays_half_the_spread() -> None:
    result = found(IN_AND_OUT, ONLY_SPREAD)
    np.testing.assert_allclose(result.spread, [0.5e-3, 0.0, 1e-3, 0.5e-3])
    np.testing.assert_allclose(result.turnover, [0.5, 0.0, 1.0, 0.5])
    np.testing.assert_allclose(result.cost, result.spread)


def test_without_a_quote_the_typical_half_spread_is_paid() -> None:
    np.testing.assert_allclose(found(IN_AND_OUT, ONLY_SPREAD, spread=NAN).spread[0], 0.5 * 0.5e-4)
    stranger = replace(MARKET, symbols=("GLD", "XYZ"), half_spread_bp=np.full((4, 2), NAN))
    np.testing.assert_allclose(cost_rates(stranger, CostModel()).spread[0], [0.5e-4, 10e-4])


def test_impact_is_the_square_root_law_of_the_orders_share_of_volume() -> None:
    paid = found(IN_AND_OUT, replace(FREE, impact_y=0.7, capital_usd=1e7)).impact
    fraction = 0.7 * 0.2 / math.sqrt(252) * np.sqrt(np.array([0.5, 0.0, 1.0, 0.5]) * 1e7 / 1e8)
    np.testing.assert_allclose(paid, fraction * np.array([0.5, 0.0, 1.0, 0.5]))


@given(st.floats(1e3, 1e9), st.floats(1.5, 100.0))
def test_impact_grows_with_the_root_of_capital(capital: float, times: float) -> None:
    small, large = (found(IN_AND_OUT, CostModel(capital_usd=c)) for c in (capital, capital * times))
    np.testing.assert_allclose(large.impact, small.impact * math.sqrt(times))
    np.testing.assert_allclose(large.cost - large.impact, small.cost - small.impact)


def test_only_sales_pay_the_regulators_and_all_trades_the_broker() -> None:
    fees = found(IN_AND_OUT, replace(FREE, fee_multiple=1.0)).commission
    rate = 27.80e-6 + 0.000166 / 100.0  # June 2024: SEC and FINRA
    np.testing.assert_allclose(fees, [0.0, 0.0, 1.0 * rate, 0.0])
    broker = found(IN_AND_OUT, replace(FREE, commission_per_share_usd=0.005)).commission
    np.testing.assert_allclose(broker, [0.5 * 5e-5, 0.0, 1.0 * 5e-5, 0.5 * 5e-5])


def test_short_positions_pay_for_borrowed_shares_by_calendar_days() -> None:
    lent = replace(FREE, borrow_multiple=1.0)
    score = [[1.0, NAN], [-1.0, NAN], [-1.0, NAN], [-1.0, NAN]]  # Wed, Thu, Fri, Mon: 12 to 17 June 2024
    np.testing.assert_allclose(found(score, lent).borrow, 0.5 * 0.036 / 360 * np.array([0.0, 1.0, 3.0, 1.0]))
    np.testing.assert_allclose(found(score, lent, borrow=NAN).borrow[1], 0.5 * 0.01 / 360)
    np.testing.assert_allclose(found(score, lent, borrow=0.0).borrow, 0.0)


def test_what_is_not_known_costs_what_the_model_assumes() -> None:
    costs = CostModel(capital_usd=1e6, commission_per_share_usd=0.01)
    rates = cost_rates(research_market_of(AHEAD, vol=NAN, adv=0.0, price=NAN), costs)
    np.testing.assert_allclose(rates.impact, 0.7 * 0.40 / math.sqrt(252))
    np.testing.assert_allclose(rates.commission, 0.001)


def test_net_is_gross_less_every_kind_of_cost() -> None:
    result = found(IN_AND_OUT, CostModel(commission_per_share_usd=0.01))
    kinds = (result.spread, result.impact, result.commission, result.borrow)
    assert all(kind.sum() > 0.0 for kind in kinds)
    np.testing.assert_allclose(result.net, result.gross - sum(kinds))


def test_a_part_of_an_account_is_the_account_of_that_part() -> None:
    family = account(weights(np.array([IN_AND_OUT, [[1.0, 1.0]] * 4]), MARKET), MARKET, CostModel())
    part = family.at((0, slice(2, None)))
    np.testing.assert_array_equal(part.net, family.net[0, 2:])
    np.testing.assert_array_equal(part.cost, family.cost[0, 2:])


@settings(max_examples=25)
@given(hnp.arrays(float, (2, 4, 2), elements=st.floats(-1.0, 1.0)))
def test_the_compiled_accounting_is_plain_arithmetic(weight: np.ndarray) -> None:
    rates = cost_rates(MARKET, CostModel(commission_per_share_usd=0.01))
    tables = (AHEAD, rates.spread, rates.impact, rates.commission, rates.sale, rates.borrow)
    plain, compiled = np.zeros((FIELDS, 2, 4)), np.zeros((FIELDS, 2, 4))
    charge(weight, *tables, plain)
    charge_nb(weight, *tables, compiled)
    np.testing.assert_allclose(compiled, plain, rtol=1e-12, atol=1e-18)
    change = np.diff(weight, axis=1, prepend=0.0)
    size = np.abs(change)
    expected = [
        (weight * np.nan_to_num(AHEAD)).sum(2),
        (size * rates.spread).sum(2),
        (size**1.5 * rates.impact).sum(2),
        (size * rates.commission + np.maximum(-change, 0.0) * rates.sale).sum(2),
        (np.maximum(-weight, 0.0) * rates.borrow).sum(2),
        np.abs(weight).sum(2),
        weight.sum(2),
        size.sum(2),
        (np.abs(weight) * np.isnan(AHEAD)).sum(2),
    ]
    np.testing.assert_allclose(plain, np.array(expected), rtol=1e-12, atol=1e-15)


def bars(prices: np.ndarray, first: int = 0, revision: int = 0) -> pl.DataFrame:
    days = calendar.schedule(SESSION)["session"][first : first + len(prices)]
    return pl.concat(
        pl.DataFrame({"symbol": [s] * len(prices), "event_date": days, "adj_close": prices[:, j]}).with_columns(
            revision=pl.lit(revision, pl.Int32)
        )
        for j, s in enumerate(MARKET.symbols)
    )


def test_next_returns_reach_to_the_next_bar_of_the_symbol() -> None:
    rows = bars(np.array([[100.0, 50.0], [110.0, 50.0], [99.0, 60.0]]))
    gap = rows.filter(~((pl.col("symbol") == "SLV") & (pl.col("event_date") == MARKET.sessions[1])))
    ahead = next_returns(gap, MARKET.sessions[:3], MARKET.symbols)
    np.testing.assert_allclose(ahead, [[0.1, 0.2], [-0.1, NAN], [NAN, NAN]])


def test_the_newest_revision_of_a_price_counts() -> None:
    revised = pl.concat([bars(np.array([[220.0, 50.0]]), 1, 1), bars(np.array([[100.0, 50.0], [110.0, 50.0]]))])
    assert next_returns(revised, MARKET.sessions[:2], MARKET.symbols)[0, 0] == pytest.approx(1.2)


def test_a_matrix_holds_the_asked_sessions_and_symbols_and_nothing_else() -> None:
    rows = bars(np.array([[1.0, 2.0], [3.0, NAN], [5.0, 6.0]])).rename({"event_date": "session"})
    table = matrix(rows, "adj_close", MARKET.sessions[1:4], ("SLV", "GDX", "GLD"))
    np.testing.assert_array_equal(table, [[NAN, NAN, 3.0], [6.0, NAN, 5.0], [NAN, NAN, NAN]])


def test_the_market_of_research_is_what_was_known_at_each_decision() -> None:
    sessions = calendar.schedule(SESSION).head(3).select("session", "decided_at")
    days = sessions.join(pl.DataFrame({"symbol": ["GLD", "UGL"]}), how="cross")
    known = days.with_columns(available_at=pl.col("decided_at"), event_at=pl.col("decided_at"))
    prices = known.with_columns(
        return_1d=pl.lit(0.0), vol_ewma_94=pl.lit(0.2), adv_20_shares=pl.lit(1000.0), close=pl.lit(50.0)
    )
    quotes = known.filter(pl.col("symbol") == "GLD").with_columns(
        bid=pl.lit(99.0), ask=pl.lit(101.0), revision=pl.lit(0, pl.Int32), basis=pl.lit("quote")
    )
    terms = known.filter(pl.col("symbol") == "UGL").head(1).select(
        "symbol", "session", "available_at", event_date="session", expense_ratio=pl.lit(0.01),
        borrow_rate=pl.lit(0.02), shortable=pl.lit(value=True), revision=pl.lit(0, pl.Int32),
    )  # fmt: skip
    outcome = bars(np.array([[100.0, 50.0], [110.0, 50.0]]))
    market = research_market(prices, outcome, quotes, terms, sessions, ("GLD", "UGL"))
    assert (market.sessions, market.symbols) == (tuple(sessions["session"]), ("GLD", "UGL"))
    np.testing.assert_allclose(market.next_return[:, 0], [0.1, NAN, NAN])
    np.testing.assert_allclose(market.half_spread_bp, [[100.0, NAN]] * 3)
    np.testing.assert_allclose(market.adv_usd, 50_000.0)
    np.testing.assert_allclose(market.borrow_rate, [[NAN, 0.02]] * 3)
    np.testing.assert_allclose(market.annual_vol, 0.2)
    late = quotes.with_columns(available_at=pl.col("available_at") + pl.duration(seconds=1))
    with pytest.raises(InvariantError, match="row from the future"):
        research_market(prices, outcome, late, terms, sessions, ("GLD", "UGL"))


SCORES: dict[str, Any] = {
    "late": np.array([[NAN, NAN], [NAN, NAN], [1.0, NAN], [1.0, NAN]]),
    "silent": np.full((4, 2), NAN),
    "early": np.ones((4, 2)),
}


def test_research_fills_its_declared_tables() -> None:
    rows = run_research(MARKET, SCORES, CostModel(), "bt")
    returns = STRATEGY_RETURNS_TABLE.require_valid(rows.strategy_returns)
    assert returns.height == 12
    assert returns.filter(pl.col("strategy_id") == "late")["spoke"].to_list() == [False, False, True, True]
    costs = pl.sum_horizontal("spread_1d", "impact_1d", "commission_1d", "borrow_1d")
    assert returns.select(((pl.col("gross_1d") - costs) - pl.col("return_1d")).abs().max()).item() < 1e-15
    alone = account(weights(SCORES["late"], MARKET), MARKET, CostModel())
    np.testing.assert_array_equal(returns.filter(pl.col("strategy_id") == "late")["return_1d"], alone.net)


def test_the_sample_of_a_strategy_starts_with_its_first_signal() -> None:
    metrics = METRICS_TABLE.require_valid(run_research(MARKET, SCORES, CostModel(), "bt").metrics)
    metrics = metrics.filter(pl.col("name").is_in(list(SCORES)))
    assert metrics["name"].to_list() == ["late", "silent", "early"]
    assert metrics["sessions"].to_list() == [2, 0, 4]
    assert metrics["first"].to_list() == [MARKET.sessions[2], MARKET.sessions[0], MARKET.sessions[0]]
    assert metrics["session"].unique().to_list() == [MARKET.sessions[-1]]
    late, silent, _ = metrics.rows(named=True)
    assert late["annual_turnover"] == pytest.approx(0.5 / 2 * 252)
    assert late["cost_bp"] > 10.0  # the half-spread, and impact
    assert (silent["annual_turnover"], silent["cost_bp"], silent["sharpe"]) == (0.0, None, None)


def test_the_book_has_a_row_of_its_own_beside_the_strategies() -> None:
    book = pl.DataFrame(
        {
            "session": MARKET.sessions,
            "return_1d": [0.01, -0.01, 0.02, 0.0],
            "equity_usd": [100.0] * 4,
            "turnover_usd": [50.0, 0.0, 0.0, 0.0],
            "cost_usd": [0.05, 0.0, 0.0, 0.0],
        }
    )
    whole = run_research(MARKET, SCORES, CostModel(), "bt", book).metrics.row(0, named=True)
    assert (whole["name"], whole["first"], whole["sessions"]) == ("portfolio", MARKET.sessions[0], 4)
    assert whole["annual_turnover"] == pytest.approx(0.5 / 4 * 252)
    assert whole["cost_bp"] == pytest.approx(10.0)
    still = book.with_columns(turnover_usd=0.0, equity_usd=0.0)
    alone = run_research(MARKET, {}, CostModel(), "bt", still)
    assert alone.strategy_returns.is_empty()
    assert alone.metrics.select("name", "cost_bp", "annual_turnover").rows() == [("portfolio", None, None)]


def test_without_strategies_and_without_a_book_there_are_no_rows() -> None:
    rows = run_research(MARKET, {}, CostModel(), "bt")
    assert rows.metrics.is_empty()
    assert STRATEGY_RETURNS_TABLE.require_valid(rows.strategy_returns).is_empty()
    assert strategy_returns_rows(found(IN_AND_OUT), spoke(np.array(IN_AND_OUT)), (), (), "bt").is_empty()


def test_scores_of_another_market_are_refused() -> None:
    with pytest.raises(InvariantError, match="scores of odd"):
        run_research(MARKET, {"odd": np.ones((3, 2))}, CostModel(), "bt")
