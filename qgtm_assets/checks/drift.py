"""Row counts and values against their own history, on prices and features. They warn and never block."""

import datetime as dt

import dagster as dg

from qgtm_core import calendar
from qgtm_core.drift import unusual
from qgtm_core.schemas.features import FEATURE_TABLES
from qgtm_core.schemas.pit import PIT_TABLES
from qgtm_core.schemas.spec import Table
from qgtm_resources.resources import WarehouseResource

CHECK_NAME = "newest_session_looks_like_its_history"
HISTORY_SESSIONS = 504
CHECKED = (PIT_TABLES["prices"], *(table for name, table in FEATURE_TABLES.items() if name != "calendar"))


def drift_check(table: Table) -> dg.AssetChecksDefinition:
    """One check a table over its newest session."""

    @dg.asset_check(
        asset=[table.group, table.name], name=CHECK_NAME, blocking=False, description="Row count and drift of values"
    )
    def drift(context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource) -> dg.AssetCheckResult:
        tags = context.run.tags
        asked = tags.get("dagster/partition") or tags.get("dagster/asset_partition_range_end")
        held = warehouse.client.sessions(table)["session"].to_list()
        last = dt.date.fromisoformat(asked) if asked else max(held, default=calendar.FIRST_SESSION)
        first = calendar.offset_session(last, -HISTORY_SESSIONS)
        odd = unusual(table, warehouse.read(table.group, table.name, first, last))
        return dg.AssetCheckResult(passed=not odd, severity=dg.AssetCheckSeverity.WARN, metadata={"unusual": odd})

    return drift


DRIFT_CHECKS = [drift_check(table) for table in CHECKED]
