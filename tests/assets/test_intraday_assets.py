"""The intraday sleeve in the graph: one tick a run, one order a decision, and the rebalance that closes it."""

from __future__ import annotations

import datetime as dt

import dagster as dg
import polars as pl
import pytest

from qgtm_assets.intraday import FLAT_CHECK, TICK_TAG, TRADING, intraday_signal_asset, sources_of
from qgtm_core import calendar
from qgtm_core.intraday import clock
from qgtm_core.intraday.sleeve import of_sleeve
from qgtm_core.strategies.registry import INTRADAY
from qgtm_core.types import KillTier, OrderState
from qgtm_resources.clients.ledger import PostgresLedger
from qgtm_resources.clock import SystemClock
from qgtm_resources.intraday_desk import kind_of, plan_of, settle, standing
from tests.installation import ACCOUNTS, LAST, QUIET, Installation, checks, problem

BARS = [dg.AssetKey(["raw", "bars_intraday"]), dg.AssetKey(["pit", "bars_intraday"])]
KEYS = [
    *(dg.AssetKey(["signals", name]) for name in INTRADAY),
    dg.AssetKey(["intraday", "target"]),
    dg.AssetKey(["intraday", "orders"]),
]


def new_york(hour: int, minute: int, day: dt.date = LAST) -> dt.datetime:
    """The tick after a wall-clock time in New York."""
    return dt.datetime.combine(day, dt.time(hour, minute, 5), calendar.NEW_YORK).astimezone(dt.UTC)


ENTRY, NEXT, MISSED_EXIT, LAST_TICK = new_york(12, 15), new_york(12, 20), new_york(15, 40), new_york(15, 45)


def run_tick(
    house: Installation, tick: dt.datetime | None, keys: list[dg.AssetKey] = KEYS, current: dt.date = LAST
) -> dg.ExecuteInProcessResult:
    """One run of the job for one tick; a failure is a result."""
    live = house.definitions(current)["live"]
    return live.resolve_job_def("intraday").execute_in_process(
        instance=dg.DagsterInstance.ephemeral(),
        partition_key=str(LAST),
        asset_selection=keys,
        tags={TICK_TAG: tick.isoformat()} if tick is not None else {},
        run_config=QUIET,
        raise_on_error=False,
    )


def sleeve_orders(books: PostgresLedger, house: Installation) -> list[str]:
    return [intent.client_order_id for intent, _ in books.orders(house.book) if of_sleeve(intent)]


def held(books: PostgresLedger, house: Installation) -> dict[str, int]:
    return {symbol: int(shares) for symbol, shares in books.book_state(house.book).positions.items()}


def rows(house: Installation, name: str) -> pl.DataFrame:
    return house.warehouse.read("intraday", name, LAST, LAST, where={"book": house.book})


@pytest.fixture
def entered(house: Installation, books: PostgresLedger) -> Installation:
    """A book whose sleeve has entered at one tick."""
    result = run_tick(house, ENTRY, [*BARS, *KEYS])
    assert result.success, problem(result)
    assert all(checks(result).values())
    return house


def test_a_tick_buys_what_its_signals_say_and_stores_every_stage(entered: Installation, books: PostgresLedger) -> None:
    (name,) = sleeve_orders(books, entered)
    bought = held(books, entered)
    assert set(bought) == {"GLD"}
    assert bought["GLD"] > 0
    assert {p.symbol: int(p.quantity_shares) for p in entered.account.positions()} == bought
    signals = entered.warehouse.read("signals", "gold_silver_ratio_intraday", LAST, LAST)
    assert signals["decided_at"].max() == ENTRY
    assert signals.filter(pl.col("decided_at") == ENTRY)["score"].to_list() == [1.0, -1.0]
    target = rows(entered, "target").filter(pl.col("sleeve_weight") != 0)
    assert target["symbol"].to_list() == ["GLD"]
    assert rows(entered, "target").filter(pl.col("symbol") == "SLV")["reasons"].item() == "NO_SHORT"
    assert rows(entered, "orders")["client_order_id"].to_list() == [name]
    assert rows(entered, "orders")["state"].to_list() == ["FILLED"]
    assert books.plan_kinds(entered.book, LAST) == [kind_of(ENTRY)]
    assert books.audit_verify().ok


