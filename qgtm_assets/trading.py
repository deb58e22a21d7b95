"""`portfolio/target`, `risk/approved_orders`, `execution/*`, `tca/orders`: one session, one book, in this order.

Each asset is one stage of `qgtm_core.engine`. They are never range-capable: a session builds on the one before it.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
import polars as pl

from qgtm_assets.delivery import deliver, stored_asset
from qgtm_assets.desk import CLUSTERS, open_desk
from qgtm_assets.partitions import SESSIONS
from qgtm_core.backtest.fills import market_rows
from qgtm_core.engine import approve_stage, plan_stage, target_stage
from qgtm_core.errors import InvariantError
from qgtm_core.execution.tca import measure
from qgtm_core.intraday.sleeve import of_sleeve, shares_of, sleeve_positions
from qgtm_core.rows import aligned, approved_rows, fill_rows, position_rows, target_rows
from qgtm_core.schemas.spec import Table
from qgtm_core.schemas.trading import APPROVED, FILLS, POSITIONS, TARGET, TCA
from qgtm_core.strategies.registry import DAILY
from qgtm_core.types import Gate, OrderIntent
from qgtm_core.universe import INSTRUMENTS, TRADED
from qgtm_core.view import Array
from qgtm_resources.clients.ledger import PostgresLedger
from qgtm_resources.clock import SystemClock
from qgtm_resources.executor import Executor
from qgtm_resources.reconciliation import reconcile_once
from qgtm_resources.resources import (
    BrokerResource,
    DeskResource,
    FeedResource,
    HotStateResource,
    LedgerResource,
    WarehouseResource,
)

GATE_CHECK = "kill_switch_open"
LIMITS_CHECK = "orders_within_limits"
BOOKS_CHECK = "books_match_broker"
BUDGET_CHECK = "weights_within_budget"
ENDED_CHECK = "every_intent_has_an_end"
SLIPPAGE_CHECK = "slippage_in_band"
SLIPPAGE_BAND_BP = 50.0

Events = Iterator[dg.Output[pl.DataFrame] | dg.AssetCheckResult]


def _stage(table: Table, *checks: tuple[str, bool], **options: Any) -> Mapping[str, Any]:
    specs = [dg.AssetCheckSpec(name, asset=[table.group, table.name], blocking=hard) for name, hard in checks]
    return {
        **stored_asset(table, kinds={"python", "duckdb"}, check_specs=specs),
        "partitions_def": SESSIONS,
        "backfill_policy": dg.BackfillPolicy.multi_run(max_partitions_per_run=1),
        "pool": "duckdb_trading",
        **options,
    }


def _session(context: dg.AssetExecutionContext) -> dt.date:
    return dt.date.fromisoformat(context.partition_key)


def _current_session(context: dg.AssetExecutionContext, desk: DeskResource, feed: FeedResource) -> dt.date:
    """The session of the run, which must be the current one.

    Asked by every stage that opens or marks the book, not by the fills alone: a target made for tomorrow's key would
    open the book there, and today's rebalance would then be refused as a step back.
    """
    session = _session(context)
    require_current(desk, feed, session)
    return session


@dg.asset(
    **_stage(
        TARGET,
        (BUDGET_CHECK, True),
        deps=[["signals", s] for s in DAILY] + [["features", "prices"], ["raw", "decision_quotes"]],
    )
)
def target(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    ledger: LedgerResource,
    desk: DeskResource,
    feed: FeedResource,
) -> Events:
    """Opinions into target weights, for the book as it stood at the decision."""
    here = open_desk(warehouse, desk, ledger.ledger, _current_session(context, desk, feed))
    intents = [intent for intent, _ in ledger.ledger.orders(desk.book, here.view.session)]
    sleeve = sleeve_positions(intents, ledger.ledger.executions(desk.book, here.view.session))
    found = target_stage(here.opened, here.view, CLUSTERS, desk.policy, shares_of(sleeve, here.view.symbols))
    frame = target_rows(here.opened, found, here.view, desk.policy.policy_hash)
    yield from deliver(TARGET, frame, {"annual_vol": found.annual_vol, "equity_usd": here.opened.equity_usd})
    multiplier = desk.policy.portfolio.max_multiplier
    gross = float(frame["target_weight"].abs().sum())
    yield dg.AssetCheckResult(passed=gross <= multiplier, check_name=BUDGET_CHECK, metadata={"gross_weight": gross})


@dg.asset(
    **_stage(
        APPROVED,
        (LIMITS_CHECK, True),
        (BOOKS_CHECK, True),
        (GATE_CHECK, True),
        deps=[["portfolio", "target"]],
    )
)
def approved_orders(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    ledger: LedgerResource,
    desk: DeskResource,
    broker: BrokerResource,
    feed: FeedResource,
    hotstate: HotStateResource,
) -> Events:
    """What risk lets through, and why the rest stays. A closed gate ends the run here."""
    session, books = _current_session(context, desk, feed), ledger.ledger
    here = open_desk(warehouse, desk, books, session)
    gate = here.opened.gate
    weights = _stored(warehouse, desk, session, TARGET, "target_weight")
    approval = approve_stage(here.opened, weights, here.view, desk.policy)
    frame = approved_rows(here.opened, approval, here.view)
    report = reconcile_once(broker.open(session), books, desk.book, SystemClock().now(), hotstate.client)
    sent = frame.filter(pl.col("approved_shares") != 0).select("symbol", "approved_shares", "reasons").to_dicts()
    body = {"session": str(session), "book": desk.book, "tier": gate.tier.name, "reason": gate.reason, "orders": sent}
    books.record("approval", f"book-{desk.book}-{session:%Y%m%d}", body, here.view.decided_at)
    yield from deliver(APPROVED, frame, {"tier": gate.tier.name, "changed": int((frame["reasons"] != "").sum())})
    leverage = pl.col("symbol").replace_strict({symbol: INSTRUMENTS[symbol].leverage for symbol in TRADED})
    over = frame.filter(pl.col("approved_weight").abs() * leverage > desk.policy.limits.max_position_weight + 1e-9)
    held = frame.filter(pl.col("approved_shares") != 0)["symbol"].to_list()
    breach = over.filter(pl.col("symbol").is_in(held) & (pl.col("approved_shares") > 0))
    yield dg.AssetCheckResult(passed=breach.is_empty(), check_name=LIMITS_CHECK, metadata={"over_limit": len(breach)})
    yield dg.AssetCheckResult(
        passed=not report.confirmed, check_name=BOOKS_CHECK, metadata={"breaks": [str(b) for b in report.breaks]}
    )
    yield dg.AssetCheckResult(
        passed=gate.open, check_name=GATE_CHECK, metadata={"tier": gate.tier.name, "reason": gate.reason or "normal"}
    )


@dg.asset(**_stage(FILLS, (ENDED_CHECK, False), deps=[["risk", "approved_orders"]], tags={"qgtm/orders": "yes"}))
def fills(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    ledger: LedgerResource,
    desk: DeskResource,
    broker: BrokerResource,
    feed: FeedResource,
) -> Events:
    """Send what was approved and book what came back; any session but the current one is refused."""
    session, books = _current_session(context, desk, feed), ledger.ledger
    here = open_desk(warehouse, desk, books, session)
    require_open(here.opened.gate)
    approved = _stored(warehouse, desk, session, APPROVED, "approved_shares")
    intents = plan_stage(here.opened, approved, here.view, desk.policy)
    yield from _execute(context, books, desk, broker, intents, session)


def _execute(
    context: dg.AssetExecutionContext,
    books: PostgresLedger,
    desk: DeskResource,
    broker: BrokerResource,
    intents: tuple[OrderIntent, ...],
    session: dt.date,
) -> Events:
    account = broker.open(session)
    executor = Executor(account, books, SystemClock(), gate=lambda: books.gate(desk.book), on_progress=context.log.info)
    report = executor.run(intents, session)
    orders = books.orders(desk.book, session)
    frame = fill_rows(books.executions(desk.book, session), [intent for intent, _ in orders])
    unfinished = [intent.client_order_id for intent, state in orders if not state.final]
    yield from deliver(
        FILLS,
        frame,
        {"orders": len(orders), "fills": len(frame), "new_fills": report.new_executions, "seconds": report.elapsed_s},
    )
    yield dg.AssetCheckResult(
        passed=not unfinished,
        check_name=ENDED_CHECK,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"unfinished": unfinished},
    )


@dg.asset(**_stage(POSITIONS, deps=[["execution", "fills"]]))
def positions(
    context: dg.AssetExecutionContext, ledger: LedgerResource, desk: DeskResource, feed: FeedResource
) -> Events:
    """The book after the session, marked at the session's price after the decision."""
    session, state = _current_session(context, desk, feed), ledger.ledger.book_state(desk.book)
    marks = {s: row.mid for s, row in market_rows(feed.feed.market(session, TRADED)).items() if row.mid is not None}
    frame = position_rows(session, desk.book, state.positions, state.cash_usd, marks)
    yield from deliver(POSITIONS, frame, {"equity_usd": float(frame["value_usd"].sum())})


