"""What every stored table shares: how far a delivery reaches back, and the checks that come with it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
import polars as pl

from qgtm_core import calendar
from qgtm_core.errors import DataError
from qgtm_core.schemas.spec import Table
from qgtm_resources.clients.warehouse import Warehouse

OWNERS = {
    "raw": ["team:data"], "pit": ["team:data"], "features": ["team:research"], "signals": ["team:research"],
    "portfolio": ["team:portfolio"], "risk": ["team:risk"], "execution": ["team:execution"], "tca": ["team:execution"],
    "ops": ["team:operations"], "backtest": ["team:research"], "options": ["team:research"],
    "intraday": ["team:execution"], "evidence": ["team:research"],
}  # fmt: skip
_MERGED = {"check_specs", "metadata", "description"}
SCHEMA_CHECK = "schema_and_keys_hold"
FUTURE_CHECK = "no_row_from_the_future"


def reach_back(warehouse: Warehouse, table: Table, first: dt.date) -> dt.date:
    """First session a delivery must write so that the table has no hole before `first`.

    The first delivery of a table brings its whole history (bulky tables: the sessions they declare); a later one
    continues after the newest session held. Rows keep the session in which they became known; the partitions asked for
    are the ones marked as materialized.
    """
    held = warehouse.sessions(table)["session"]
    earlier = held.filter(held < first)
    if not earlier.is_empty():
        return min(first, calendar.next_session(_newest(earlier)))
    reach = table.first_delivery_sessions
    return calendar.FIRST_SESSION if reach is None else calendar.offset_session(first, -reach)


def _newest(sessions: pl.Series) -> dt.date:
    newest = sessions.max()
    assert isinstance(newest, dt.date)
    return newest


def stored_asset(table: Table, *, kinds: set[str], checked: bool = True, **options: Any) -> Mapping[str, Any]:
    """Arguments of `@asset` that every stored table has.

    `checked=False` leaves the check results out (not the checking): a run over thousands of sessions would store one
    planned row for each check and session, each holding the whole list of holidays.
    """
    checks = [dg.AssetCheckSpec(SCHEMA_CHECK, asset=[table.group, table.name], blocking=True)]
    if table.group in {"pit", "features", "signals"}:
        checks.append(dg.AssetCheckSpec(FUTURE_CHECK, asset=[table.group, table.name], blocking=True))
    return {
        "key": [table.group, table.name],
        "group_name": table.group,
        "description": options.get("description", table.description),
        "owners": OWNERS[table.group],
        "kinds": kinds,
        "metadata": {
            "partition_expr": "session",
            "dagster/column_schema": column_schema(table),
            **options.get("metadata", {}),
        },
        "check_specs": [*checks, *options.get("check_specs", [])] if checked else [],
        **{name: value for name, value in options.items() if name not in _MERGED},
    }


def answered(
    events: Iterator[dg.Output[pl.DataFrame] | dg.AssetCheckResult], *, checked: bool
) -> Iterator[dg.Output[pl.DataFrame] | dg.AssetCheckResult]:
    """The events of an asset, without check results where it declares none."""
    return events if checked else (event for event in events if isinstance(event, dg.Output))


def column_schema(table: Table) -> dg.TableSchema:
    """Columns with type, unit and null meaning, for the UI."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name,
                str(dtype),
                description=" ".join(filter(None, (table.columns[name].unit, table.columns[name].note)))
                if name in table.columns
                else "row contract",
            )
            for name, dtype in table.dtypes.items()
        ]
    )


def deliver(
    table: Table, frame: pl.DataFrame, metadata: Mapping[str, Any] | None = None
) -> Iterator[dg.Output[pl.DataFrame] | dg.AssetCheckResult]:
    """Check a frame against its declaration and hand it over; a frame that fails is not stored."""
    key = [table.group, table.name]
    try:
        table.require_valid(frame)
    except DataError as fault:
        yield dg.AssetCheckResult(
            passed=False, asset_key=key, check_name=SCHEMA_CHECK, metadata={"problem": str(fault), "rows": len(frame)}
        )
        raise
    late = rows_from_the_future(table, frame)
    if not late.is_empty():
        if table.group in {"pit", "features", "signals"}:
            example = {name: str(value) for name, value in late.row(0, named=True).items()}
            yield dg.AssetCheckResult(
                passed=False, asset_key=key, check_name=FUTURE_CHECK, metadata={"rows": len(late), "first": example}
            )
        raise DataError(f"{table.group}/{table.name}", f"{len(late)} rows were not known at their decision")
    yield dg.Output(frame, metadata=dict(metadata or {}))
    yield dg.AssetCheckResult(passed=True, asset_key=key, check_name=SCHEMA_CHECK, metadata={"rows": len(frame)})
    if table.group in {"pit", "features", "signals"}:
        yield dg.AssetCheckResult(passed=True, asset_key=key, check_name=FUTURE_CHECK, metadata={"rows": len(frame)})


def rows_from_the_future(table: Table, frame: pl.DataFrame) -> pl.DataFrame:
    """Rows with an availability after the decision of their session, or after their own tick where they have one."""
    columns = [name for name in table.dtypes if name.endswith("available_at")]
    if not columns:
        return frame.clear()
    if "decided_at" in table.key:
        return frame.filter(pl.any_horizontal([pl.col(name) > pl.col("decided_at") for name in columns]))
    decisions = calendar.schedule().select("session", _decided="decided_at")
    late = pl.any_horizontal([pl.col(name) > pl.col("_decided") for name in columns])
    return frame.join(decisions, on="session", how="left").filter(late).drop("_decided")
