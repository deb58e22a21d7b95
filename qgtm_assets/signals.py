"""`signals/*`: one asset a strategy, from the registry. Rules live in the core; this is wiring."""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from qgtm_assets.delivery import deliver, reach_back, stored_asset
from qgtm_assets.partitions import SESSIONS, session_span
from qgtm_core import calendar
from qgtm_core.schemas.signals import signal_table
from qgtm_core.strategies.evaluate import evaluate
from qgtm_core.strategies.registry import REGISTRY
from qgtm_core.strategies.spec import Strategy
from qgtm_resources.resources import WarehouseResource

FINITE_CHECK = "opinions_are_finite"


def signal_asset(strategy: Strategy) -> dg.AssetsDefinition:
    """Wire one strategy; its rule sees history, its asset keeps the asked-for sessions."""
    table = signal_table(strategy.id)
    inputs = sorted({item.table for item in strategy.inputs})

    @dg.asset(
        **stored_asset(
            table,
            kinds={"polars", "duckdb"},
            check_specs=[dg.AssetCheckSpec(FINITE_CHECK, asset=["signals", strategy.id], blocking=True)],
        ),
        deps=[["features", name] for name in inputs],
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
        since = calendar.offset_session(start, -strategy.lookback)
        history = warehouse.read_many("features", inputs, since, last)
        frame = evaluate(strategy, history, calendar.schedule(start, last).select("session", "decided_at"))
        opinions = frame.filter(status="OK")
        yield from deliver(table, frame, {"opinions": len(opinions), "from_session": start.isoformat()})
        sane = opinions.select(
            pl.col("score").is_finite() & pl.col("score").is_between(-1, 1) & pl.col("confidence").is_between(0, 1)
        ).to_series()
        yield dg.AssetCheckResult(
            passed=bool(sane.all()), check_name=FINITE_CHECK, metadata={"opinions": len(opinions)}
        )

    return signal


SIGNALS = [signal_asset(strategy) for strategy in REGISTRY.values()]
