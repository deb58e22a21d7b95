"""Live equals backtest: the trading assets, one session at a time on the real ledger, against one replay of the range.

The account is `SimBroker` in both (no wire, no clock: the same order in the same market always fills the same way).
Signals are materialized once for the range; that they do not depend on the range is held by the point-in-time tests.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from qgtm_assets.desk import CLUSTERS, panel
from qgtm_core import calendar
from qgtm_core.backtest.fills import market_rows
from qgtm_core.backtest.replay import replay
from qgtm_core.engine import Step, costs
from qgtm_core.rows import approved_rows, position_rows, target_rows
from qgtm_core.types import BookState, KillTier
from qgtm_core.universe import TRADED
from qgtm_core.view import SessionView
from qgtm_resources.settings import load_settings
from tests.installation import (
    CASH,
    FIRST,
    LAST,
    YEARS,
    Installation,
    market_history,
    problem,
    thirty_sessions,
)

ARCHIVE_FIRST = dt.date(2024, 4, 1)
ARCHIVE_LAST = calendar.offset_session(ARCHIVE_FIRST, 29)
TABLES = {
    ("portfolio", "target"): ("symbol",),
    ("risk", "approved_orders"): ("symbol",),
    ("execution", "fills"): ("execution_id",),
    ("execution", "positions"): ("symbol",),
    ("tca", "orders"): ("client_order_id",),
}


@dataclass(frozen=True)
class Backtest:
    """Rows of every stage, and the books after each session."""

    rows: dict[tuple[str, str], pl.DataFrame]
    final: BookState
    tiers: set[KillTier]


def backtest_of(house: Installation, sessions: Sequence[dt.date]) -> Backtest:
    """The range through `replay`, from the stored rows that the live assets read."""
    first, last = sessions[0], sessions[-1]
    desk, feed = house.desk(last), house.feed.feed
    policy = desk.policy
    by_day = {day: market_rows(feed.market(day, TRADED)) for day in sessions}
    frames: dict[tuple[str, str], list[pl.DataFrame]] = {key: [] for key in TABLES}
    tiers: set[KillTier] = set()

    def keep(view: SessionView, state: BookState, step: Step) -> None:
        market = by_day[view.session]
        marks = {symbol: row.mid for symbol, row in market.items() if row.mid is not None}
        tiers.add(step.opened.gate.tier)
        frames["portfolio", "target"].append(target_rows(step.opened, step.target, view, policy.policy_hash))
        frames["risk", "approved_orders"].append(approved_rows(step.opened, step.approval, view))
        frames["execution", "positions"].append(
            position_rows(view.session, house.book, state.positions, state.cash_usd, marks)
        )
        cost = costs(step, market, view)
        frames["tca", "orders"].append(cost)

    views = panel(house.warehouse, desk, first, last)
    result = replay(views, by_day, CLUSTERS, policy, book=house.book, cash_usd=CASH, on_step=keep)
    frames["execution", "fills"].append(result.fills)
    return Backtest({key: pl.concat(found) for key, found in frames.items()}, result.final, tiers)


def trade_live(house: Installation, sessions: Sequence[dt.date]) -> None:
    """The trading assets of the rebalance job, session after session, as the days went by."""
    with dg.DagsterInstance.ephemeral() as instance:
        for session in sessions:
            result = house.run(session, instance=instance)
            assert result.success, f"{session}: {problem(result)}"


def assert_same(house: Installation, sessions: Sequence[dt.date]) -> None:
    trade_live(house, sessions)
    expected = backtest_of(house, sessions)
    for (group, name), key in TABLES.items():
        live = house.warehouse.read(group, name, where={"book": house.book}).sort("session", *key)
        other = expected.rows[group, name].sort("session", *key)
        assert not live.is_empty(), f"{group}/{name} is empty: nothing was compared"
        assert_frame_equal(live, other, check_exact=True)
    state = house.ledger.book_state(house.book)
    assert (state.cash_usd, state.positions) == (expected.final.cash_usd, expected.final.positions)
    assert (state.equity_usd, state.peak_equity_usd) == (expected.final.equity_usd, expected.final.peak_equity_usd)
    assert state.latched is expected.final.latched
    assert state.cash_usd == house.account.cash_usd
    assert house.ledger.audit_verify().ok


def test_thirty_live_sessions_equal_the_backtest_row_for_row(new_house: Callable[..., Installation]) -> None:
    assert_same(new_house(), thirty_sessions())


@pytest.mark.archive
def test_thirty_live_sessions_of_real_history_equal_the_backtest(
    new_house: Callable[..., Installation], archive_path: Path, shared_folder: Path
) -> None:
    """April and May 2024: gold at a record, and 9 May without a holiday in between."""
    settings = load_settings(
        home=shared_folder / "archive" / "home", feed="archive", archive=archive_path, as_of=ARCHIVE_LAST
    )
    history = market_history(shared_folder / "archive", settings)
    sessions = calendar.schedule(ARCHIVE_FIRST, ARCHIVE_LAST)["session"].to_list()
    house = new_house(history=history, feed="archive", archive=archive_path)
    assert_same(house, sessions)


def test_the_compared_range_is_thirty_sessions() -> None:
    assert len(thirty_sessions()) == 30
    assert (thirty_sessions()[0], thirty_sessions()[-1], YEARS) == (FIRST, LAST, 2)
