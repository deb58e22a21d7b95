from __future__ import annotations

import dataclasses
import datetime as dt
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from qgtm_core.errors import DataError, TransientError
from qgtm_core.schemas.pit import PIT_TABLES
from qgtm_core.schemas.results import DQ_TABLE
from qgtm_core.schemas.trading import FILLS, POSITIONS
from qgtm_resources.clients.warehouse import FILES, Survey, Warehouse

D = dt.date
THU, FRI = D(2024, 6, 27), D(2024, 6, 28)
HOLDER = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1])
print("held", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "warehouse", lock_wait_s=0.4)


def positions(session: dt.date, book: str = "own", **shares: float) -> pl.DataFrame:
    rows = [
        {"session": session, "book": book, "symbol": s, "quantity_shares": q, "mark": 2.0, "value_usd": 2 * q}
        for s, q in shares.items()
    ]
    return pl.DataFrame(rows, schema=POSITIONS.dtypes)


def held(warehouse: Warehouse, **options) -> dict[tuple[str, str], float]:
    frame = warehouse.read(POSITIONS, **options)
    return {(str(s), b + ":" + y): q for s, b, y, q in frame.select(frame.columns[:4]).iter_rows()}


def test_a_write_replaces_its_sessions_and_no_others(warehouse: Warehouse) -> None:
    warehouse.write(POSITIONS, pl.concat([positions(THU, GLD=1), positions(FRI, GLD=2, SLV=3)]), THU, FRI)
    warehouse.write(POSITIONS, positions(FRI, GLD=5), FRI, FRI)
    assert held(warehouse) == {("2024-06-27", "own:GLD"): 1.0, ("2024-06-28", "own:GLD"): 5.0}
    assert held(warehouse, first=FRI) == {("2024-06-28", "own:GLD"): 5.0}
    assert warehouse.sessions(POSITIONS).rows() == [(THU, 1), (FRI, 1)]


def test_rows_of_another_book_stay(warehouse: Warehouse) -> None:
    warehouse.write(POSITIONS, positions(FRI, "other", GLD=9), FRI, FRI, {"book": "other"})
    warehouse.write(POSITIONS, positions(FRI, GLD=1), FRI, FRI, {"book": "own"})
    warehouse.write(POSITIONS, positions(FRI, SLV=2), FRI, FRI, {"book": "own"})
    assert held(warehouse) == {("2024-06-28", "other:GLD"): 9.0, ("2024-06-28", "own:SLV"): 2.0}
    assert list(held(warehouse, where={"book": "other"})) == [("2024-06-28", "other:GLD")]


@pytest.mark.parametrize(
    ("frame", "words", "column"),
    [
        (positions(THU, GLD=1), "session 2024-06-27 is outside 2024-06-28..2024-06-28", "session"),
        (positions(FRI, "other", GLD=1), "book other is other than own", "book"),
    ],
    ids=["session", "book"],
)
def test_rows_that_the_write_would_not_replace_are_refused(
    warehouse: Warehouse, frame: pl.DataFrame, words: str, column: str
) -> None:
    with pytest.raises(DataError, match=words) as caught:
        warehouse.write(POSITIONS, frame, FRI, FRI, {"book": "own"})
    assert (caught.value.column, caught.value.row) == (column, 0)


def test_columns_are_stored_by_name_not_by_place(warehouse: Warehouse) -> None:
    warehouse.write(POSITIONS, positions(THU, GLD=1), THU, THU)
    swapped = positions(FRI, GLD=7).with_columns(value_usd=pl.lit(99.0))
    warehouse.write(POSITIONS, swapped.select(reversed(swapped.columns)), FRI, FRI)
    row = warehouse.read(POSITIONS, FRI).row(0, named=True)
    assert (row["quantity_shares"], row["mark"], row["value_usd"]) == (7.0, 2.0, 99.0)


def test_an_empty_frame_makes_the_table(warehouse: Warehouse) -> None:
    assert warehouse.write(POSITIONS, POSITIONS.empty(), FRI, FRI) == 0
    with duckdb.connect(str(warehouse.path("execution")), read_only=True) as connection:
        assert connection.execute("select count(*) from execution.positions").fetchone() == (0,)
    assert_frame_equal(warehouse.read(POSITIONS), POSITIONS.empty())


