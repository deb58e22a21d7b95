"""The DuckDB warehouse: three files, one writer each, atomic writes, read-only reads. No Dagster, no decisions.

While one process has a file open for writing nobody else may open it, so every connection is short: open, one
transaction, close. A file held elsewhere is waited for, then reported as a TransientError.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars as pl

from qgtm_core.errors import DataError, TransientError
from qgtm_core.schemas.spec import Table

# schema (= asset group) -> file
FILES: Mapping[str, str] = {
    "raw": "market", "pit": "market", "features": "market", "signals": "market",
    "portfolio": "trading", "risk": "trading", "execution": "trading", "tca": "trading", "ops": "market",
    "intraday": "trading",
    "backtest": "research", "options": "trading",
}  # fmt: skip
LOCK_WAIT_S = 20.0
FILE_FAULTS = (duckdb.IOException, duckdb.FatalException, duckdb.SerializationException, duckdb.InternalException)
# another process has it; this process has it open the other way (a damaged *block* must not read as a *lock*)
HELD_ELSEWHERE = ("Could not set lock", "different configuration")


@dataclass(frozen=True, slots=True)
class Survey:
    """A question about one column of a table: the rows in which every column of `where` has one of its values."""

    table: Table
    column: str
    where: Mapping[str, Sequence[str]]
    event: str = "event_at"


@dataclass(frozen=True, slots=True)
class Held:
    """What is held: rows with a value, and the newest of them by what it is about."""

    rows: int
    event_at: dt.datetime | dt.date | None
    available_at: dt.datetime | None
    value: str | None


class Warehouse:
    """Tables by declaration, cut by session."""

    def __init__(self, folder: Path, lock_wait_s: float = LOCK_WAIT_S) -> None:
        self.folder = folder
        self._lock_wait_s = lock_wait_s

    def path(self, group: str) -> Path:
        """The file a group lives in."""
        return self.folder / f"{FILES[group]}.duckdb"

    def write(
        self,
        table: Table,
        frame: pl.DataFrame,
        first: dt.date | None = None,
        last: dt.date | None = None,
        where: Mapping[str, str] | None = None,
    ) -> int:
        """Replace the rows of sessions first..last (all rows when None) by `frame`, in one transaction, by column name.

        `where` narrows what is replaced (a book, a backtest id). An empty frame clears the range and still makes the
        table. Raises DataError before touching anything when the frame breaks its declaration, or holds rows outside
        the range.
        """
        frame = table.conform(frame)
        _require_inside(table, frame, first, last, where)
        target = f'"{table.group}"."{table.name}"'
        conditions, values = _conditions(first, last, where)
        with self._open(table.group, read_only=False) as connection:
            connection.execute("begin transaction")
            connection.execute(f'create schema if not exists "{table.group}"')
            connection.register("incoming", frame.to_arrow())
            connection.execute(f"create table if not exists {target} as select * from incoming limit 0")
            _require_columns(table, connection, target)
            connection.execute(f"delete from {target}{conditions}", values)
            connection.execute(f"insert into {target} by name select * from incoming")
            connection.execute("commit")
        return len(frame)

    def read(
        self,
        table: Table,
        first: dt.date | None = None,
        last: dt.date | None = None,
        columns: Sequence[str] | None = None,
        where: Mapping[str, str] | None = None,
    ) -> pl.DataFrame:
        """Rows of sessions first..last in the declared types; empty when nothing was ever written."""
        return self.read_many([table], first, last, columns, where)[0]

    def read_many(
        self,
        tables: Sequence[Table],
        first: dt.date | None = None,
        last: dt.date | None = None,
        columns: Sequence[str] | None = None,
        where: Mapping[str, str] | None = None,
    ) -> list[pl.DataFrame]:
        """The same rows of several tables of one group, over one connection."""
        wanted = [list(columns) if columns is not None else list(table.dtypes) for table in tables]
        if not tables or not self.path(tables[0].group).exists():
            return [table.empty().select(chosen) for table, chosen in zip(tables, wanted, strict=True)]
        conditions, values = _conditions(first, last, where)
        frames = []
        with self._open(tables[0].group, read_only=True) as connection:
            held = set(connection.execute("select table_schema, table_name from information_schema.tables").fetchall())
            for table, chosen in zip(tables, wanted, strict=True):
                if (table.group, table.name) not in held:
                    frames.append(table.empty().select(chosen))
                    continue
                names = ", ".join(f'"{c}"' for c in chosen)
                query = f'select {names} from "{table.group}"."{table.name}"{conditions}'
                try:
                    frame: pl.DataFrame = connection.execute(query, values).pl()
                except duckdb.BinderException as fault:
                    raise _changed(table, str(fault).partition("\n")[0]) from fault
                frames.append(frame.cast({name: table.dtypes[name] for name in chosen}))
        return frames

    def survey(self, group: str, requests: Sequence[Survey]) -> list[Held]:
        """How much is held of each column, and how new it is, over one connection; nothing stored = no rows."""
        nothing = Held(0, None, None, None)
        if not self.path(group).exists():
            return [nothing for _ in requests]
        with self._open(group, read_only=True) as connection:
            held = set(connection.execute("select table_schema, table_name from information_schema.tables").fetchall())
            return [_held(connection, r) if (group, r.table.name) in held else nothing for r in requests]

    def sessions(self, table: Table) -> pl.DataFrame:
        """`session, rows` of what is stored, oldest first."""
        empty = pl.DataFrame(schema={"session": pl.Date, "rows": pl.Int64})
        if not self.path(table.group).exists():
            return empty
        with self._open(table.group, read_only=True) as connection:
            if not _exists(connection, table):
                return empty
            query = f'select session, count(*) as rows from "{table.group}"."{table.name}" group by 1 order by 1'
            frame: pl.DataFrame = connection.execute(query).pl()
        return frame

    @contextmanager
    def _open(self, group: str, *, read_only: bool) -> Iterator[duckdb.DuckDBPyConnection]:
        self.folder.mkdir(parents=True, exist_ok=True)
        connection = self._connect(self.path(group), read_only=read_only)
        try:
            connection.execute("set TimeZone = 'UTC'")
            yield connection
        except FILE_FAULTS as fault:
            raise _damaged(self.path(group), fault) from fault
        finally:
            connection.close()  # an open transaction rolls back

    def _connect(self, path: Path, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        deadline = time.monotonic() + self._lock_wait_s
        while True:
            try:
                return duckdb.connect(str(path), read_only=read_only)
            except (*FILE_FAULTS, duckdb.ConnectionException) as fault:
                if not any(words in str(fault) for words in HELD_ELSEWHERE):
                    raise _damaged(path, fault) from fault
                if time.monotonic() > deadline:
                    raise TransientError(f"{path.name} is held by another process: {fault}") from fault
                time.sleep(0.05)


def _damaged(path: Path, fault: duckdb.Error) -> DataError:
    text = str(fault).rstrip(".!")
    return DataError(path.name, text, remedy="check the disk; restore the file, or remove it and ingest again")


def _conditions(
    first: dt.date | None, last: dt.date | None, where: Mapping[str, str] | None
) -> tuple[str, list[object]]:
    parts: list[str] = []
    values: list[object] = []
    for text, value in (("session >= ?", first), ("session <= ?", last)):
        if value is not None:
            parts.append(text)
            values.append(value)
    for column, wanted in (where or {}).items():
        parts.append(f'"{column}" = ?')
        values.append(wanted)
    return (" where " + " and ".join(parts) if parts else ""), values


def _require_inside(
    table: Table, frame: pl.DataFrame, first: dt.date | None, last: dt.date | None, where: Mapping[str, str] | None
) -> None:
    """Refuse rows that this write would not replace: writing them again would double them."""
    faults = [(column, frame[column] != value, f"other than {value}") for column, value in (where or {}).items()]
    if first is not None and last is not None and "session" in frame.columns:
        faults.append(("session", frame["session"].is_between(first, last).not_(), f"outside {first}..{last}"))
    for column, outside, words in faults:
        if outside.any():
            row = int(outside.arg_true()[0])
            source = f"{table.group}/{table.name}"
            raise DataError(source, f"{column} {frame[column][row]} is {words}", column=column, row=row)


def _held(connection: duckdb.DuckDBPyConnection, asked: Survey) -> Held:
    parts, values = [f'"{asked.column}" is not null'], list[str]()
    for column, allowed in asked.where.items():
        parts.append(f'cast("{column}" as varchar) in ({", ".join("?" for _ in allowed)})')
        values += allowed
    newest = f'"{asked.event}", available_at, "{asked.column}"'
    query = (
        f"select count(*), max({asked.event}), max_by(available_at, {asked.event}), "
        f'cast(max_by("{asked.column}", {asked.event}) as varchar) from (select {newest} '
        f'from "{asked.table.group}"."{asked.table.name}" where {" and ".join(parts)})'
    )
    rows, event, available, value = connection.execute(query, values).fetchone() or (0, None, None, None)
    return Held(rows, event, available, value)


def _exists(connection: duckdb.DuckDBPyConnection, table: Table) -> bool:
    found = connection.execute(
        "select 1 from information_schema.tables where table_schema = ? and table_name = ?", [table.group, table.name]
    ).fetchone()
    return found is not None


def _require_columns(table: Table, connection: duckdb.DuckDBPyConnection, target: str) -> None:
    stored = [row[0] for row in connection.execute(f"describe {target}").fetchall()]
    if set(stored) != set(table.dtypes):
        change = sorted(set(stored) ^ set(table.dtypes))
        raise _changed(table, f"the stored table and its declaration differ in {', '.join(change)}")


def _changed(table: Table, difference: str) -> DataError:
    remedy = "the declaration changed: remove the warehouse file and backfill it again"
    return DataError(f"{table.group}/{table.name}", difference, remedy=remedy)
