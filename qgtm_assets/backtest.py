"""`backtest/*`: the same engine over a range of sessions, every strategy on its own, and what may be believed of it.

One operation, in one run; what is not selected is not computed. It sees no broker and no book.
"""

import datetime as dt
import time
from collections.abc import Iterator
from typing import Any

import dagster as dg
import polars as pl

from qgtm_assets.backtest_config import BacktestConfig, backtest_id, policy_of
from qgtm_assets.backtest_evidence import judged
from qgtm_assets.backtest_stages import Bench, replayed, researched
from qgtm_assets.delivery import column_schema
from qgtm_assets.desk import TRADING
from qgtm_assets.partitions import SESSIONS, session_span
from qgtm_core.features.registry import FEATURES
from qgtm_core.schemas.results import (
    EVIDENCE_TABLE,
    FILLS_TABLE,
    METRICS_TABLE,
    OUT_OF_SAMPLE_TABLE,
    PORTFOLIO_TABLE,
    STRATEGY_RETURNS_TABLE,
    VALIDATION_TABLE,
)
from qgtm_core.schemas.spec import Table
from qgtm_resources.resources import DeskResource, FeedResource, TrialsResource, WarehouseResource

REPLAY = (PORTFOLIO_TABLE, FILLS_TABLE)
RESEARCH = (STRATEGY_RETURNS_TABLE, METRICS_TABLE)
EVIDENCE = (OUT_OF_SAMPLE_TABLE, VALIDATION_TABLE, EVIDENCE_TABLE)
TABLES = (*REPLAY, *RESEARCH, *EVIDENCE)
WHOLE = (METRICS_TABLE, VALIDATION_TABLE, EVIDENCE_TABLE)  # one set of rows a backtest, not a session
MARKET_DATA = [["features", "prices"], ["raw", "decision_quotes"], ["pit", "prices"], ["pit", "fund_terms"]]
SIGNALS = [["signals", strategy.id] for strategy in TRADING]
TABLES_OF_FEATURES = [["features", name] for name in FEATURES]


def _spec(table: Table) -> dg.AssetSpec:
    inner = [["backtest", "portfolio"]] if table in (METRICS_TABLE, *EVIDENCE) else []
    above = [*MARKET_DATA, *(SIGNALS if table in REPLAY else TABLES_OF_FEATURES), *inner]
    deps = [list(key) for key in dict.fromkeys(tuple(key) for key in above)]
    return dg.AssetSpec(
        [table.group, table.name],
        group_name="backtest",
        description=table.description,
        owners=["team:research"],
        kinds={"polars", "duckdb"},
        deps=deps,
        metadata={"partition_expr": "session", "dagster/column_schema": column_schema(table)},
        partitions_def=SESSIONS,
        skippable=True,
    )


@dg.multi_asset(
    name="study",
    specs=[_spec(table) for table in TABLES],
    can_subset=True,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool="duckdb_research",
)
def backtest(
    context: dg.AssetExecutionContext,
    config: BacktestConfig,
    warehouse: WarehouseResource,
    desk: DeskResource,
    feed: FeedResource,
    trials: TrialsResource,
) -> Iterator[dg.MaterializeResult]:
    """Replay the book, account every strategy with all costs, choose and judge out of sample."""
    first, last = session_span(context)
    policy, selected = policy_of(desk, config), {key.path[-1] for key in context.selected_asset_keys}
    book = backtest_id(policy, first, last, config)
    bench = Bench(context.log.info, config, warehouse, desk, feed, trials, policy, book, first, last)
    for stage, tables in ((replayed, REPLAY), (researched, RESEARCH), (judged, EVIDENCE)):
        wanted = [table for table in tables if table.name in selected]
        if not wanted:
            continue
        started = time.perf_counter()
        done = stage(bench)
        figures = {"backtest": book, "compute_s": time.perf_counter() - started, **done.figures}
        for table in wanted:
            rows = _store(warehouse, table, done.frames[table.name], first, last, book)
            yield dg.MaterializeResult(asset_key=[table.group, table.name], metadata={"rows": rows, **figures})
        # an observation, once: metadata of a materialization is stored again for every session of the range
        context.log_event(dg.AssetObservation(["backtest", wanted[0].name], partition=str(last), metadata=done.told))
        context.log.info(f"{stage.__name__} in {figures['compute_s']:.1f} s")


def _store(
    warehouse: WarehouseResource, table: Table, frame: pl.DataFrame, first: dt.date, last: dt.date, book: str
) -> int:
    since, until = (None, None) if table in WHOLE else (first, last)
    return warehouse.client.write(table, frame, since, until, {"book": book})


BACKTEST: list[Any] = [backtest]
