"""`options/templates`: the options sleeve written out as multi-leg day orders. They are sent nowhere."""

import datetime as dt
from collections.abc import Iterator, Mapping

import dagster as dg
import polars as pl

from qgtm_assets.delivery import deliver, stored_asset
from qgtm_assets.partitions import SESSIONS, session_span
from qgtm_core import calendar
from qgtm_core.options.build import Signal, build_all
from qgtm_core.options.chain import read_chain
from qgtm_core.options.rows import template_rows
from qgtm_core.options.structures import STRUCTURES
from qgtm_core.options.template import Account
from qgtm_core.schemas.options import TEMPLATES
from qgtm_core.strategies.registry import REGISTRY
from qgtm_core.types import SignalStatus
from qgtm_resources.resources import DeskResource, WarehouseResource

WRITERS = tuple(strategy for strategy in REGISTRY.values() if strategy.id in STRUCTURES)
UNDERLYINGS = tuple(sorted({strategy.symbols[0] for strategy in WRITERS}))
CASH = "USD"
SILENT = Signal(SignalStatus.NO_SIGNAL, None, None)
# what is held is known from the session before: today's orders fill after the decision
_BEFORE = dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1, allow_nonexistent_upstream_partitions=True)


@dg.asset(
    **stored_asset(TEMPLATES, kinds={"polars", "duckdb"}),
    deps=[
        *(["signals", strategy.id] for strategy in WRITERS),
        ["pit", "options"],
        ["features", "event_risk"],
        dg.AssetDep(["execution", "positions"], partition_mapping=_BEFORE),
    ],
    partitions_def=SESSIONS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool="duckdb_trading",
)
def templates(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource, desk: DeskResource
) -> Iterator[dg.Output[pl.DataFrame] | dg.AssetCheckResult]:
    """Scores, chains and holdings into order templates, or the reason why there is none."""
    first, last = session_span(context)
    said = warehouse.read_many("signals", [strategy.id for strategy in WRITERS], first, last)
    chains = warehouse.read("pit", "options", first, last)
    events = warehouse.read("features", "event_risk", first, last, columns=["session", "sessions_to_event"])
    coming = dict(events.iter_rows())
    held = warehouse.read("execution", "positions", None, last, where={"book": desk.book})
    frames = []
    for session in calendar.schedule(first, last)["session"]:
        decided_at = calendar.decision_time(session)
        rows = chains.filter(pl.col("session") == session)
        built = build_all(
            [(strategy, _signal(said[strategy.id], session)) for strategy in WRITERS],
            {underlying: read_chain(rows, underlying, decided_at) for underlying in UNDERLYINGS},
            account_before(held, session, float(desk.cash_usd)),
            decided_at,
            _event(session, coming),
        )
        frames.append(template_rows(session, desk.book, decided_at, built))
    frame = pl.concat([TEMPLATES.empty(), *frames])
    orders = frame.filter(pl.col("leg") == 1)
    yield from deliver(TEMPLATES, frame, {"orders": len(orders), "refused": int((frame["leg"] == 0).sum())})


def _signal(signals: pl.DataFrame, session: dt.date) -> Signal:
    rows = signals.filter(pl.col("session") == session).select("status", "score", "reason")
    return Signal(*rows.row(0)) if rows.height else SILENT


def _event(session: dt.date, coming: Mapping[dt.date, int | None]) -> dt.date | None:
    """The session of the next scheduled event."""
    distance = coming.get(session)
    return None if distance is None else calendar.offset_session(session, distance)


def account_before(positions: pl.DataFrame, session: dt.date, start_cash_usd: float) -> Account:
    """What the book held after the session before; the start cash when it has not traded yet."""
    earlier = positions.filter(pl.col("session") < session)
    if earlier.is_empty():
        return Account(start_cash_usd, start_cash_usd)
    newest = earlier.filter(pl.col("session") == pl.col("session").max())
    shares = dict(newest.select("symbol", "quantity_shares").iter_rows())
    cash = float(shares.pop(CASH, 0.0))
    return Account(float(newest["value_usd"].sum()), max(cash, 0.0), shares)


OPTIONS = [templates]
