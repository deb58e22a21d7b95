"""The evidence record of a strategy: what it did in and out of sample, how sure that is, and which gates it passes.

A record is a function of its inputs alone: the same returns, trials and stamps give the same record and the same hash.
A strategy that fails is shown failing; one without data says what is missing.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from qgtm_core.backtest.evidence.gates import GATES, Verdict
from qgtm_core.backtest.evidence.judgement import ANNUAL, Family, Method, OutOfSample, judge, regime_rows
from qgtm_core.backtest.evidence.trial_record import TrialRow
from qgtm_core.backtest.metrics import SESSIONS_A_YEAR, annual_sharpe, performance
from qgtm_core.maths.resampling import stationary_bootstrap_sharpe
from qgtm_core.maths.validation import (
    BLOCKS,
    MIN_SD,
    MIN_TRAINING,
    backtest_overfitting,
    deflated_sharpe,
    moments,
    probabilistic_sharpe,
)
from qgtm_core.schemas.results import EVIDENCE_TABLE, OUT_OF_SAMPLE_TABLE, VALIDATION_TABLE

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

PATH_QUANTILES = (0.05, 0.5, 0.95)
SEED = 20170301  # of the bootstrap; any number, but always the same


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """All that is known of one strategy before it is judged; arrays over all sessions of the backtest.

    `returns` is (parameter sets, sessions), net, the registered set first; `missing` says why there is nothing.
    """

    strategy_id: str
    status: str
    horizon: int
    params_hash: str
    changes: tuple[str, ...]
    returns: Array
    gross: Array
    turnover: Array
    spoke: Mask
    capacity: tuple[tuple[float, float | None], ...] = ()  # capital in USD, net Sharpe
    capacity_usd: float | None = None
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Tried:
    """Parameter sets ever tried, and the different Sharpe ratios (a session) of those that were measured long enough.

    The count is the ledger's and goes over all time; the spread is that of the trials of one backtest, so that it does
    not change with what was tested on other data since.
    """

    count: int
    sharpes: tuple[float, ...]

    @classmethod
    def of(cls, trials: Sequence[TrialRow], count: int) -> Self:
        """From records of one backtest; a sample below three years says more of luck than of the trial."""
        known = {row.sharpe for row in trials if row.sharpe is not None and row.periods >= MIN_TRAINING}
        return cls(count, tuple(sorted(known)))

    @property
    def variance(self) -> float:
        """Variance of the trials' Sharpe ratios; 0 with fewer than two."""
        return float(np.var(self.sharpes, ddof=1)) if len(self.sharpes) > 1 else 0.0


@dataclass(frozen=True, slots=True)
class Stamps:
    """What the record depends on besides the strategy, by hash."""

    book: str
    costs_hash: str
    code_version: str
    data_hash: str
    trials_hash: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """Rows of the three tables of one strategy."""

    record: pl.DataFrame
    validation: pl.DataFrame
    out_of_sample: pl.DataFrame


def sample_of(spoke: Mask) -> slice:
    """Positions from the first session with a signal to the last; empty where there is none."""
    heard = np.flatnonzero(spoke)
    return slice(int(heard[0]), int(heard[-1]) + 1) if len(heard) else slice(0, 0)


def evidence_of(
    subject: Subject,
    sessions: Sequence[dt.date],
    regimes: Mapping[str, Mask],
    tried: Tried,
    library: Tried,
    stamps: Stamps,
) -> Evidence:
    """Judge one strategy over the sessions between its first and its last signal."""
    part = sample_of(subject.spoke)
    if part.start == part.stop:
        return _nothing(subject, sessions, tried, library, stamps)
    family = Family(tuple(sessions[part]), subject.returns[:, part], subject.changes, subject.horizon)
    found = judge(family)
    rows = [*found.rows, *regime_rows(family, {name: mask[part] for name, mask in regimes.items()})]
    rows += [_capacity_row(family, capital, sharpe) for capital, sharpe in subject.capacity]
    record = {
        **_identity(subject, sessions, tried, library, stamps),
        **_whole_sample(subject, family, part),
        **_unused_sample(found),
        **_chances(family, tried, library),
    }
    record["capacity_usd"] = subject.capacity_usd
    failed = [gate.told(record) for gate in GATES if not gate.passes(record)]
    record |= {"verdict": (Verdict.FAIL if failed else Verdict.PASS).value, "failed": "; ".join(failed)}
    return _framed(record, rows, _out_of_sample_rows(family, found), sessions, stamps)


def _identity(
    subject: Subject, sessions: Sequence[dt.date], tried: Tried, library: Tried, stamps: Stamps
) -> dict[str, Any]:
    return {
        "book": stamps.book,
        "session": sessions[-1],
        "strategy_id": subject.strategy_id,
        "status": subject.status,
        "trials": tried.count,
        "trials_library": library.count,
        "params_hash": subject.params_hash,
        "costs_hash": stamps.costs_hash,
        "code_version": stamps.code_version,
        "data_hash": stamps.data_hash,
        "trials_hash": stamps.trials_hash,
    }


