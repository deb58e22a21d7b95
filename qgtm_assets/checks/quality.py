"""Great Expectations at the raw boundary: values of one session inside their declared ranges. They warn, never block.

Structure blocks inside the assets; single bad values are quarantined on the way to `pit`. Suites are made from the
table declarations, so there is one place that says what is sane.
"""

import datetime as dt
import os
from typing import Any

import dagster as dg
import polars as pl

from qgtm_core.schemas.raw import RAW_TABLES
from qgtm_core.schemas.spec import Table
from qgtm_resources.resources import WarehouseResource

# not decision_quotes: a rebalance has no seconds to spare for loading Great Expectations
CHECKED = ("bars_daily", "macro", "cot", "lbma_fix", "etf_holdings")
CHECK_NAME = "values_in_declared_ranges"


def suite_of(table: Table) -> list[Any]:
    """Expectations of a table: required columns filled, numbers inside their ranges, keys unique."""
    from great_expectations import expectations as gxe

    expectations: list[Any] = [gxe.ExpectCompoundColumnsToBeUnique(column_list=list(table.unique))]
    for name, column in table.columns.items():
        if not column.nullable:
            expectations.append(gxe.ExpectColumnValuesToNotBeNull(column=name))
        if column.low is not None or column.high is not None:
            expectations.append(
                gxe.ExpectColumnValuesToBeBetween(column=name, min_value=column.low, max_value=column.high)
            )
    return expectations


def validate(table: Table, frame: pl.DataFrame) -> list[str]:
    """What a session's rows break, in words; empty when nothing."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")  # it would report usage to its makers
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    batch = (
        context.data_sources.add_pandas("raw")
        .add_dataframe_asset(table.name)
        .add_batch_definition_whole_dataframe("session")
        .get_batch({"dataframe": frame.to_pandas()})
    )
    suite = gx.ExpectationSuite(name=table.name, expectations=suite_of(table))
    result = batch.validate(suite)
    return [
        f"{outcome.expectation_config.type} {outcome.expectation_config.kwargs.get('column', '')}".strip()
        for outcome in result.results
        if not outcome.success
    ]


def quality_check(table: Table) -> dg.AssetChecksDefinition:
    """One check a table over the last session of the run."""

    @dg.asset_check(
        asset=["raw", table.name],
        name=CHECK_NAME,
        blocking=False,
        description="Great Expectations over the newest session",
    )
    def quality(context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource) -> dg.AssetCheckResult:
        tags = context.run.tags
        asked = tags.get("dagster/partition") or tags.get("dagster/asset_partition_range_end")
        held = warehouse.client.sessions(table)["session"].to_list()
        session = dt.date.fromisoformat(asked) if asked else max(held, default=None)
        frame = warehouse.read("raw", table.name, session, session) if session else table.empty()
        broken = validate(table, frame) if not frame.is_empty() else []
        return dg.AssetCheckResult(
            passed=not broken, severity=dg.AssetCheckSeverity.WARN, metadata={"rows": len(frame), "broken": broken}
        )

    return quality


QUALITY_CHECKS = [quality_check(RAW_TABLES[name]) for name in CHECKED]