def test_the_same_tick_again_sends_nothing_new(entered: Installation, books: PostgresLedger) -> None:
    before, shares = sleeve_orders(books, entered), held(books, entered)
    result = run_tick(entered, ENTRY)
    assert result.success, problem(result)
    assert (sleeve_orders(books, entered), held(books, entered)) == (before, shares)
    assert len(entered.account.executions()) == len(before)


def test_a_next_tick_keeps_the_position_and_both_ticks_stay_in_the_table(
    entered: Installation, books: PostgresLedger
) -> None:
    shares = held(books, entered)
    result = run_tick(entered, NEXT)
    assert result.success, problem(result)
    assert held(books, entered) == shares
    assert rows(entered, "target")["decided_at"].unique().sort().to_list() == [ENTRY, NEXT]
    gold = rows(entered, "target").filter((pl.col("decided_at") == NEXT) & (pl.col("symbol") == "GLD"))
    assert (gold["sleeve_shares"].item(), gold["daily_shares"].item()) == (shares["GLD"], 0.0)


def test_an_older_tick_run_late_decides_nothing(entered: Installation, books: PostgresLedger) -> None:
    before = sleeve_orders(books, entered)
    assert run_tick(entered, NEXT).success
    late = run_tick(entered, new_york(12, 10))
    assert late.success, problem(late)
    assert sleeve_orders(books, entered) == before
    assert plan_of(books, entered.book, LAST, new_york(12, 10)) is None


def test_orders_that_were_planned_but_never_sent_are_left_to_the_next_tick(
    house: Installation, books: PostgresLedger
) -> None:
    assert run_tick(house, ENTRY, [*BARS, *KEYS[:-1]]).success
    planned = plan_of(books, house.book, LAST, ENTRY) or ()
    assert [i.symbol for i in planned] == ["GLD"]
    assert run_tick(house, NEXT).success
    (sent,) = sleeve_orders(books, house)
    assert sent != planned[0].client_order_id
    again = run_tick(house, ENTRY, KEYS[-1:])
    assert again.success, problem(again)
    assert sleeve_orders(books, house) == [sent]
    assert len(house.account.executions()) == 1


def test_an_order_written_down_at_an_earlier_tick_is_withdrawn_not_sent(
    house: Installation, books: PostgresLedger
) -> None:
    assert run_tick(house, ENTRY, [*BARS, *KEYS[:-1]]).success
    (intent,) = plan_of(books, house.book, LAST, ENTRY) or ()
    books.save_intents([intent])  # the run ended right here
    settle(house.broker.open(LAST), books, house.book, LAST, ENTRY, SystemClock(), str)
    assert [state for _, state in books.orders(house.book)] == [OrderState.INTENT], "its own tick may still send it"
    settle(house.broker.open(LAST), books, house.book, LAST, NEXT, SystemClock(), str)
    assert [state for _, state in books.orders(house.book)] == [OrderState.CANCELLED]
    assert house.account.executions() == []
    assert standing(books, house.book, LAST, NEXT).busy == frozenset()


