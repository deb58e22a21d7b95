"""`raw/*`: one asset a feed table, as received. No cleaning here; a structural fault stops the asset, nothing else."""

import datetime as dt
from collections.abc import Iterator

import dagster as dg
import polars as pl

from qgtm_assets.delivery import answered, deliver, reach_back, stored_asset
from qgtm_assets.partitions import SESSIONS, session_span
from qgtm_core.errors import DataError
from qgtm_core.schemas.raw import RAW_TABLES
from qgtm_core.schemas.spec import Table
from qgtm_resources.quarantine import record_rejected
from qgtm_resources.resources import FeedResource, WarehouseResource

# A feed that answers 429 or 5xx is tried again; bad data is not: it would be as bad the next time.
RETRIES = dg.RetryPolicy(max_retries=3, delay=2, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)


def raw_asset(table: Table, *, checked: bool = True) -> dg.AssetsDefinition:
    """Wire one feed table; a row lands in the session whose decision can first see it."""

    @dg.asset(
        **stored_asset(table, kinds={"polars", "duckdb"}, checked=checked),
        partitions_def=SESSIONS,
        backfill_policy=dg.BackfillPolicy.single_run(),
        retry_policy=RETRIES,
        pool="duckdb_market",
        tags={"publication": "".join(c if c.isalnum() else "_" for c in table.publication)[:60].strip("_") or "none"},
    )
    def raw(
        context: dg.AssetExecutionContext, feed: FeedResource, warehouse: WarehouseResource
    ) -> Iterator[dg.Output[pl.DataFrame] | dg.AssetCheckResult]:
        try:
            yield from answered(_fetch(table, feed, warehouse, *session_span(context)), checked=checked)
        except DataError as fault:
            raise dg.Failure(str(fault), allow_retries=False) from fault

    return raw


def _fetch(
    table: Table, feed: FeedResource, warehouse: WarehouseResource, first: dt.date, last: dt.date
) -> Iterator[dg.Output[pl.DataFrame] | dg.AssetCheckResult]:
    start = reach_back(warehouse.client, table, first)
    frame = feed.feed.rows(table.name, start, last)
    rejected = record_rejected(warehouse.client, feed.feed, table)
    newest = str(frame["available_at"].max())
    told = {"mode": feed.mode, "from_session": start.isoformat(), "newest": newest, "rejected": rejected}
    yield from deliver(table, frame, told)


RAW = [raw_asset(table) for table in RAW_TABLES.values()]
