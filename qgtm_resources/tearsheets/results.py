"""What a sheet is made of: the result tables of one backtest, cut by strategy once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from qgtm_core.backtest.evidence.gates import Verdict
from qgtm_core.schemas.results import (
    METRICS_TABLE,
    OUT_OF_SAMPLE_TABLE,
    PORTFOLIO,
    PORTFOLIO_TABLE,
    STRATEGY_RETURNS_TABLE,
    VALIDATION_TABLE,
)

NO_DATA = Verdict.NO_DATA.value
# values of VALIDATION_TABLE.method, in reading order
METHODS: Mapping[str, str] = {
    "EXPANDING": "Walk-forward, trained on all sessions before the test",
    "ROLLING": "Walk-forward, trained on the last three years before the test",
    "KFOLD": "Purged k-fold",
    "CPCV": "Combinatorial purged paths",
    "REGIME": "Regimes",
    "YEAR": "Years",
    "CAPACITY": "Capital, USD",
}
FOLDS = frozenset({"EXPANDING", "ROLLING", "KFOLD"})
Progress = Callable[[str, int, int], None]
Row = Mapping[str, Any]


def sheet_folder(warehouse_folder: Path, book: str) -> Path:
    """Where the sheets of a backtest are kept."""
    return warehouse_folder / "results" / book


def page_of(warehouse_folder: Path, book: str, name: str = "index") -> Path | None:
    """The page of a record, or the league table of a backtest; null where none was written."""
    path = sheet_folder(warehouse_folder, book) / f"{name}.html"
    return path if path.exists() else None


def newest_book(warehouse_folder: Path, evidence: pl.DataFrame) -> str:
    """The backtest whose pages were written last; without pages, the one with the latest session."""
    ends = evidence.group_by("book").agg(pl.col("session").max()).sort("session", "book")
    written = {book: page_of(warehouse_folder, book) for book in ends["book"]}
    times = {book: page.stat().st_mtime_ns if page else 0 for book, page in written.items()}
    return str(max(ends.iter_rows(), key=lambda row: (times[row[0]], row[1]))[0])


@dataclass(frozen=True, slots=True)
class Results:
    """The declared result tables of one book; `portfolio` may be empty when no replay was made."""

    evidence: pl.DataFrame
    strategy_returns: pl.DataFrame = field(default_factory=STRATEGY_RETURNS_TABLE.empty)
    out_of_sample: pl.DataFrame = field(default_factory=OUT_OF_SAMPLE_TABLE.empty)
    validation: pl.DataFrame = field(default_factory=VALIDATION_TABLE.empty)
    metrics: pl.DataFrame = field(default_factory=METRICS_TABLE.empty)
    portfolio: pl.DataFrame = field(default_factory=PORTFOLIO_TABLE.empty)
    feed: str = ""  # name of the feed whose history this is; what is made up must say so


@dataclass(frozen=True, slots=True)
class Record:
    """One strategy, or the portfolio: its rows of every table, oldest first. `evidence` and `metrics` may be empty."""

    id: str
    evidence: Row
    metrics: Row
    returns: pl.DataFrame  # of STRATEGY_RETURNS_TABLE
    out_of_sample: pl.DataFrame
    validation: pl.DataFrame
    portfolio: pl.DataFrame  # empty for a strategy

    @property
    def verdict(self) -> str:
        """PASS, FAIL, NO_DATA, or nothing where no evidence was made (a replay alone)."""
        return str(self.evidence.get("verdict", ""))

    def method(self, name: str) -> pl.DataFrame:
        """The rows of one way of validating: folds by their first session, capital by size, all else by label."""
        rows = self.validation.filter(pl.col("method") == name)
        if name == "CAPACITY":
            return rows.sort(pl.col("label").cast(pl.Float64))
        return rows.sort("first", "label") if name in FOLDS else rows.sort("label")


def records(results: Results) -> list[Record]:
    """One a strategy in the order of the evidence, the portfolio first where there is one."""
    evidence = {row["strategy_id"]: row for row in results.evidence.iter_rows(named=True)}
    metrics = {row["name"]: row for row in results.metrics.iter_rows(named=True)}
    parts = {
        name: _by_strategy(frame)
        for name, frame in (
            ("returns", results.strategy_returns),
            ("out_of_sample", results.out_of_sample),
            ("validation", results.validation),
        )
    }
    names = list(evidence)
    if not results.portfolio.is_empty() or PORTFOLIO in evidence:
        names = [PORTFOLIO, *(name for name in names if name != PORTFOLIO)]
    none = results.portfolio.clear()
    return [
        Record(
            id=name,
            evidence=evidence.get(name, {}),
            metrics=metrics.get(name, {}),
            returns=_in_sample(parts["returns"].get(name), evidence.get(name, {}), results.strategy_returns.clear()),
            out_of_sample=parts["out_of_sample"].get(name, results.out_of_sample.clear()).sort("session"),
            validation=parts["validation"].get(name, results.validation.clear()),
            portfolio=results.portfolio.sort("session") if name == PORTFOLIO else none,
        )
        for name in names
    ]


def _in_sample(rows: pl.DataFrame | None, evidence: Row, none: pl.DataFrame) -> pl.DataFrame:
    """The sessions the evidence is about, from the first signal to the last, oldest first; all without evidence."""
    if rows is None or evidence.get("verdict") == NO_DATA:
        return none
    first, last = evidence.get("first"), evidence.get("last")
    if first is not None and last is not None:
        rows = rows.filter(pl.col("session").is_between(first, last))
    return rows.sort("session")


def _by_strategy(frame: pl.DataFrame) -> dict[str, pl.DataFrame]:
    return {str(key[0]): part for key, part in frame.partition_by("strategy_id", as_dict=True).items()}