def test_the_rebalance_closes_the_sleeve_and_the_ticks_after_it_rest(
    entered: Installation, books: PostgresLedger
) -> None:
    result = entered.run(LAST)
    assert result.success, problem(result)
    alone = entered.warehouse.read("portfolio", "target", LAST, LAST, where={"book": entered.book})
    shares, mid, equity = held(books, entered), dict(alone.select("symbol", "mid").iter_rows()), alone["equity_usd"][0]
    for symbol, weight in alone.select("symbol", "target_weight").iter_rows():
        if 0 < weight < 0.2:
            assert shares.get(symbol, 0) * mid[symbol] / equity <= weight + 1e-6
    daily = [i for i, _ in books.orders(entered.book, LAST) if not of_sleeve(i)]
    assert len({i.symbol for i in daily}) == len(daily)
    before = sleeve_orders(books, entered)
    for tick in (MISSED_EXIT, LAST_TICK):
        after = run_tick(entered, tick)
        assert after.success, problem(after)
    assert sleeve_orders(books, entered) == before
    assert held(books, entered) == shares


def test_without_a_rebalance_the_last_ticks_close_the_sleeve(entered: Installation, books: PostgresLedger) -> None:
    result = run_tick(entered, MISSED_EXIT)
    assert result.success, problem(result)
    assert held(books, entered) == {}
    assert len(sleeve_orders(books, entered)) == 2
    last = run_tick(entered, LAST_TICK)
    assert last.success
    assert checks(last)[FLAT_CHECK]


def test_a_closed_gate_ends_the_tick_before_any_order(house: Installation, books: PostgresLedger) -> None:
    books.raise_tier(house.book, KillTier.NO_NEW, "a test said so", LAST, ENTRY, "test")
    result = run_tick(house, ENTRY)
    assert not result.success
    assert checks(result)["kill_switch_open"] is False
    assert books.orders(house.book) == []
    assert house.book not in ACCOUNTS or house.account.executions() == []


def test_the_gate_is_asked_again_before_the_orders(house: Installation, books: PostgresLedger) -> None:
    assert run_tick(house, ENTRY, [*BARS, *KEYS[:-1]]).success
    assert plan_of(books, house.book, LAST, ENTRY)
    books.raise_tier(house.book, KillTier.NO_NEW, "a test said so", LAST, ENTRY, "test")
    result = run_tick(house, ENTRY, KEYS[-1:])
    assert "kill switch at NO_NEW" in problem(result)
    assert books.orders(house.book) == []


@pytest.mark.parametrize(
    ("tick", "current", "words"),
    [
        (None, LAST, "orders are made for one tick"),
        (ENTRY + dt.timedelta(seconds=1), LAST, "is no tick of 2024-06-28"),
        (ENTRY, calendar.previous_session(LAST), "orders are sent for the current session"),
    ],
)
def test_other_instants_and_sessions_are_refused(
    house: Installation, books: PostgresLedger, tick: dt.datetime | None, current: dt.date, words: str
) -> None:
    assert words in problem(run_tick(house, tick, KEYS[-2:], current))
    assert books.orders(house.book) == []


def test_without_a_tick_the_signals_answer_for_the_whole_session(house: Installation) -> None:
    result = run_tick(house, None, KEYS[:-2])
    assert result.success, problem(result)
    for name in INTRADAY:
        found = house.warehouse.read("signals", name, LAST, LAST)
        assert found["decided_at"].unique().sort().to_list() == clock.ticks(LAST, LAST)["decided_at"].to_list()
    assert set(house.warehouse.read("signals", "mvg_v1", LAST, LAST)["reason"]) == {"DISABLED"}
    assert set(house.warehouse.read("signals", "fix_dislocation", LAST, LAST)["reason"]) == {"NOT_LICENSED"}


def test_only_paper_strategies_of_the_sleeve_are_traded_on() -> None:
    assert [s.id for s in TRADING] == ["gold_silver_ratio_intraday", "vwap_reversion_intraday", "gold_gamma_scalp"]
    asset = intraday_signal_asset(INTRADAY["gold_gamma_scalp"])
    assert {key.path[-1] for key in asset.dependency_keys} == {"bars_intraday", "macro", "events"}
    assert sources_of(INTRADAY["fix_dislocation"]) == ["licensed_fixes", "bars_intraday", "flows", "events"]
