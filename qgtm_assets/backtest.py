"""`backtest/*`: the same engine over a range of sessions, in one run. Broker and ledger are not needed here."""

import datetime as dt
import hashlib
import time
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from qgtm_assets.delivery import column_schema
from qgtm_assets.desk import CLUSTERS, TRADING, panel
from qgtm_assets.partitions import SESSIONS, session_span
from qgtm_core import calendar
from qgtm_core.backtest.run import run_backtest
from qgtm_core.policy import Policy
from qgtm_core.schemas.results import FILLS_TABLE, METRICS_TABLE, PORTFOLIO_TABLE, STRATEGY_RETURNS_TABLE
from qgtm_resources.pictures import as_markdown, equity_png, write_picture
from qgtm_resources.resources import DeskResource, FeedResource, WarehouseResource

TABLES = (PORTFOLIO_TABLE, FILLS_TABLE, STRATEGY_RETURNS_TABLE, METRICS_TABLE)
UPSTREAM = [
    ["features", "prices"],
    ["raw", "decision_quotes"],
    ["pit", "prices"],
    *(["signals", s.id] for s in TRADING),
]


class BacktestConfig(dg.Config):
    """What a backtest may vary; everything else is the house policy."""

    start_cash_usd: str = "1000000"
    annual_vol_target: float | None = None
    allow_short: bool | None = None
    simulated_reset_sessions: int = 5


@dg.multi_asset(
    name="replay",
    specs=[
        dg.AssetSpec(
            [table.group, table.name],
            group_name="backtest",
            description=table.description,
            owners=["team:research"],
            kinds={"polars", "duckdb"},
            deps=UPSTREAM,
            metadata={"partition_expr": "session", "dagster/column_schema": column_schema(table)},
            partitions_def=SESSIONS,
        )
        for table in TABLES
    ],
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool="duckdb_research",
)
def backtest(
    context: dg.AssetExecutionContext,
    config: BacktestConfig,
    warehouse: WarehouseResource,
    desk: DeskResource,
    feed: FeedResource,
) -> Iterator[dg.MaterializeResult]:
    """Loop `step_session` over the range, and judge every strategy on its own."""
    first, last = session_span(context)
    policy = policy_of(desk, config)
    book = backtest_id(policy, first, last, config.start_cash_usd)
    started = time.perf_counter()
    views = panel(warehouse, desk, first, last)
    market = feed.feed.market_range(first, last)
    prices = warehouse.read(
        "pit",
        "prices",
        None,
        calendar.offset_session(last, 10),
        columns=["symbol", "event_date", "revision", "adj_close"],
    )
    loaded = time.perf_counter()
    rows = run_backtest(
        views, market, prices, CLUSTERS, policy, book=book, cash_usd=Decimal(config.start_cash_usd),
        progress=lambda text, done, total: context.log.info(f"{text}: {done} of {total} sessions"),
    )  # fmt: skip
    computed = time.perf_counter()
    figures: dict[str, Any] = {
        "backtest": book,
        "load_s": loaded - started,
        "compute_s": computed - loaded,
        "resets": rows.resets,
    }
    for table in TABLES:
        frame = getattr(rows, table.name)
        since, until = (None, None) if table is METRICS_TABLE else (first, last)
        warehouse.client.write(table, frame, since, until, {"book": book})
        yield dg.MaterializeResult(asset_key=[table.group, table.name], metadata={"rows": len(frame), **figures})
    picture = equity_png(rows.sessions, f"{desk.feed_label} {book}")
    path = write_picture(Path(warehouse.folder) / "results" / f"{book}.png", picture)
    # an observation, once: metadata of a materialization is stored again for every session of the range
    context.log_event(
        dg.AssetObservation(
            ["backtest", "portfolio"],
            partition=str(last),
            metadata={
                "equity": dg.MetadataValue.md(as_markdown(picture, "equity and drawdown")),
                "figures": dg.MetadataValue.md(metrics_markdown(rows.metrics)),
                "picture": dg.MetadataValue.path(path),
            },
        )
    )


def metrics_markdown(metrics: pl.DataFrame) -> str:
    """The table of figures for the UI."""
    shown = metrics.select(
        "name", "first", "sessions", "annual_return", "annual_vol", "sharpe", "sharpe_standard_error", "max_drawdown"
    )
    with pl.Config(
        tbl_formatting="MARKDOWN",
        tbl_hide_dataframe_shape=True,
        tbl_hide_column_data_types=True,
        tbl_rows=-1,
        tbl_cols=-1,
        tbl_width_chars=200,
        fmt_str_lengths=40,
        float_precision=3,
    ):
        return str(shown)


def backtest_id(policy: Policy, first: dt.date, last: dt.date, cash_usd: str) -> str:
    """Name of a result: another policy, range or start is another backtest, and never overwrites this one."""
    strategies = ",".join(strategy.params_hash for strategy in TRADING)
    text = f"{policy.policy_hash}|{first}|{last}|{Decimal(cash_usd).normalize()}|{strategies}"
    return f"backtest-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def policy_of(desk: DeskResource, config: BacktestConfig) -> Policy:
    """The house policy with what the backtest varies, and with simulated resets."""
    house = desk.policy
    portfolio = replace(
        house.portfolio,
        annual_vol_target=config.annual_vol_target or house.portfolio.annual_vol_target,
        allow_short=house.portfolio.allow_short if config.allow_short is None else config.allow_short,
    )
    return replace(house, portfolio=portfolio, simulated_reset_sessions=config.simulated_reset_sessions)


BACKTEST = [backtest]
