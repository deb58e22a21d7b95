"""`features/*`: one table a family, computed whole-column from everything known at each decision."""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from qgtm_assets.delivery import answered, deliver, reach_back, stored_asset
from qgtm_assets.partitions import SESSIONS, session_span
from qgtm_assets.pit import AUTOMATION
from qgtm_core import calendar
from qgtm_core.features.registry import FEATURES, Feature, compute_features
from qgtm_core.schemas.features import FEATURE_TABLES
from qgtm_resources.resources import WarehouseResource


def feature_asset(feature: Feature, *, checked: bool = True) -> dg.AssetsDefinition:
    """Wire one family to the PIT tables it reads; it is given no row of a session after the last one asked."""
    table = FEATURE_TABLES[feature.table]

    @dg.asset(
        **stored_asset(table, kinds={"polars", "duckdb"}, checked=checked),
        deps=[["pit", source] for source in feature.sources],
        partitions_def=SESSIONS,
        backfill_policy=dg.BackfillPolicy.single_run(),
        automation_condition=AUTOMATION,
        pool="duckdb_market",
    )
    def features(
        context: dg.AssetExecutionContext, warehouse: WarehouseResource
    ) -> Iterator[dg.Output[pl.DataFrame] | dg.AssetCheckResult]:
        first, last = session_span(context)
        start = reach_back(warehouse.client, table, first)
        known = warehouse.read_many("pit", feature.sources, None, last)
        sessions = calendar.schedule(start, last).select("session", "decided_at")
        frame = compute_features(feature.table, known, sessions)
        yield from answered(deliver(table, frame, {"from_session": start.isoformat()}), checked=checked)

    return features


FEATURE_ASSETS = [feature_asset(feature) for feature in FEATURES.values()]
