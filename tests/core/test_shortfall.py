"""Paper against replay: without friction they agree, and every friction moves its own piece of the gap."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
import pytest

from qgtm_core.backtest.fills import FillModel, MarketRow
from qgtm_core.backtest.replay import Replay, replay
from qgtm_core.backtest.research.costs import FREE as FREE_OF_COSTS
from qgtm_core.backtest.research.returns import account
from qgtm_core.backtest.research.vectorised import simulate
from qgtm_core.backtest.shortfall import ImplementationGap, implementation_gap
from qgtm_core.engine import Step
from qgtm_core.errors import DataError
from qgtm_core.policy import Policy, PortfolioPolicy, RiskLimits
from qgtm_core.risk.killswitch import KillLimits
from qgtm_core.types import BookState
from qgtm_core.view import MarketPanel, SessionView
from tests.core.markets import research_market_of
from tests.core.views import market_of, panel

SESSIONS = 60
NEVER = 1e6  # a limit that nothing reaches
FREE = FillModel(impact_y=0.0, max_participation=1.0, split_above_adv=1.0)
UNBOUND = Policy(
    portfolio=PortfolioPolicy(no_trade_band_weight=0.0, allow_short=True),
    limits=RiskLimits(NEVER, NEVER, NEVER, NEVER, 0.0),
    kill=KillLimits(daily_loss_limit=NEVER, max_drawdown=NEVER),
)


def market(score_seed: int = 3) -> MarketPanel:
    """Prices in whole ticks, opinions that change every session, volume without end, no spread."""
    draw = np.random.default_rng(11)
    mids = np.round(100 * np.exp(np.cumsum(draw.normal(0.001, 0.01, (SESSIONS, 2)), axis=0)), 2)
    found = panel(mids)
    score = np.random.default_rng(score_seed).uniform(-1, 1, found.score.shape)
    return replace(found, score=score, half_spread_bp=np.zeros(mids.shape), adv_shares=np.full(mids.shape, 1e15))


MARKET = market()
AHEAD = np.vstack([MARKET.mid[1:] / MARKET.mid[:-1] - 1.0, np.full((1, 2), np.nan)])


def rows_of(found: MarketPanel, **changes: Any) -> dict[dt.date, dict[str, MarketRow]]:
    base = {"half_spread_bp": 0.0, "volume_shares": 1e15, "adv_shares": 1e15} | changes
    return {day: {s: replace(row, **base) for s, row in rows.items()} for day, rows in market_of(found).items()}


def run(policy: Policy = UNBOUND, model: FillModel = FREE, *, cash: str = "1e12", **market_changes: Any) -> Replay:
    return replay(
        MARKET,
        rows_of(MARKET, **market_changes),
        ["trend"],
        policy,
        book="bt",
        cash_usd=Decimal(cash),
        model=model,
        next_return=AHEAD,
    )


def gap(*args: Any, **options: Any) -> ImplementationGap:
    return implementation_gap(run(*args, **options).sessions)


def pieces(found: ImplementationGap) -> dict[str, float]:
    return {name: float(getattr(found, name)) for name in ("limits", "kill_switch", "execution", "costs", "timing")}


@pytest.mark.parametrize(("half_spread_bp", "rtol"), [(0.0, 1e-6), (2.0, 1e-5)])  # fills are to 0.0001 USD
def test_the_replay_of_a_free_market_is_the_vectorised_accounting_of_its_target_weights(
    half_spread_bp: float, rtol: float
) -> None:
    targets: list[np.ndarray] = []

    def keep(_view: SessionView, _state: BookState, step: Step) -> None:
        targets.append(step.target.target_weight)

    rows = rows_of(MARKET, half_spread_bp=half_spread_bp)
    result = replay(MARKET, rows, ["trend"], UNBOUND, book="bt", cash_usd=Decimal("1e12"), model=FREE, on_step=keep)
    weight = np.array(targets)
    vectorised = simulate(MARKET.mid, weight, cost_rate=half_spread_bp / 1e4, cash_usd=1e12, threads=1)
    np.testing.assert_allclose(result.sessions["equity_usd"], vectorised.equity_usd, rtol=rtol)
    assert result.sessions["equity_usd"].n_unique() > SESSIONS / 2
    assert result.sessions["wanted_1d"].null_count() == SESSIONS  # nobody said what was earned
    if not half_spread_bp:
        market = research_market_of(AHEAD)
        earned = account(weight, replace(market, sessions=MARKET.sessions), FREE_OF_COSTS).net
        np.testing.assert_allclose(1e12 * np.cumprod(1.0 + earned[:-1]), vectorised.equity_usd[1:], rtol=1e-9)


def test_without_friction_wanted_approved_held_and_actual_returns_are_one() -> None:
    sessions = run().sessions
    wanted = sessions["wanted_1d"].to_numpy()[:-1]
    for name in ("approved_1d", "held_1d"):
        np.testing.assert_allclose(sessions[name].to_numpy()[:-1], wanted, atol=1e-9)
    np.testing.assert_allclose(sessions["return_1d"].to_numpy()[1:], wanted, atol=1e-9)
    assert sessions["wanted_1d"].null_count() == 1  # nothing is known after the last session
    found = implementation_gap(sessions)
    assert (found.sessions, found.unknown) == (SESSIONS, 1)
    assert found.wanted == pytest.approx(wanted.sum() / SESSIONS * 252)
    assert max(map(abs, pieces(found).values())) < 1e-6


FRICTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "a position limit": ("limits", {"policy": replace(UNBOUND, limits=RiskLimits(0.2, NEVER, NEVER, NEVER, 0.0))}),
    "a kill switch that a small loss trips": (
        "kill_switch",
        {"policy": replace(UNBOUND, kill=KillLimits(daily_loss_limit=0.004, max_drawdown=NEVER))},
    ),
    "a flattened book": (
        "kill_switch",
        {"policy": replace(UNBOUND, kill=KillLimits(daily_loss_limit=NEVER, max_drawdown=0.01))},
    ),
    "thin volume": ("execution", {"volume_shares": 3e9}),
    "whole shares": ("execution", {"cash": "20000"}),
    "a half-spread": ("costs", {"half_spread_bp": 2.0}),
    "market impact": ("costs", {"model": replace(FREE, impact_y=0.7), "adv_shares": 1e12}),
}


@pytest.mark.parametrize("friction", FRICTIONS)
def test_every_friction_moves_its_own_piece_of_the_gap(friction: str) -> None:
    mine, options = FRICTIONS[friction]
    found = gap(**options)
    moved = pieces(found)
    own = abs(moved.pop(mine))
    assert own > 1e-4
    assert max(map(abs, moved.values())) < 0.02 * own
    assert mine != "costs" or found.costs < 0.0


def test_fills_away_from_the_close_are_timing() -> None:
    draw = np.random.default_rng(5).normal(0, 0.002, MARKET.mid.shape)
    late = {
        day: {
            s: replace(row, close=float(MARKET.mid[i, j]) * (1 + draw[i, j])) for j, (s, row) in enumerate(rs.items())
        }
        for i, (day, rs) in enumerate(rows_of(MARKET).items())
    }
    result = replay(
        MARKET, late, ["trend"], UNBOUND, book="bt", cash_usd=Decimal("1e12"), model=FREE, next_return=AHEAD
    )
    moved = pieces(implementation_gap(result.sessions))
    assert abs(moved.pop("timing")) > 1e-4
    assert (moved["limits"], moved["kill_switch"]) == pytest.approx((0.0, 0.0), abs=1e-9)
    assert moved["costs"] == 0.0


def test_the_pieces_add_up_to_the_actual_return() -> None:
    found = gap(Policy(), FillModel(), cash="50000", half_spread_bp=3.0, volume_shares=2e3, adv_shares=2e4)
    assert found.wanted + sum(pieces(found).values()) == pytest.approx(found.actual)
    assert found.as_dict()["actual"] == found.actual
    assert min(found.limits, found.execution, found.costs) < 0.0


def test_rows_that_say_nothing_count_as_nothing() -> None:
    empty = implementation_gap(run().sessions.clear())
    assert (empty.sessions, empty.wanted, empty.actual) == (0, 0.0, 0.0)
    broke = run(cash="0").sessions
    assert implementation_gap(broke).actual == 0.0


def test_books_are_not_mixed() -> None:
    sessions = run().sessions
    with pytest.raises(DataError, match="several books"):
        implementation_gap(pl.concat([sessions, sessions.with_columns(book=pl.lit("other"))]))


def test_a_held_symbol_without_a_price_is_allowed_what_it_is() -> None:
    silent = replace(MARKET, mid=np.where(np.arange(SESSIONS)[:, None] == 5, np.nan, MARKET.mid))
    result = replay(
        silent, rows_of(silent), ["trend"], UNBOUND, book="bt", cash_usd=Decimal("1e9"), model=FREE, next_return=AHEAD
    )
    row = result.sessions.row(5, named=True)
    assert row["tier"] == "NO_NEW"
    assert row["approved_1d"] == pytest.approx(row["held_1d"])
