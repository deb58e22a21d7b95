"""How a family of parameter sets did out of sample: by fold, path, regime, year and capital. Pure arrays, no verdict.

A family is (parameter sets, sessions) of net returns, the registered set first. All choices among the sets are made on
returns that were known an embargo before the returns they are judged on.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from qgtm_core.backtest.metrics import SESSIONS_A_YEAR, Sample, annual_sharpe
from qgtm_core.backtest.research.returns import ResearchMarket
from qgtm_core.maths.cross_validation import (
    Fold,
    Stitched,
    combinatorial_folds,
    combinatorial_paths,
    expanding_folds,
    out_of_sample,
    purged_folds,
    rolling_folds,
)

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

GOLD = "GLD"  # the market whose weather the regimes describe
TREND_SESSIONS = 252
MIN_SPLIT = 420  # sessions below which cross-validation by blocks says nothing: ten blocks of two months
ANNUAL = SESSIONS_A_YEAR**0.5


class Method(StrEnum):
    """How the rows of `backtest/validation` were made."""

    EXPANDING = "EXPANDING"  # walk-forward, chosen on all that came before
    ROLLING = "ROLLING"  # walk-forward, chosen on the last three years
    KFOLD = "KFOLD"  # purged k-fold: chosen on what came before and after
    CPCV = "CPCV"  # combinatorial purged cross-validation, one row a path
    REGIME = "REGIME"  # registered set, sessions of one kind of market
    YEAR = "YEAR"  # registered set, one calendar year
    CAPACITY = "CAPACITY"  # registered set, one size of capital


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """Net returns (sets, sessions) of one strategy over its sample, and what each set changes ("" = as registered)."""

    sessions: tuple[dt.date, ...]
    returns: Array
    changes: tuple[str, ...]
    horizon: int  # sessions a signal is meant for: what is purged around a test

    @property
    def registered(self) -> Array:
        """Returns of the registered set."""
        found: Array = self.returns[0]
        return found


@dataclass(frozen=True, slots=True, eq=False)
class OutOfSample:
    """Walk-forward (expanding, rolling) and k-fold returns by session, Sharpe ratios of the paths, and all rows."""

    expanding: Stitched
    choices: tuple[str, ...]  # by session: the change chosen, "" where nothing is out of sample or as registered
    rolling: Array
    kfold: Array
    paths: Array
    rows: list[dict[str, Any]]


def judge(family: Family) -> OutOfSample:
    """Choose among the sets in every way and look at what was not used; too short a sample leaves a way out."""
    count, table = len(family.sessions), family.returns.T
    expanding = expanding_folds(count, horizon=family.horizon)
    rolling = rolling_folds(count, horizon=family.horizon)
    split = count >= MIN_SPLIT
    blocks = purged_folds(count, horizon=family.horizon) if split else []
    stitched = {
        Method.EXPANDING: (expanding, out_of_sample(table, expanding)),
        Method.ROLLING: (rolling, out_of_sample(table, rolling)),
        Method.KFOLD: (blocks, out_of_sample(table, blocks)),
    }
    rows = [row for method, (folds, found) in stitched.items() for row in _fold_rows(family, method, folds, found)]
    paths = np.zeros(0)
    if split:
        walked = combinatorial_paths(table, combinatorial_folds(count, horizon=family.horizon)).returns
        rows += [_row(family, Method.CPCV, f"path {n:02}", path) for n, path in enumerate(walked, start=1)]
        paths = np.array([_number(annual_sharpe(path)) for path in walked])
    return OutOfSample(
        expanding=stitched[Method.EXPANDING][1],
        choices=_choices(family, *stitched[Method.EXPANDING]),
        rolling=stitched[Method.ROLLING][1].returns,
        kfold=stitched[Method.KFOLD][1].returns,
        paths=paths,
        rows=rows,
    )


def regime_rows(family: Family, regimes: Mapping[str, Mask]) -> list[dict[str, Any]]:
    """The registered set by regime and by calendar year; masks are over the family's sessions."""
    years = np.array([day.year for day in family.sessions])
    rows = [
        _row(family, Method.REGIME, label, np.where(mask, family.registered, np.nan)) for label, mask in regimes.items()
    ]
    return rows + [
        _row(family, Method.YEAR, str(year), np.where(years == year, family.registered, np.nan))
        for year in sorted(set(years.tolist()))
    ]


def regimes_of(market: ResearchMarket) -> dict[str, Mask]:
    """What kind of gold market each session's decision stood in, known at that decision.

    Volatility against the median of all volatilities so far (a year of them at least); price against a year before.
    Sessions without the figure belong to neither side.
    """
    column = market.symbols.index(GOLD)
    vol, price = market.annual_vol[:, column], market.price_usd[:, column]
    so_far = pl.Series(vol, nan_to_null=True).rolling_median(max(len(vol), TREND_SESSIONS), min_samples=TREND_SESSIONS)
    usual = so_far.to_numpy()
    before = np.concatenate([np.full(TREND_SESSIONS, np.nan), price[:-TREND_SESSIONS]])[: len(price)]
    return {
        "gold calm": vol <= usual,
        "gold wild": vol > usual,
        "gold rising": price > before,
        "gold falling": price <= before,
    }


def _choices(family: Family, folds: Sequence[Fold], found: Stitched) -> tuple[str, ...]:
    texts = np.full(len(family.sessions), "", dtype=object)
    for fold, column in zip(folds, found.chosen, strict=True):
        texts[fold.test] = family.changes[column]
    return tuple(texts.tolist())


def _fold_rows(family: Family, method: Method, folds: Sequence[Fold], found: Stitched) -> Iterator[dict[str, Any]]:
    for fold, column, trained in zip(folds, found.chosen, found.in_sample, strict=True):
        tested = np.where(fold.test, found.returns, np.nan)
        yield _row(family, method, fold.label, tested) | {
            "in_sample_sharpe": float(trained) * ANNUAL if np.isfinite(trained) else None,
            "trial": family.changes[column],
        }


def _row(family: Family, method: Method, label: str, returns: Array) -> dict[str, Any]:
    """Figures of the sessions at which `returns` is finite."""
    sample, held = Sample(returns), np.flatnonzero(np.isfinite(returns))
    return {
        "method": method.value,
        "label": label,
        "first": family.sessions[held[0]] if len(held) else None,
        "last": family.sessions[held[-1]] if len(held) else None,
        "sessions": sample.sessions,
        "sharpe": annual_sharpe(returns),
        "annual_return": sample.annual,
        "max_drawdown": float(sample.depth.max()),
        "in_sample_sharpe": None,
        "trial": None,
    }


def _number(value: float | int | None) -> float:
    return np.nan if value is None else float(value)
