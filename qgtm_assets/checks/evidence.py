"""Which strategies pass the gates of evidence, gate by gate. They warn and never block: a failing strategy is shown.

They belong to the location `live`, which does not make the evidence: a check in the run of a range is planned once for
every session of it (ADR 4).
"""

import dagster as dg
import polars as pl

from qgtm_core.backtest.gates import GATES, Gate, Verdict
from qgtm_core.schemas.results import EVIDENCE_TABLE
from qgtm_core.types import StrategyStatus
from qgtm_resources.clients.warehouse import Warehouse
from qgtm_resources.resources import WarehouseResource
from qgtm_resources.tearsheets.results import newest_book

EVIDENCE = dg.AssetKey(["backtest", "evidence"])


def gate_check(gate: Gate) -> dg.AssetChecksDefinition:
    """One check a gate, over the newest backtest: which of the strategies that trade do not pass it."""

    @dg.asset_check(
        asset=EVIDENCE, name=f"strategies_pass_{gate.column}", blocking=False, description=f"Gate: {gate.name}"
    )
    def passed(warehouse: WarehouseResource) -> dg.AssetCheckResult:
        rows = newest(warehouse.client).filter(
            pl.col("status") == StrategyStatus.PAPER.value, pl.col("verdict") != Verdict.NO_DATA.value
        )
        failing = [row["strategy_id"] for row in rows.iter_rows(named=True) if not gate.passes(row)]
        return dg.AssetCheckResult(
            passed=not failing and not rows.is_empty(),
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"judged": rows.height, "passing": rows.height - len(failing), "failing": ", ".join(failing)},
        )

    return passed


def newest(warehouse: Warehouse) -> pl.DataFrame:
    """Records of the newest backtest of the whole library."""
    rows = warehouse.read(EVIDENCE_TABLE)
    return rows if rows.is_empty() else rows.filter(book=newest_book(warehouse.folder, rows))


EVIDENCE_CHECKS = [gate_check(gate) for gate in GATES]
