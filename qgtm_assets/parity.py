"""`ops/parity`: a live session held against the same code run again, once its bars are known. Wiring."""

import datetime as dt
from collections.abc import Iterator

import dagster as dg
import polars as pl

from qgtm_assets.delivery import deliver, stored_asset
from qgtm_assets.parity_desk import ParityDesk
from qgtm_assets.partitions import SESSIONS
from qgtm_core.backtest.parity.report import ALLOWED_SHARE, Report, unexplained_share
from qgtm_core.errors import ConfigError
from qgtm_core.schemas.parity import PARITY_TABLE
from qgtm_core.strategies.registry import DAILY
from qgtm_resources.resources import DeskResource, FeedResource, LedgerResource, WarehouseResource

PARITY_CHECK = "parity_explained"


@dg.asset(
    **stored_asset(
        PARITY_TABLE,
        kinds={"polars", "duckdb"},
        check_specs=[dg.AssetCheckSpec(PARITY_CHECK, asset=["ops", "parity"])],
    ),
    deps=[["execution", "fills"]],
    partitions_def=SESSIONS,
    backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run=1),
    pool="duckdb_market",
)
def parity(
    context: dg.AssetExecutionContext,
    warehouse: WarehouseResource,
    ledger: LedgerResource,
    desk: DeskResource,
    feed: FeedResource,
) -> Iterator[dg.Output[pl.DataFrame] | dg.AssetCheckResult]:
    """Every difference between what live recorded in the session and what the code gives again, with its cause."""
    session = dt.date.fromisoformat(context.partition_key)
    found = list(ParityDesk(warehouse, ledger.ledger, desk, feed.feed, DAILY).reports(session, session))
    if not found:
        raise ConfigError(f"book {desk.book} was not open in {session}: there is nothing to compare")
    report, share = found[0], unexplained_share(found)
    yield from deliver(PARITY_TABLE, report.rows, {"levels": _levels(report), "orders": report.orders})
    yield dg.AssetCheckResult(
        passed=share <= ALLOWED_SHARE,
        check_name=PARITY_CHECK,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={
            "unexplained_share": share,
            "allowed_share": ALLOWED_SHARE,
            "intents_identical": report.intents_identical,
        },
    )


def _levels(report: Report) -> dg.MetadataValue[str]:
    lines = ["| level | compared | equal | different, by cause |", "|---|---|---|---|"]
    for level in report.levels():
        causes = ", ".join(f"{cause} {n}" for cause, n in level.causes.items()) or "none"
        lines.append(f"| {level.level} | {level.compared} | {level.equal} | {causes} |")
    return dg.MetadataValue.md("\n".join(lines))