def _whole_sample(subject: Subject, family: Family, part: slice) -> dict[str, Any]:
    """Registered parameters over the whole sample, which nobody can call unseen."""
    figures = performance(family.registered)
    low, high = _interval(family.registered)
    paid = subject.gross[part] - family.registered
    return {
        "first": family.sessions[0],
        "last": family.sessions[-1],
        "sessions": figures.sessions,
        "sharpe": figures.sharpe,
        "sharpe_low": low,
        "sharpe_high": high,
        "gross_sharpe": annual_sharpe(subject.gross[part]),
        "annual_return": figures.annual_return,
        "annual_vol": figures.annual_vol,
        "max_drawdown": figures.max_drawdown,
        "annual_turnover": float(subject.turnover[part].mean()) * SESSIONS_A_YEAR,
        "annual_cost": float(paid.mean()) * SESSIONS_A_YEAR,
    }


def _unused_sample(found: OutOfSample) -> dict[str, Any]:
    """Returns of what was chosen without them."""
    stitched = found.expanding.returns
    low, high = _interval(stitched)
    trained = found.expanding.in_sample[np.isfinite(found.expanding.in_sample)]
    paths = found.paths[np.isfinite(found.paths)]
    quantiles = np.quantile(paths, PATH_QUANTILES).tolist() if len(paths) else [None] * len(PATH_QUANTILES)
    return {
        "in_sample_sharpe": float(trained.mean()) * ANNUAL if len(trained) else None,
        "oos_sharpe": annual_sharpe(stitched),
        "oos_low": low,
        "oos_high": high,
        "oos_sessions": int(np.isfinite(stitched).sum()),
        "rolling_oos_sharpe": annual_sharpe(found.rolling),
        "kfold_sharpe": annual_sharpe(found.kfold),
        **dict(zip(("cpcv_low", "cpcv_median", "cpcv_high"), quantiles, strict=True)),
        "cpcv_paths": len(paths),
    }


def _chances(family: Family, tried: Tried, library: Tried) -> dict[str, Any]:
    """How likely the record is luck, selection or overfitting."""
    seen = moments(family.registered)
    distinct = distinct_rows(family.returns)
    enough = len(distinct) > 1 and len(family.sessions) >= 2 * BLOCKS
    return {
        "pbo": backtest_overfitting(family.returns[distinct].T).probability if enough else None,
        "psr": _known(probabilistic_sharpe(seen)),
        "dsr": _known(deflated_sharpe(seen, tried.count, tried.variance)),
        "dsr_library": _known(deflated_sharpe(seen, library.count, library.variance)),
    }


def distinct_rows(returns: Array) -> list[int]:
    """Rows that vary and are not the same as an earlier one: a change without effect is no alternative."""
    rows: dict[bytes, int] = {}
    for row, values in enumerate(returns):
        if float(np.ptp(values)) > MIN_SD:
            rows.setdefault(np.ascontiguousarray(values).tobytes(), row)
    return list(rows.values())


def _interval(returns: Array) -> tuple[float | None, float | None]:
    """95 % interval of the annual Sharpe ratio; null where nothing varies."""
    sample = returns[np.isfinite(returns)]
    if len(sample) < 2 * BLOCKS or float(np.ptp(sample)) <= MIN_SD:
        return None, None
    found = stationary_bootstrap_sharpe(sample, seed=SEED)
    return found.low * ANNUAL, found.high * ANNUAL


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _capacity_row(family: Family, capital_usd: float, sharpe: float | None) -> dict[str, Any]:
    return {
        "method": Method.CAPACITY.value, "label": f"{capital_usd:.0f}", "first": family.sessions[0],
        "last": family.sessions[-1], "sessions": len(family.sessions), "sharpe": sharpe,
    }  # fmt: skip


def _out_of_sample_rows(family: Family, found: OutOfSample) -> list[dict[str, Any]]:
    columns = zip(family.sessions, found.expanding.returns.tolist(), found.choices, strict=True)
    return [{"session": day, "return_1d": r, "trial": text} for day, r, text in columns if math.isfinite(r)]


def _nothing(subject: Subject, sessions: Sequence[dt.date], tried: Tried, library: Tried, stamps: Stamps) -> Evidence:
    record = {
        **_identity(subject, sessions, tried, library, stamps),
        "verdict": Verdict.NO_DATA.value,
        "failed": subject.missing or "it never had a signal in these sessions",
        "sessions": 0,
        "oos_sessions": 0,
        "cpcv_paths": 0,
    }
    return _framed(record, [], [], sessions, stamps)


def _framed(
    record: dict[str, Any],
    rows: list[dict[str, Any]],
    unseen: list[dict[str, Any]],
    sessions: Sequence[dt.date],
    stamps: Stamps,
) -> Evidence:
    """The rows as declared, with the hash of all of them in the record."""
    who = {"book": stamps.book, "strategy_id": record["strategy_id"]}
    whole = json.dumps([record, rows, unseen], sort_keys=True, default=str)
    record["evidence_hash"] = hashlib.sha256(whole.encode()).hexdigest()[:16]
    tables = (
        (EVIDENCE_TABLE, [record]),
        (VALIDATION_TABLE, [{**who, "session": sessions[-1], **row} for row in rows]),
        (OUT_OF_SAMPLE_TABLE, [{**who, **row} for row in unseen]),
    )
    return Evidence(*(pl.DataFrame(found, schema=table.dtypes) for table, found in tables))