def test_what_was_never_written_reads_as_empty(warehouse: Warehouse) -> None:
    assert warehouse.read(POSITIONS).schema == POSITIONS.empty().schema
    assert warehouse.sessions(POSITIONS).is_empty()
    warehouse.write(POSITIONS, positions(FRI, GLD=1))
    fills, stored = warehouse.read_many([FILLS, POSITIONS], columns=["session", "symbol"])
    assert (fills.height, stored.height) == (0, 1)
    assert fills.columns == ["session", "symbol"]
    assert warehouse.sessions(FILLS).is_empty()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mark": pl.lit("2.0")}, "column 'mark': type is String, declared Float64"),
        ({"colour": pl.lit("red")}, "column 'colour': column is not declared"),
        (None, "column 'mark': column is missing"),
    ],
    ids=["type", "extra", "missing"],
)
def test_a_frame_that_breaks_its_declaration_leaves_the_old_rows(warehouse: Warehouse, change, words: str) -> None:
    warehouse.write(POSITIONS, positions(FRI, GLD=1), FRI, FRI)
    frame = positions(FRI, GLD=2)
    wrong = frame.drop("mark") if change is None else frame.with_columns(**change)
    with pytest.raises(DataError) as caught:
        warehouse.write(POSITIONS, wrong, FRI, FRI)
    assert words in str(caught.value)
    assert held(warehouse) == {("2024-06-28", "own:GLD"): 1.0}


def test_a_failure_after_the_delete_leaves_the_old_rows(warehouse: Warehouse) -> None:
    """The stored table refuses the second of two rows, in the middle of the insert."""
    warehouse.write(POSITIONS, positions(FRI, GLD=1), FRI, FRI)
    with duckdb.connect(str(warehouse.path("execution"))) as connection:
        connection.execute("create table execution.guarded as select * from execution.positions")
        connection.execute("drop table execution.positions")
        columns = "session date, book varchar, symbol varchar, mark double, value_usd double"
        columns += ", quantity_shares double check (quantity_shares < 5)"
        connection.execute(f"create table execution.positions ({columns})")
        connection.execute("insert into execution.positions by name select * from execution.guarded")
    with pytest.raises(duckdb.ConstraintException):
        warehouse.write(POSITIONS, positions(FRI, GLD=2, SLV=9), FRI, FRI)
    assert held(warehouse) == {("2024-06-28", "own:GLD"): 1.0}
    warehouse.write(POSITIONS, positions(FRI, GLD=3), FRI, FRI)
    assert held(warehouse) == {("2024-06-28", "own:GLD"): 3.0}, "the file was closed after the failure"


def test_a_stored_table_of_an_older_declaration_is_named(warehouse: Warehouse) -> None:
    warehouse.write(POSITIONS, positions(FRI, GLD=1), FRI, FRI)
    with duckdb.connect(str(warehouse.path("execution"))) as connection:
        connection.execute("alter table execution.positions add column colour varchar")
    with pytest.raises(DataError, match=r"execution/positions: .* differ in colour"):
        warehouse.write(POSITIONS, positions(FRI, GLD=2), FRI, FRI)


def test_instants_come_back_in_utc_to_the_microsecond(warehouse: Warehouse) -> None:
    at = dt.datetime(2024, 6, 28, 23, 59, 59, 123456, tzinfo=dt.UTC)
    row = dict.fromkeys(FILLS.dtypes, "x") | {"session": FRI, "quantity_shares": 1.0, "price": 2.0, "executed_at": at}
    frame = pl.DataFrame([row], schema=FILLS.dtypes)
    warehouse.write(FILLS, frame, FRI, FRI)
    assert_frame_equal(warehouse.read(FILLS, FRI, FRI), frame)


def test_two_readers_may_read_at_once(warehouse: Warehouse) -> None:
    warehouse.write(POSITIONS, positions(FRI, GLD=1), FRI, FRI)
    with duckdb.connect(str(warehouse.path("execution")), read_only=True):
        assert held(warehouse) == {("2024-06-28", "own:GLD"): 1.0}


def test_reading_leaves_the_file_as_it_was(warehouse: Warehouse) -> None:
    warehouse.write(POSITIONS, positions(FRI, GLD=1), FRI, FRI)
    path = warehouse.path("execution")
    path.chmod(0o400)
    before = path.read_bytes()
    assert len(warehouse.read(POSITIONS)) == 1
    assert path.read_bytes() == before


@pytest.mark.parametrize("act", ["read", "write"])
def test_a_file_held_by_another_process_is_waited_for_then_named(warehouse: Warehouse, act: str) -> None:
    warehouse.write(POSITIONS, positions(FRI, GLD=1), FRI, FRI)
    with Held(warehouse.path("execution")):
        started = time.monotonic()
        with pytest.raises(TransientError, match=r"trading\.duckdb is held by another process"):
            _ = warehouse.read(POSITIONS) if act == "read" else warehouse.write(POSITIONS, positions(FRI, GLD=2))
        assert time.monotonic() - started >= 0.4
    assert held(warehouse) == {("2024-06-28", "own:GLD"): 1.0}


