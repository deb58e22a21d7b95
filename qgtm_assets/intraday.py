"""The intraday sleeve: `signals/<id>` of strategies on their own clock, `intraday/target`, `intraday/orders`.

A partition is a session; a run is one tick of it (run tag `qgtm/decided_at`) and rewrites the session's rows. Without
the tag the signals answer for every tick of the session; nothing is ever ordered without it. Rules, netting and
approval live in the core: this is wiring.
"""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import dagster as dg
import polars as pl

from qgtm_assets.delivery import answered, deliver, stored_asset
from qgtm_assets.partitions import SESSIONS, session_span
from qgtm_assets.trading import require_current, require_open
from qgtm_core import calendar
from qgtm_core.errors import ConfigError
from qgtm_core.intraday import clock
from qgtm_core.intraday.evaluate import evaluate_intraday
from qgtm_core.intraday.features import SOURCES
from qgtm_core.intraday.quotes import tick_quotes
from qgtm_core.intraday.rows import sleeve_order_rows, tick_rows
from qgtm_core.intraday.sleeve import intraday_step, tick_view
from qgtm_core.ports import Broker
from qgtm_core.schemas.intraday import INTRADAY_ORDERS, INTRADAY_TARGET, RELEASES
from qgtm_core.schemas.raw import RAW_TABLES
from qgtm_core.schemas.signals import signal_table
from qgtm_core.strategies.registry import INTRADAY
from qgtm_core.strategies.spec import Sleeve, Strategy
from qgtm_core.types import FeedMode, StrategyStatus
from qgtm_core.universe import TRADED
from qgtm_core.view import SessionView, build_panel
from qgtm_resources.clients.ledger import PostgresLedger
from qgtm_resources.clock import SystemClock
from qgtm_resources.executor import Executor
from qgtm_resources.intraday_desk import Standing, plan_of, record_plan, settle, standing
from qgtm_resources.reconciliation import reconcile_once
from qgtm_resources.resources import (
    BrokerResource,
    DeskResource,
    FeedResource,
    HotStateResource,
    LedgerResource,
    WarehouseResource,
)

TICK_TAG = "qgtm/decided_at"
GATE_CHECK, BOOKS_CHECK, FLAT_CHECK = "kill_switch_open", "books_match_broker", "flat_when_it_must_be"
LATEST = dt.timedelta(minutes=4)  # a live tick older than this is left to the next one
PRICE_SESSIONS = 10  # reach back for a close
KNOWN_AHEAD = frozenset({"events"})  # dates of today became known months ago

TRADING: tuple[Strategy, ...] = tuple(
    s for s in INTRADAY.values() if s.sleeve is Sleeve.INTRADAY and s.status is StrategyStatus.PAPER
)
SIZES: tuple[int, ...] = tuple(len(s.symbols) for s in TRADING)

Events = Iterator[dg.Output[pl.DataFrame] | dg.AssetCheckResult]


def sources_of(strategy: Strategy) -> list[str]:
    """PIT tables an intraday strategy reads."""
    read = (t for item in strategy.inputs for t in (("events",) if item.table == RELEASES else SOURCES[item.table]))
    return list(dict.fromkeys(read))


def tick_of(context: dg.AssetExecutionContext) -> dt.datetime | None:
    """The tick of the run, by its tag; None without one. ConfigError when it is no instant."""
    text = context.run.tags.get(TICK_TAG)
    if text is None:
        return None
    try:
        return dt.datetime.fromisoformat(text).astimezone(dt.UTC)
    except ValueError as fault:
        raise ConfigError(f"run tag {TICK_TAG}={text!r} is no instant") from fault


