"""What is remembered of a trial, and what the memory says: how many were made, how they spread, which were best.

Every parameter set ever evaluated counts, faults too: the deflated Sharpe ratio asks how many were looked at. Frames of
records have the columns of `RECORD_SCHEMA`; Sharpe ratios are per session, null where the returns never varied.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from qgtm_core.backtest.evidence.trials import Family, Trial
from qgtm_core.errors import InvariantError

Key = tuple[str, str, str, str, dt.date, dt.date]

BEST_SCHEMA: Mapping[str, Any] = {
    "strategy_id": pl.String,
    "params_hash": pl.String,
    "changed": pl.String,
    "sharpe": pl.Float64,
    "periods": pl.Int64,
    "first": pl.Date,
    "last": pl.Date,
    "code_version": pl.String,
    "data_hash": pl.String,
    "fault": pl.String,
    "evaluated_at": pl.Datetime("us", "UTC"),
}


@dataclass(frozen=True, slots=True)
class TrialRow:
    """One evaluation of one parameter set: on which data, by which code, over which sessions, with what result.

    `sharpe` is per session, null when the returns never varied or the trial was a fault, whose reason is `fault`.
    Raises InvariantError on a number that is not finite, an instant without a time zone and dates out of order.
    """

    strategy_id: str
    params_hash: str
    params: Mapping[str, Any]
    changed: str
    code_version: str
    data_hash: str
    first: dt.date
    last: dt.date
    periods: int
    sharpe: float | None
    fault: str | None
    evaluated_at: dt.datetime

    def __post_init__(self) -> None:
        where = f"trial {self.strategy_id} {self.params_hash}"
        if self.sharpe is not None and not math.isfinite(self.sharpe):
            raise InvariantError(f"{where}: a Sharpe ratio of {self.sharpe} is none; record null")
        if self.sharpe is not None and self.fault is not None:
            raise InvariantError(f"{where}: a fault has no Sharpe ratio")
        if self.evaluated_at.tzinfo is None:
            raise InvariantError(f"{where}: the instant {self.evaluated_at} has no time zone")
        if self.first > self.last or self.periods < 0:
            raise InvariantError(f"{where}: {self.periods} periods from {self.first} to {self.last} are none")

    @property
    def key(self) -> Key:
        """What makes two evaluations the same one."""
        return self.strategy_id, self.params_hash, self.data_hash, self.code_version, self.first, self.last


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What all trials of one run have in common; `periods` is the number of returns behind each Sharpe ratio."""

    code_version: str
    data_hash: str
    first: dt.date
    last: dt.date
    periods: int
    evaluated_at: dt.datetime

    def row(self, trial: Trial, sharpe: float | None, fault: str | None = None) -> TrialRow:
        """The record of one trial; a Sharpe ratio that is not finite is null."""
        known = sharpe is not None and math.isfinite(sharpe)
        return TrialRow(
            strategy_id=trial.strategy_id,
            params_hash=trial.params_hash,
            params=trial.params,
            changed=trial.changed,
            code_version=self.code_version,
            data_hash=self.data_hash,
            first=self.first,
            last=self.last,
            periods=self.periods if fault is None else 0,
            sharpe=sharpe if known else None,
            fault=fault,
            evaluated_at=self.evaluated_at,
        )


def rows_of(family: Family, sharpe: Sequence[float | None], evaluation: Evaluation) -> list[TrialRow]:
    """Return the records of a family: its trials with their Sharpe ratios per session (NaN = null), then its faults."""
    made = [evaluation.row(trial, value) for trial, value in zip(family.trials, sharpe, strict=True)]
    return made + [evaluation.row(trial, None, family.faults[trial.params_hash]) for trial in family.faulted]


def digest_of(trials: Iterable[tuple[str, str]]) -> str:
    """Return the hash of a set of trials, given as (strategy_id, params_hash) in any order and number."""
    text = "\n".join(f"{strategy_id} {params_hash}" for strategy_id, params_hash in sorted(set(trials)))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(slots=True)
class MemoryTrials:
    """The trial ledger without a database: for tests, and for evidence that is not to be kept."""

    _rows: dict[Key, TrialRow] = field(default_factory=dict)

    def record(self, rows: Iterable[TrialRow]) -> int:
        """Remember evaluations and return how many were new; one that is known already is not remembered again."""
        before = len(self._rows)
        for row in rows:
            self._rows.setdefault(row.key, row)
        return len(self._rows) - before

    def counts(self) -> dict[str, int]:
        """Return the number of parameter sets ever evaluated by strategy, on whatever data and by whatever code."""
        pairs = {(row.strategy_id, row.params_hash) for row in self._rows.values()}
        ids = sorted({strategy_id for strategy_id, _ in pairs})
        return {each: sum(strategy_id == each for strategy_id, _ in pairs) for each in ids}

    def best_known(self, strategy_id: str | None = None) -> pl.DataFrame:
        """Return what was last recorded of each parameter set (BEST_SCHEMA), sorted by strategy and hash."""
        newest = {
            (r.strategy_id, r.params_hash): r for r in self._rows.values() if strategy_id in {None, r.strategy_id}
        }
        return as_frame([{name: getattr(row, name) for name in BEST_SCHEMA} for row in newest.values()])

    def digest(self) -> str:
        """Return the hash of all distinct trials."""
        return digest_of((row.strategy_id, row.params_hash) for row in self._rows.values())


def as_frame(records: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Records as a frame of BEST_SCHEMA, sorted by strategy and hash."""
    return pl.DataFrame(records, schema=BEST_SCHEMA, orient="row").sort("strategy_id", "params_hash")


def summary(best: pl.DataFrame) -> pl.DataFrame:
    """Return one row a strategy from a frame of BEST_SCHEMA: trials, faults, best and registered Sharpe ratio.

    `best` and `registered` are per session, as recorded; the best is null where none varied, `best_changed` names it.
    Of several that were once registered, the one recorded last counts.
    """
    registered = (pl.col("changed") == "") & pl.col("fault").is_null()
    ranked = best.sort("evaluated_at", maintain_order=True)
    return (
        ranked.group_by("strategy_id", maintain_order=True)
        .agg(
            trials=pl.len().cast(pl.Int64),
            faults=pl.col("fault").is_not_null().sum().cast(pl.Int64),
            best=pl.col("sharpe").max(),
            best_changed=pl.col("changed").filter(pl.col("sharpe") == pl.col("sharpe").max()).first(),
            registered=pl.col("sharpe").filter(registered).last(),
            last=pl.col("last").max(),
            evaluated_at=pl.col("evaluated_at").max(),
        )
        .sort("strategy_id")
    )
