"""The one path, looped over history."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
import pytest

from qgtm_core.backtest.replay import Replay, replay
from qgtm_core.backtest.run import run_backtest
from qgtm_core.engine import Step
from qgtm_core.policy import Policy, PortfolioPolicy
from qgtm_core.risk.killswitch import KillLimits
from qgtm_core.schemas.results import FILLS_TABLE, PORTFOLIO_TABLE
from qgtm_core.types import BookState, KillTier
from qgtm_core.view import MarketPanel, SessionView
from tests.core.views import market_frame, market_of, panel

NAN = np.nan
CASH = Decimal(1_000_000)
CLUSTERS = ["trend"]
POLICY = Policy()
ALL_IN = PortfolioPolicy(annual_vol_target=0.5)


def walk(sessions: int = 60, seed: int = 5) -> np.ndarray:
    steps = np.random.default_rng(seed).normal(0, 0.01, (sessions, 2))
    return np.asarray(100 * np.exp(np.cumsum(steps, axis=0)))


def run(found: MarketPanel, policy: Policy = POLICY, **options: Any) -> Replay:
    options.setdefault("market", market_of(found))
    return replay(found, clusters=CLUSTERS, policy=policy, book="bt", cash_usd=CASH, **options)


def falling(drop: float, *, after: int = 3, sessions: int = 12) -> MarketPanel:
    """Flat prices, one fall, flat again."""
    mids = np.full((sessions, 2), 100.0)
    mids[after:] *= 1 - drop
    return panel(mids, score=1.0)


def test_equity_is_cash_and_positions_at_the_close_on_every_session() -> None:
    found = panel(walk())
    states: list[tuple[BookState, Step]] = []
    result = run(found, on_step=lambda _, state, step: states.append((state, step)))
    PORTFOLIO_TABLE.require_valid(result.sessions)
    FILLS_TABLE.require_valid(result.fills)
    assert result.sessions.height == 60
    for i, (state, _) in enumerate(states):
        marked = sum(float(q) * found.mid[i, found.symbols.index(s)] for s, q in state.positions.items())
        assert result.sessions["equity_usd"][i] == pytest.approx(float(state.cash_usd) + marked)
    spent = sum((e.side.sign * e.quantity_shares * e.price for _, step in states for e in step.executions), Decimal(0))
    assert result.final.cash_usd == CASH - spent
    growth = (1 + result.sessions["return_1d"]).product()
    assert growth == pytest.approx(result.sessions["equity_usd"][-1] / 1e6)
    assert result.resets == 0


def test_positions_are_the_sum_of_the_fills() -> None:
    result = run(panel(walk()))
    signed = pl.when(pl.col("side") == "buy").then("quantity_shares").otherwise(-pl.col("quantity_shares"))
    held = dict(result.fills.group_by("symbol").agg(signed.sum()).iter_rows())
    assert {s: float(q) for s, q in result.final.positions.items()} == held


def test_the_same_replay_twice_is_the_same() -> None:
    found = panel(walk())
    one, other = run(found), run(found)
    assert one.sessions.equals(other.sessions)
    assert one.fills.equals(other.fills)
    assert one.final == other.final


def test_a_shorter_history_gives_the_same_first_sessions() -> None:
    found = panel(walk())
    cut = replace(
        found,
        sessions=found.sessions[:40],
        decided_at=found.decided_at[:40],
        **{
            n: getattr(found, n)[:40]
            for n in ("score", "confidence", "annual_vol", "mid", "half_spread_bp", "adv_shares")
        },
        returns=found.returns[: found.lookback + 40],
        quote_basis=found.quote_basis[:40],
    )
    assert run(cut).sessions.equals(run(found).sessions.head(40))


def test_costs_are_positive_and_part_of_the_loss_in_a_flat_market() -> None:
    result = run(panel(np.full((5, 2), 100.0)))
    lost = 1e6 - result.sessions["equity_usd"][-1]
    assert lost > 0
    assert result.sessions["cost_usd"].sum() == pytest.approx(lost, rel=1e-6)
    assert result.sessions["gross_weight"][0] == pytest.approx(result.sessions["turnover_usd"][0] / 1e6, rel=1e-3)


@pytest.mark.parametrize(
    ("drop", "tier"),
    [(0.026, KillTier.WARN), (0.034, KillTier.THROTTLE), (0.05, KillTier.NO_NEW), (0.40, KillTier.FLATTEN)],
)
def test_a_fall_raises_the_tier_that_its_loss_deserves(drop: float, tier: KillTier) -> None:
    result = run(falling(drop), Policy(portfolio=ALL_IN))
    assert result.sessions["tier"].to_list() == ["NORMAL"] * 3 + [tier.name] * 9
    assert result.final.latched is tier
    assert result.final.latched_session == result.sessions["session"][3]
    later = result.sessions["orders"].to_list()[3:]
    if tier is KillTier.NO_NEW:
        assert later == [0] * 9
        assert result.final.positions
    if tier is KillTier.FLATTEN:
        assert later == [2] + [0] * 8
        assert result.final.positions == {}


def test_simulated_resets_are_counted_even_when_the_next_loss_latches_again() -> None:
    mids = np.full((12, 2), 100.0)
    for i in (3, 5, 7):
        mids[i:] *= 0.95  # a NO_NEW loss every second session
    limits = KillLimits(max_drawdown=0.9)
    result = run(panel(mids, score=1.0), Policy(portfolio=ALL_IN, kill=limits, simulated_reset_sessions=2))
    tiers = result.sessions["tier"].to_list()
    assert tiers == ["NORMAL"] * 3 + ["NO_NEW"] * 6 + ["NORMAL"] * 3
    assert result.resets == 3
    assert run(panel(mids, score=1.0), Policy(portfolio=ALL_IN, kill=limits)).resets == 0


def test_a_flattened_book_trades_again_after_its_reset() -> None:
    result = run(falling(0.40), Policy(portfolio=ALL_IN, simulated_reset_sessions=4))
    assert result.resets == 1
    assert result.sessions["tier"].to_list() == ["NORMAL"] * 3 + ["FLATTEN"] * 4 + ["NORMAL"] * 5
    assert result.final.positions


def test_a_position_too_big_for_a_day_is_flattened_over_several() -> None:
    found = falling(0.40)
    market = {
        day: {s: replace(row, volume_shares=10_000.0) if day > found.sessions[2] else row for s, row in rows.items()}
        for day, rows in market_of(found).items()
    }
    result = run(found, Policy(portfolio=ALL_IN), market=market)
    assert result.final.positions == {}
    assert result.sessions["orders"].to_list()[3:] == [2, 2, 2, 0, 0, 0, 0, 0, 0]
    assert result.fills["execution_id"].is_unique().all()


def test_a_gap_in_the_quotes_stops_trading_but_keeps_the_last_mark() -> None:
    mids = np.full((6, 2), 100.0)
    mids[3, 0] = NAN
    result = run(panel(mids))
    assert result.sessions["tier"][3] == "NO_NEW"
    assert result.sessions["orders"][3] == 0
    assert result.sessions["equity_usd"][3] == result.sessions["equity_usd"][2]


def test_a_symbol_without_a_close_is_marked_at_its_mid() -> None:
    found = panel(np.full((2, 2), 100.0))
    market = {d: {s: replace(r, close=None) for s, r in rows.items()} for d, rows in market_of(found).items()}
    assert run(found, market=market).sessions["equity_usd"].is_not_null().all()


def test_sessions_without_a_market_have_no_fills() -> None:
    result = run(panel(np.full((3, 2), 100.0)), market={})
    assert result.fills.is_empty()
    assert result.sessions["equity_usd"].to_list() == [1e6] * 3
    assert result.sessions["orders"].to_list() == [2, 2, 2]


def test_a_book_without_money_has_no_weights_and_no_returns() -> None:
    found = panel(np.full((4, 2), 100.0), score=1.0)
    small = replay(found, market_of(found), CLUSTERS, POLICY, book="bt", cash_usd=Decimal(0))
    assert small.sessions["gross_weight"].to_list() == [0.0] * 4
    assert small.sessions["return_1d"].null_count() == 4
    assert small.sessions["tier"].to_list() == ["NO_NEW"] * 4


def test_progress_is_told_now_and_then() -> None:
    told: list[tuple[str, int, int]] = []
    run(panel(walk(3)), progress=lambda *said: told.append(said))
    assert told == [("replay", 0, 3)]


def test_no_step_sees_another_session() -> None:
    found = panel(walk(10))
    seen: list[SessionView] = []
    run(
        found,
        on_step=lambda view, _, step: (
            seen.append(view) if all(i.session == view.session for i in step.intents) else None
        ),
    )
    assert [v.session for v in seen] == list(found.sessions)


def bars(found: MarketPanel) -> pl.DataFrame:
    return pl.concat(
        [
            pl.DataFrame(
                {"symbol": [s] * len(found.sessions), "event_date": found.sessions, "adj_close": found.mid[:, j]}
            ).with_columns(revision=pl.lit(0, pl.Int32))
            for j, s in enumerate(found.symbols)
        ]
    )


def test_a_whole_backtest_fills_its_declared_tables() -> None:
    found = panel(walk())
    result = run_backtest(found, market_frame(found), bars(found), CLUSTERS, POLICY, book="bt", cash_usd=CASH)
    portfolio = PORTFOLIO_TABLE.require_valid(result.portfolio)
    paper = ["wanted_1d", "approved_1d", "held_1d"]
    assert portfolio.drop(paper).equals(run(found).sessions.drop(paper))
    assert portfolio.select(pl.col(paper).null_count()).row(0) == (1, 1, 1)
    assert portfolio["held_1d"][0] == pytest.approx(portfolio["return_1d"][1], abs=1e-4)
    FILLS_TABLE.require_valid(result.fills)
    assert result.resets == 0


def test_gross_and_net_weight_count_leverage_and_net_has_a_sign() -> None:
    found = panel(np.full((2, 2), 100.0), score=-1.0, symbols=("GLD", "UGL"))
    short = run(found, Policy(portfolio=PortfolioPolicy(allow_short=True))).sessions.row(0, named=True)
    assert short["net_weight"] == pytest.approx(-short["gross_weight"])
    assert short["gross_weight"] > 1.2 * short["turnover_usd"] / 1e6


@pytest.mark.parametrize("opinions", ["none", "no strategies"])
def test_a_backtest_without_opinions_stays_in_cash(opinions: str) -> None:
    found = panel(walk(5), score=NAN)
    if opinions == "no strategies":
        found = replace(found, strategies=(), score=np.empty((5, 0, 2)), confidence=np.empty((5, 0, 2)))
    result = run_backtest(found, market_frame(found), bars(found), CLUSTERS[: len(found.strategies)], POLICY,
                          book="bt", cash_usd=CASH)  # fmt: skip
    assert result.portfolio["equity_usd"].to_list() == [1e6] * 5
    assert result.portfolio["wanted_1d"].to_list() == [0.0] * 4 + [None]
    assert result.fills.is_empty()
