"""What a strategy is: a declaration and one pure rule over feature columns. No strategy lives here."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import polars as pl

from qgtm_core.types import StrategyStatus


class Cadence(StrEnum):
    """How often a strategy computes; between computations the last result is re-emitted."""

    DAILY = "daily"
    WEEKLY = "weekly"  # on the first session of the week
    MONTHLY = "monthly"  # on the last session of the month
    EVENT = "event"


# Longest age of an input's newest row at the decision (strategies are silent beyond it).
STALENESS: Mapping[str, dt.timedelta] = {
    "intraday": dt.timedelta(minutes=5),
    "daily": dt.timedelta(days=5),
    "weekly": dt.timedelta(days=12),
    "monthly": dt.timedelta(days=45),
    "quarterly": dt.timedelta(days=120),
}


@dataclass(frozen=True, slots=True)
class Input:
    """One canonical input: where its health is found and how old it may be.

    A feature table carries, for each input `name`, the columns `<name>_obs` (usable observations so far),
    `<name>_event_at` and `<name>_available_at` of the newest one; per-symbol tables carry `obs`, `event_at`,
    `available_at` in each row, and then `name` is empty.
    """

    table: str  # features/<table>
    columns: tuple[str, ...]  # the columns the rule may read, and no others
    name: str = ""
    staleness: str = "daily"
    warmup: int = 0  # usable observations of the native frequency


@dataclass(frozen=True, slots=True)
class Strategy:
    """One registered strategy.

    `rule(panel, params)` gets one row per (session, symbol), oldest first, with the declared columns only, and
    returns `score` in [-1, 1] and `quality` in [0, 1] (null score = the rule cannot say; `gate` true = NO_SIGNAL/GATE),
    in the same row order. It never sees a clock, a file or a row of the future.
    """

    id: str
    number: int
    category: str
    status: StrategyStatus
    cadence: Cadence
    horizon_sessions: int
    symbols: tuple[str, ...]
    inputs: tuple[Input, ...]
    params: Mapping[str, Any]
    rule: Callable[[pl.DataFrame, Mapping[str, Any]], pl.DataFrame]
    capacity: str
    exposures: tuple[str, ...]
    source: str
    rationale: str
    min_symbols: int = 1
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def params_hash(self) -> str:
        """Short hash of id and parameters, stored with every signal."""
        text = json.dumps([self.id, dict(self.params)], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:12]
