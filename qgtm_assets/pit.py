"""`pit/*`: raw rows normalised by domain; bad values are quarantined row by row, never the table."""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from qgtm_assets.delivery import answered, deliver, reach_back, stored_asset
from qgtm_assets.partitions import SESSIONS, session_span
from qgtm_core.pit import normalise
from qgtm_core.schemas.pit import PIT_SOURCES, PIT_TABLES
from qgtm_core.schemas.results import DQ_TABLE
from qgtm_core.schemas.spec import Table
from qgtm_resources.quarantine import record
from qgtm_resources.resources import WarehouseResource

# fits come a few times a year: a session without one is no reason to wait
_FITS = dg.AssetSelection.assets(["pit", "models"], ["pit", "meta_models"])
AUTOMATION = (dg.AutomationCondition.eager() & dg.AutomationCondition.all_deps_blocking_checks_passed()).ignore(_FITS)


def pit_asset(table: Table, *, checked: bool = True) -> dg.AssetsDefinition:
    """Wire one domain to the raw tables it is made of."""
    sources = PIT_SOURCES[table.name]

    @dg.asset(
        **stored_asset(table, kinds={"polars", "duckdb"}, checked=checked),
        deps=[["raw", source] for source in sources],
        partitions_def=SESSIONS,
        backfill_policy=dg.BackfillPolicy.single_run(),
        automation_condition=AUTOMATION,
        pool="duckdb_market",
    )
    def pit(
        context: dg.AssetExecutionContext, warehouse: WarehouseResource
    ) -> Iterator[dg.Output[pl.DataFrame] | dg.AssetCheckResult]:
        first, last = session_span(context)
        start = reach_back(warehouse.client, table, first)
        good, bad = normalise(table.name, warehouse.read_many("raw", sources, start, last))
        verdicts = bad.with_columns(table=pl.lit(f"pit/{table.name}"), source=pl.lit(", ".join(sources))).select(
            list(DQ_TABLE.dtypes)
        )
        record(warehouse.client, f"pit/{table.name}", verdicts, start, last)
        yield from answered(
            deliver(table, good, {"from_session": start.isoformat(), "quarantined": len(bad)}), checked=checked
        )

    return pit


# tables without raw sources are made elsewhere (models)
NORMALISED = tuple(table for name, table in PIT_TABLES.items() if PIT_SOURCES[name])
PIT = [pit_asset(table) for table in NORMALISED]