def test_a_write_goes_through_as_soon_as_the_file_is_free(tmp_path: Path) -> None:
    patient = Warehouse(tmp_path, lock_wait_s=20.0)
    patient.write(POSITIONS, positions(FRI, GLD=1), FRI, FRI)
    with Held(patient.path("execution")) as process:
        assert process.stdin is not None
        process.stdin.close()  # it lets go when it reads the end of its input
        assert patient.write(POSITIONS, positions(FRI, GLD=2), FRI, FRI) == 1


def test_a_truncated_file_is_named_with_a_remedy(warehouse: Warehouse) -> None:
    warehouse.write(POSITIONS, positions(FRI, GLD=1), FRI, FRI)
    path = warehouse.path("execution")
    whole = path.read_bytes()
    for kept in (0, 100, len(whole) // 2):
        path.write_bytes(whole[:kept])
        for act in (warehouse.read, warehouse.sessions):
            with pytest.raises(DataError, match=r"^trading\.duckdb: .*restore the file, or remove it"):
                act(POSITIONS)


def test_a_damaged_block_is_bad_data_and_not_a_held_file(warehouse: Warehouse) -> None:
    many = positions(FRI, **{f"S{i}": float(i) * 1.7 for i in range(5000)})
    warehouse.write(POSITIONS, many, FRI, FRI)
    path = warehouse.path("execution")
    content = bytearray(path.read_bytes())
    content[13_000 : len(content) // 2] = bytes(len(content) // 2 - 13_000)
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"trading\.duckdb: .*block"):
        warehouse.read(POSITIONS)


def test_verdicts_without_a_session_are_kept(warehouse: Warehouse) -> None:
    row = dict.fromkeys(DQ_TABLE.dtypes, "x") | {"session": None}
    warehouse.write(DQ_TABLE, pl.DataFrame([row], schema=DQ_TABLE.dtypes), where={"table": "x"})
    assert warehouse.read(DQ_TABLE)["session"].to_list() == [None]


def test_a_backtest_cannot_hold_the_file_a_rebalance_needs() -> None:
    assert {FILES[group] for group in ("portfolio", "risk", "execution", "tca")} == {"trading"}
    assert FILES["backtest"] == "research"


class Held:
    """Another process that has the file open for writing."""

    def __init__(self, path: Path) -> None:
        self._command = [sys.executable, "-c", HOLDER, str(path)]

    def __enter__(self) -> subprocess.Popen[bytes]:
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"held\n"
        return self._process

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate() if not self._process.stdin.closed else self._process.wait()
        self._process.stdout.close()


def test_reading_a_column_the_stored_table_lacks_says_what_to_do(warehouse: Warehouse) -> None:
    narrow = dataclasses.replace(POSITIONS, columns={n: c for n, c in POSITIONS.columns.items() if n != "mark"})
    warehouse.write(narrow, positions(THU, GLD=1).drop("mark"), THU, THU)
    with pytest.raises(DataError, match="remove the warehouse file"):
        warehouse.read(POSITIONS)


def test_a_survey_counts_what_is_held_and_shows_the_newest(warehouse: Warehouse) -> None:
    table = PIT_TABLES["mint"]
    months = [D(2024, 4, 1), D(2024, 5, 1)]
    instants = [dt.datetime(2024, 5, 7, 21, tzinfo=dt.UTC), dt.datetime(2024, 6, 7, 21, tzinfo=dt.UTC)]
    rows = pl.DataFrame({"event_date": months, "gold_oz": [10.0, 20.0], "event_at": instants, "available_at": instants})
    missing = {n: pl.lit(None, t).alias(n) for n, t in table.dtypes.items() if n not in rows.columns}
    frame = rows.with_columns(**missing).with_columns(
        session=pl.col("event_at").dt.date(), revision=pl.lit(0, pl.Int32)
    )
    warehouse.write(table, frame.select(list(table.dtypes)))
    gold, silver, none = warehouse.survey(
        "pit",
        [
            Survey(table, "gold_oz", {}),
            Survey(table, "silver_oz", {}),
            Survey(PIT_TABLES["fx"], "rate", {"pair": ("USDCNY",)}),
        ],
    )
    assert (gold.rows, gold.value, gold.available_at) == (2, "20.0", instants[1])
    assert (silver.rows, silver.event_at) == (0, None)
    assert none.rows == 0
    april = warehouse.survey("pit", [Survey(table, "gold_oz", {"event_date": ("2024-04-01",)})])
    assert april[0].value == "10.0"
