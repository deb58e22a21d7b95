"""Table declarations and how frames are held against them."""

from __future__ import annotations

import polars as pl
import pytest

from qgtm_core.backtest.metrics import performance
from qgtm_core.errors import ConfigError, DataError
from qgtm_core.policy import Policy, PortfolioPolicy, RiskLimits
from qgtm_core.schemas.features import FEATURE_TABLES
from qgtm_core.schemas.pit import PIT_TABLES
from qgtm_core.schemas.raw import RAW_TABLES
from qgtm_core.schemas.registry import table_for
from qgtm_core.schemas.results import METRICS_TABLE, RESULT_TABLES
from qgtm_core.schemas.spec import ROW_CONTRACT, Column, Table
from qgtm_core.schemas.trading import TRADING_TABLES
from qgtm_core.universe import INSTRUMENTS, TRADED

TABLE = Table(
    "raw", "toy", ("symbol",), {"symbol": Column(pl.String, nullable=False), "x": Column(pl.Float64)}, "a toy"
)
PLAIN = {**TRADING_TABLES, **RESULT_TABLES}


def rows(**columns: list[object]) -> pl.DataFrame:
    return pl.DataFrame(columns, schema_overrides={"x": pl.Float64})


def test_a_conforming_frame_comes_back_in_the_declared_order() -> None:
    assert TABLE.conform(rows(x=[1.0], symbol=["A"])).columns == ["symbol", "x"]
    assert TABLE.empty().schema == {"symbol": pl.String, "x": pl.Float64}


@pytest.mark.parametrize(
    ("frame", "column", "problem"),
    [
        (rows(symbol=["A"]), "x", "column is missing"),
        (rows(symbol=["A"], x=[1.0], y=[1]), "y", "column is not declared"),
        (rows(symbol=[1], x=[1.0]), "symbol", "type is Int64, declared String"),
    ],
)
def test_a_frame_of_another_shape_is_refused_by_name(frame: pl.DataFrame, column: str, problem: str) -> None:
    with pytest.raises(DataError, match=problem) as caught:
        TABLE.conform(frame)
    assert (caught.value.source, caught.value.column) == ("raw/toy", column)


def test_a_null_in_a_required_column_names_its_row() -> None:
    with pytest.raises(DataError, match="null in a required column") as caught:
        TABLE.require_valid(rows(symbol=["A", None], x=[1.0, 2.0]), "prices.csv")
    assert (caught.value.source, caught.value.column, caught.value.row) == ("prices.csv", "symbol", 1)


def test_a_key_that_occurs_twice_is_refused() -> None:
    with pytest.raises(DataError, match=r"key \{'symbol': 'A'\} occurs more than once"):
        TABLE.require_valid(rows(symbol=["A", "B", "A"], x=[1.0, 2.0, 3.0]))
    assert TABLE.require_valid(rows(symbol=["A", "B"], x=[1.0, None])).height == 2
    assert TABLE.require_valid(TABLE.empty()).is_empty()


def test_a_versioned_table_carries_the_row_contract_and_is_unique_by_revision() -> None:
    table = Table("raw", "toy", ("symbol",), TABLE.columns, "a toy", versioned=True)
    assert set(ROW_CONTRACT) < set(table.dtypes)
    assert table.unique == ("symbol", "revision")
    assert TABLE.unique == ("symbol",)
    frame = pl.DataFrame({name: [None] for name in table.dtypes}, schema=table.dtypes).with_columns(symbol=pl.lit("A"))
    with pytest.raises(DataError, match="null in a required column") as caught:
        table.require_valid(frame)
    assert caught.value.column == "session"


def test_every_declared_table_is_found_under_its_own_name() -> None:
    declared = [*RAW_TABLES.values(), *PIT_TABLES.values(), *FEATURE_TABLES.values(), *PLAIN.values()]
    for table in declared:
        assert table_for(table.group, table.name) is table
    assert table_for("signals", "gold_trend").name == "gold_trend"


@pytest.mark.parametrize(("group", "name"), [("raw", "nothing"), ("nowhere", "prices"), ("portfolio", "prices")])
def test_a_table_nobody_declared_is_an_error(group: str, name: str) -> None:
    with pytest.raises(ConfigError, match=f"no table {group}/{name} is declared"):
        table_for(group, name)


@pytest.mark.parametrize("table", PLAIN.values(), ids=list(PLAIN))
def test_every_key_is_a_declared_column(table: Table) -> None:
    assert set(table.key) <= set(table.dtypes)


def test_every_performance_figure_has_a_column() -> None:
    import numpy as np

    assert set(performance(np.array([0.01])).as_dict()) <= set(METRICS_TABLE.dtypes)


def test_the_policy_hash_follows_every_number() -> None:
    hashes = {
        Policy().policy_hash,
        Policy(limits=RiskLimits(max_gross_weight=1.4)).policy_hash,
        Policy(portfolio=PortfolioPolicy(cluster_caps={"momentum": 0.3})).policy_hash,
        Policy(simulated_reset_sessions=5).policy_hash,
    }
    assert len(hashes) == 4
    assert Policy().policy_hash == Policy().policy_hash


def test_references_are_not_traded() -> None:
    assert "SPY" in INSTRUMENTS
    assert "SPY" not in TRADED
    assert len(set(TRADED)) == len(TRADED)


def test_a_data_error_says_where_what_and_how_to_repair() -> None:
    error = DataError("bars.csv", "price is negative", column="close", row=7, remedy="Fetch it again")
    assert str(error) == "bars.csv, column 'close', row 7: price is negative. Fetch it again"
    assert str(DataError("bars.csv", "is empty")) == "bars.csv: is empty"