@dg.asset(**_stage(TCA, (SLIPPAGE_CHECK, False), deps=[["execution", "fills"], ["portfolio", "target"]]))
def orders(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    ledger: LedgerResource,
    desk: DeskResource,
    feed: FeedResource,
) -> Events:
    """What each order cost against its benchmarks."""
    session, books = _session(context), ledger.ledger
    targets = warehouse.read("portfolio", "target", session, session, where={"book": desk.book})
    basis = dict(targets.select("symbol", "quote_basis").iter_rows())
    # the sleeve's orders have ticks of their own; the prices here are those after the session's decision
    intents = [intent for intent, _ in books.orders(desk.book, session) if not of_sleeve(intent)]
    frame = measure(
        intents, books.executions(desk.book, session), market_rows(feed.feed.market(session, TRADED)), basis
    )
    worst = frame["slippage_arrival_bp"].abs().max()
    yield from deliver(TCA, frame, {"orders": len(frame), "shortfall_usd": float(frame["shortfall_usd"].sum())})
    yield dg.AssetCheckResult(
        passed=worst is None or float(str(worst)) <= SLIPPAGE_BAND_BP,
        check_name=SLIPPAGE_CHECK,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"worst_bp": float(str(worst)) if worst is not None else 0.0, "band_bp": SLIPPAGE_BAND_BP},
    )


def _stored(warehouse: WarehouseResource, desk: DeskResource, session: dt.date, table: Table, column: str) -> Array:
    """A column the previous stage stored, over the traded symbols; raises InvariantError when it did not run."""
    rows = warehouse.read(table.group, table.name, session, session, where={"book": desk.book})
    if rows.is_empty():
        raise InvariantError(f"{table.group}/{table.name} holds nothing for {session} in book {desk.book}")
    return aligned(rows, column, TRADED)


def require_current(desk: DeskResource, feed: FeedResource, session: dt.date) -> None:
    """Stop a run of any session but the current one before it can reach the broker."""
    current = desk.current_session(feed.feed)
    if session != current:
        raise dg.Failure(f"orders are sent for the current session {current} only, not {session}", allow_retries=False)


def require_open(gate: Gate) -> None:
    """Ask again inside `execution/fills`: a run of the fills alone skips the blocking checks before it."""
    if not gate.open:
        raise dg.Failure(f"kill switch at {gate.tier.name}: {gate.reason}", allow_retries=False)


TRADING_ASSETS = [target, approved_orders, fills, positions, orders]
