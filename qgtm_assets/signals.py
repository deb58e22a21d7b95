"""`signals/*`: one asset a strategy, from the registry. Rules live in the core; this is wiring."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
import polars as pl

from qgtm_assets.delivery import answered, deliver, reach_back, stored_asset
from qgtm_assets.partitions import SESSIONS, session_span
from qgtm_core import calendar
from qgtm_core.errors import DataError
from qgtm_core.schemas.signals import signal_table
from qgtm_core.schemas.spec import Table
from qgtm_core.strategies.catalogue import chart, describe
from qgtm_core.strategies.evaluate import evaluate
from qgtm_core.strategies.panel import signal_key
from qgtm_core.strategies.registry import DAILY, REGISTRY, SHADOW
from qgtm_core.strategies.spec import Strategy, consumed
from qgtm_resources.resources import WarehouseResource

FINITE_CHECK = "opinions_are_finite"
SHOWN_SESSIONS = 20


def signal_asset(strategy: Strategy, *, checked: bool = True) -> dg.AssetsDefinition:
    """Wire one strategy; its rule sees history, its asset keeps the asked-for sessions."""
    table = signal_table(strategy.id)
    inputs = sorted({item.table for item in strategy.inputs})
    children = list(consumed(strategy, REGISTRY))
    options = stored_asset(
        table,
        kinds={"polars", "duckdb"},
        checked=checked,
        check_specs=[dg.AssetCheckSpec(FINITE_CHECK, asset=["signals", strategy.id], blocking=True)],
        description=strategy.rationale,
        metadata=_declared(strategy),
    )

    @dg.asset(
        **options,
        deps=[["features", name] for name in inputs] + [["signals", name] for name in children],
        partitions_def=SESSIONS,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool="duckdb_market",
        tags={"family": strategy.category, "status": strategy.status.value},
        code_version=strategy.params_hash,
    )
    def signal(
        context: dg.AssetExecutionContext, warehouse: WarehouseResource
    ) -> Iterator[dg.Output[pl.DataFrame] | dg.AssetCheckResult]:
        first, last = session_span(context)
        start = reach_back(warehouse.client, table, first)
        shown = calendar.offset_session(start, -SHOWN_SESSIONS)
        since = calendar.offset_session(shown, -strategy.lookback)
        signals = warehouse.read_many("signals", children, since, last)
        told = {signal_key(name): frame for name, frame in signals.items()}
        history = {**warehouse.read_many("features", inputs, since, last), **told}
        frame = evaluate(strategy, history, calendar.schedule(shown, last).select("session", "decided_at"))
        facts = {"last_signals": _chart(frame), "newest_inputs": _newest(strategy, history)}
        asked = frame.filter(pl.col("session") >= start)
        yield from answered(_told(table, asked, {**facts, "from_session": start.isoformat()}), checked=checked)

    return signal


def _declared(strategy: Strategy) -> dict[str, Any]:
    """What the declaration says, for the asset's page."""
    said = describe(strategy)
    return {
        "formula": dg.MetadataValue.text(strategy.formula),
        "parameters": dg.MetadataValue.json({"defaults": said["params"], "hash": strategy.params_hash}),
        "inputs": dg.MetadataValue.json(said["inputs"]),
        "exposures": ", ".join(strategy.exposures),
        "capacity": strategy.capacity,
        "source": strategy.source,
        "differs": dg.MetadataValue.json(said["differs"]),
    }


def _chart(signals: pl.DataFrame) -> dg.MetadataValue[Any]:
    """The last sessions' scores by symbol as a line of blocks, with the newest score or reason."""
    lines = ["| symbol | scores, oldest to newest | newest |", "|---|---|---|"]
    for (symbol,), own in signals.group_by("symbol", maintain_order=True):
        score, reason = own.select("score", "reason").row(-1)
        newest = reason if score is None else f"{score:+.3f}"
        lines.append(f"| {symbol} | {chart(own['score'].tail(SHOWN_SESSIONS))} | {newest} |")
    return dg.MetadataValue.md("\n".join(lines))


def _newest(strategy: Strategy, history: Mapping[str, pl.DataFrame]) -> dg.MetadataValue[Any]:
    """What the newest observation of each input is about, and since when it is known."""
    lines = ["| input | newest observation | known since |", "|---|---|---|"]
    for item in strategy.inputs:
        names = [item.availability] * 2 if item.coverage else [f"{item.prefix}event_at", f"{item.prefix}available_at"]
        event, known = (history[item.table][name].max() for name in names)
        lines.append(f"| {item.table} {item.name} | {event!s} | {known!s} |")
    return dg.MetadataValue.md("\n".join(lines))


def _told(
    table: Table, frame: pl.DataFrame, facts: Mapping[str, Any]
) -> Iterator[dg.Output[pl.DataFrame] | dg.AssetCheckResult]:
    """Hand the signals over; an opinion that is no number between its bounds stops the asset before it is stored."""
    opinions = frame.filter(status="OK")
    sane = opinions.select(
        pl.col("score").is_finite() & pl.col("score").is_between(-1, 1) & pl.col("confidence").is_between(0, 1)
    ).to_series()
    if not sane.all():
        yield dg.AssetCheckResult(passed=False, check_name=FINITE_CHECK, metadata={"bad": int((~sane).sum())})
        raise DataError(f"signals/{table.name}", "an opinion is not a finite number in its bounds", column="score")
    yield from deliver(table, frame, {"opinions": len(opinions), **facts})
    yield dg.AssetCheckResult(passed=True, check_name=FINITE_CHECK, metadata={"opinions": len(opinions)})


SIGNALS = [signal_asset(strategy) for strategy in (*DAILY.values(), *SHADOW.values())]
