"""Which strategies pass the gates of the newest evidence, gate by gate. Checks warn: a failing strategy is shown.

The checks stand on an asset of their own without partitions. On `backtest/evidence` each would be planned once for
every session of a range (ADR 42).
"""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import polars as pl

from qgtm_assets.backtest_stages import markdown
from qgtm_core.backtest.evidence.gates import GATES, Gate, Verdict
from qgtm_core.errors import DataError
from qgtm_core.schemas.results import EVIDENCE_TABLE
from qgtm_core.types import StrategyStatus
from qgtm_resources.resources import WarehouseResource
from qgtm_resources.tearsheets.results import newest_book, page_of

KEY = dg.AssetKey(["evidence", "verdicts"])


def check_name(gate: Gate) -> str:
    """Name of the check of a gate."""
    return f"strategies_pass_{gate.column}"


@dg.asset(
    key=KEY,
    group_name="evidence",
    deps=[["backtest", "evidence"]],
    description="Which strategies pass the gates, by the newest evidence of the whole library",
    owners=["team:research"],
    kinds={"polars"},
    check_specs=[dg.AssetCheckSpec(check_name(g), asset=KEY, description=f"Gate: {g.name}") for g in GATES],
)
def verdicts(warehouse: WarehouseResource) -> Iterator[dg.MaterializeResult]:
    """Read the newest records and ask every gate which of the strategies that trade do not pass it."""
    rows = warehouse.client.read(EVIDENCE_TABLE)
    if rows.is_empty():
        raise DataError("backtest/evidence", "nothing was judged yet", remedy="qgtm evidence --run")
    book = newest_book(Path(warehouse.folder), rows)
    records = rows.filter(book=book).sort("oos_sharpe", descending=True, nulls_last=True)
    trading = records.filter(pl.col("status") == StrategyStatus.PAPER.value, pl.col("verdict") != Verdict.NO_DATA.value)
    counts = dict(records["verdict"].value_counts().iter_rows())
    page = page_of(Path(warehouse.folder), book)
    yield dg.MaterializeResult(
        metadata={
            "backtest": book,
            **{verdict.value: int(counts.get(verdict.value, 0)) for verdict in Verdict},
            **({"league_table": dg.MetadataValue.path(str(page))} if page else {}),
            "records": dg.MetadataValue.md(league(records)),
        },
        check_results=[asked(gate, trading) for gate in GATES],
    )


def asked(gate: Gate, records: pl.DataFrame) -> dg.AssetCheckResult:
    """The answer of one gate over the strategies that trade."""
    failing = [row["strategy_id"] for row in records.iter_rows(named=True) if not gate.passes(row)]
    return dg.AssetCheckResult(
        check_name=check_name(gate),
        passed=not failing and not records.is_empty(),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"judged": records.height, "passing": records.height - len(failing), "failing": ", ".join(failing)},
    )


def league(records: pl.DataFrame) -> str:
    """The records as a table for the UI."""
    columns = ("strategy_id", "verdict", "sessions", "sharpe", "oos_sharpe", "oos_low", "oos_high", "dsr", "pbo",
               "trials", "failed")  # fmt: skip
    return markdown(records.select(columns))


VERDICTS = [verdicts]