def intraday_signal_asset(strategy: Strategy, *, checked: bool = True) -> dg.AssetsDefinition:
    """Wire one strategy: the ticks of the asked sessions, up to the run's own tick when it has one."""
    table = signal_table(strategy.id)
    sources = sources_of(strategy)

    @dg.asset(
        **stored_asset(table, kinds={"polars", "duckdb"}, checked=checked),
        deps=[["pit", name] for name in sources],
        partitions_def=SESSIONS,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool="duckdb_market",
        tags={"family": strategy.category, "status": strategy.status.value},
        code_version=strategy.params_hash,
    )
    def signal(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> Events:
        first, last = session_span(context)
        until = tick_of(context)
        ticks = clock.ticks(first, last).select("session", "decided_at")
        if until is not None:
            ticks = ticks.filter(pl.col("decided_at") <= until)
        since = calendar.offset_session(first, -strategy.rule_lookback)
        known = {name: warehouse.read("pit", name, None if name in KNOWN_AHEAD else since, last) for name in sources}
        frame = evaluate_intraday(strategy, known, ticks)
        told = {"opinions": frame.filter(status="OK").height, "ticks": ticks.height}
        yield from answered(deliver(table, frame, told), checked=checked)

    return signal


def _stage(table: Any, checks: tuple[tuple[str, bool], ...], **options: Any) -> dict[str, Any]:
    specs = [dg.AssetCheckSpec(name, asset=[table.group, table.name], blocking=hard) for name, hard in checks]
    return {
        **stored_asset(table, kinds={"python", "duckdb"}, check_specs=specs),
        "partitions_def": SESSIONS,
        "backfill_policy": dg.BackfillPolicy.multi_run(max_partitions_per_run=1),
        "pool": "duckdb_trading",
        **options,
    }


def _tick(context: dg.AssetExecutionContext, desk: DeskResource, feed: FeedResource) -> tuple[dt.date, dt.datetime]:
    """Session and tick of the run: of the current session, a tick of its clock, and in live work not an old one."""
    session = dt.date.fromisoformat(context.partition_key)
    require_current(desk, feed, session)
    tick = tick_of(context)
    if tick is None:
        raise dg.Failure(f"orders are made for one tick: set the run tag {TICK_TAG}", allow_retries=False)
    if tick not in clock.ticks(session, session)["decided_at"].to_list():
        raise dg.Failure(f"{tick:%H:%M:%S} UTC is no tick of {session}", allow_retries=False)
    if FeedMode(desk.mode) is FeedMode.LIVE and not dt.timedelta(0) <= SystemClock().now() - tick <= LATEST:
        raise dg.Failure(f"the tick {tick:%H:%M:%S} UTC has passed: the next one decides anew", allow_retries=False)
    return session, tick


@dg.asset(
    **_stage(
        INTRADAY_TARGET,
        ((GATE_CHECK, True), (BOOKS_CHECK, True), (FLAT_CHECK, False)),
        deps=[["signals", s.id] for s in TRADING]
        + [["features", "prices"], ["pit", "prices"], ["pit", "bars_intraday"]],
    )
)
def target(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    ledger: LedgerResource,
    desk: DeskResource,
    feed: FeedResource,
    broker: BrokerResource,
    hotstate: HotStateResource,
) -> Events:
    """Net the sleeve's target with what the daily sleeve holds, approve the difference and write its orders down."""
    session, tick = _tick(context, desk, feed)
    books, account = ledger.ledger, broker.open(session)
    books.open_book(desk.book, desk.cash_usd, desk.feed_label)
    settle(account, books, desk.book, session, tick, SystemClock(), context.log.info)
    here = standing(books, desk.book, session, tick)
    view = _view(warehouse, desk, account, session, tick)
    decided = intraday_step(here.state, view, here.sleeve, SIZES, desk.policy, busy=here.busy)
    gate = decided.opened.gate
    if decided.opened.state.latched > here.state.latched:
        books.raise_tier(desk.book, gate.tier, gate.reason, session, tick, actor="kill switch")
    frame = _session_rows(warehouse, desk, session, tick, tick_rows(decided, view, desk.policy.policy_hash))
    report = reconcile_once(account, books, desk.book, SystemClock().now(), hotstate.client)
    if not here.rests and gate.open and not report.confirmed:
        record_plan(books, desk.book, session, tick, decided)
    told = {
        "rests": here.rests,
        "tier": gate.tier.name,
        "planned": len(decided.intents),
        "equity_usd": decided.opened.equity_usd,
    }
    yield from deliver(INTRADAY_TARGET, frame, told)
    yield dg.AssetCheckResult(
        passed=gate.open, check_name=GATE_CHECK, metadata={"tier": gate.tier.name, "reason": gate.reason or "normal"}
    )
    yield dg.AssetCheckResult(
        passed=not report.confirmed, check_name=BOOKS_CHECK, metadata={"breaks": [str(b) for b in report.breaks]}
    )
    yield _flat(here, session, tick)


def _flat(here: Standing, session: dt.date, tick: dt.datetime) -> dg.AssetCheckResult:
    """Warn when the sleeve still holds something at the tick after the one that should have closed it."""
    late = tick > calendar.close_at(session) - clock.FLAT_BEFORE_CLOSE and not here.rests
    held = {symbol: str(shares) for symbol, shares in here.sleeve.items()} if late else {}
    return dg.AssetCheckResult(
        passed=not held, check_name=FLAT_CHECK, severity=dg.AssetCheckSeverity.ERROR, metadata={"held": held}
    )


def _view(
    warehouse: WarehouseResource, desk: DeskResource, account: Broker, session: dt.date, tick: dt.datetime
) -> SessionView:
    """The view of one tick; volatility, returns and volume are those the session before decided with."""
    before = calendar.previous_session(session)
    lookback = desk.policy.portfolio.correlation_sessions - 1
    base = build_panel(
        warehouse.read("features", "prices", calendar.offset_session(before, -lookback - 1), before),
        {},
        RAW_TABLES["decision_quotes"].empty(),
        calendar.schedule(before, before).select("session", "decided_at"),
        lookback,
    )
    signals = warehouse.read_many("signals", [s.id for s in TRADING], session, session)
    live = FeedMode(desk.mode) is FeedMode.LIVE  # a simulated account quotes what the session will bring
    quotes = tick_quotes(
        TRADED,
        warehouse.read("pit", "bars_intraday", session, session),
        warehouse.read("pit", "prices", calendar.offset_session(session, -PRICE_SESSIONS), session),
        tick,
        account.quotes(TRADED) if live else None,
    )
    now = {key: frame.filter(pl.col("decided_at") == tick) for key, frame in signals.items()}
    return tick_view(next(base.views()), now, quotes, session, tick)


def _session_rows(
    warehouse: WarehouseResource, desk: DeskResource, session: dt.date, tick: dt.datetime, rows: pl.DataFrame
) -> pl.DataFrame:
    """The session's rows with this tick's in place: a write replaces the session."""
    held = warehouse.read(INTRADAY_TARGET.group, INTRADAY_TARGET.name, session, session, where={"book": desk.book})
    return pl.concat([held.filter(pl.col("decided_at") != tick), rows]).sort("decided_at", "symbol")


@dg.asset(**_stage(INTRADAY_ORDERS, (), deps=[["intraday", "target"]], tags={"qgtm/orders": "yes"}))
def orders(
    context: dg.AssetExecutionContext,
    ledger: LedgerResource,
    desk: DeskResource,
    feed: FeedResource,
    broker: BrokerResource,
) -> Events:
    """Send the recorded orders of the tick and book what came back; a tick without a plan sends nothing."""
    session, tick = _tick(context, desk, feed)
    books = ledger.ledger
    intents = () if standing(books, desk.book, session, tick).rests else plan_of(books, desk.book, session, tick) or ()
    if intents:
        require_open(books.gate(desk.book))
        account = broker.open(session)
        executor = Executor(
            account, books, SystemClock(), gate=lambda: books.gate(desk.book), on_progress=context.log.info
        )
        executor.run(intents, session)
    yield from deliver(INTRADAY_ORDERS, _order_rows(books, desk, session), {"planned": len(intents)})


def _order_rows(books: PostgresLedger, desk: DeskResource, session: dt.date) -> pl.DataFrame:
    return sleeve_order_rows(books.orders(desk.book, session), books.executions(desk.book, session))


INTRADAY_SIGNALS = [intraday_signal_asset(strategy) for strategy in INTRADAY.values()]
INTRADAY_ASSETS = [*INTRADAY_SIGNALS, target, orders]
