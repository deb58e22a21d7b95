"""What a strategy is: a declaration and one pure rule over feature columns. No strategy lives here."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import polars as pl

from qgtm_core.errors import ConfigError
from qgtm_core.types import StrategyStatus


class Cadence(StrEnum):
    """How often a strategy computes; between computations the last result is re-emitted."""

    DAILY = "daily"
    WEEKLY = "weekly"  # on the first session of the week
    WEEKLY_LAST = "weekly, last session"
    MONTHLY = "monthly"  # on the last session of the month
    MONTHLY_FIRST_WEEK = "monthly, first week"  # on the first session of the first week that begins in the month
    EVENT = "event"  # every session; the score follows past events
    INTRADAY = "intraday"  # within the session, on its own clock


# Longest age of an input's newest row at the decision (strategies are silent beyond it).
STALENESS: Mapping[str, dt.timedelta] = {
    "intraday": dt.timedelta(minutes=5),
    "snapshot": dt.timedelta(hours=7),  # of an option chain: the same session, never the one before
    "daily": dt.timedelta(days=5),
    "weekly": dt.timedelta(days=12),
    "monthly": dt.timedelta(days=45),
    "quarterly": dt.timedelta(days=120),
}

# Sessions before the first one asked for that reach the last computation of a slow strategy, with room to spare:
# a week has at most 5 sessions, a month at most 23.
CADENCE_LOOKBACK: Mapping[Cadence, int] = {
    Cadence.DAILY: 0,
    Cadence.EVENT: 0,
    Cadence.WEEKLY: 7,
    Cadence.WEEKLY_LAST: 7,
    Cadence.MONTHLY: 31,
    Cadence.MONTHLY_FIRST_WEEK: 31,
    Cadence.INTRADAY: 0,
}
SLOW = (Cadence.WEEKLY, Cadence.WEEKLY_LAST, Cadence.MONTHLY, Cadence.MONTHLY_FIRST_WEEK)


class Sleeve(StrEnum):
    """Which book of strategies one belongs to; only the first two send orders."""

    DAILY = "pm_daily"
    INTRADAY = "intraday"
    RESEARCH = "research"
    OPTIONS = "options"


CATEGORIES: Mapping[str, Sleeve] = {
    **dict.fromkeys(("macro", "momentum", "mr", "flow", "vol", "seasonal", "carry"), Sleeve.DAILY),
    "intraday": Sleeve.INTRADAY,
    "research": Sleeve.RESEARCH,
    "options": Sleeve.OPTIONS,
}


EVERY = "*"


@dataclass(frozen=True, slots=True)
class DataRef:
    """One column of a PIT table, of the rows that match: "macro[series_id=DFII10].value".

    `{symbol}` as a value stands for each symbol the strategy trades.
    """

    table: str
    where: tuple[tuple[str, str], ...]
    column: str

    @classmethod
    def parse(cls, text: str) -> DataRef:
        """Read the written form; raises ConfigError when it is not one."""
        found = _DATA_REF.fullmatch(text)
        if found is None:
            raise ConfigError(f"{text!r} is no data reference; expected table[column=value].column")
        pairs = [tuple(part.split("=", 1)) for part in (found["where"] or "").split(",") if part]
        return cls(found["table"], tuple((k, v) for k, v in pairs), found["column"])

    def matches(self, symbols: tuple[str, ...]) -> pl.Expr:
        """True in the rows it is about."""
        sought = [pl.col(k).cast(pl.String).is_in(symbols if v == "{symbol}" else (v,)) for k, v in self.where]
        return pl.all_horizontal(sought) if sought else pl.lit(value=True)


_DATA_REF = re.compile(r"(?P<table>\w+)(\[(?P<where>[^\]]+)\])?\.(?P<column>\w+)")


@dataclass(frozen=True, slots=True)
class Input:
    """One canonical input: where its health is found and how old it may be.

    A feature table carries, for each input `name`, the columns `<name>_obs` (usable observations so far),
    `<name>_event_at` and `<name>_available_at` of the newest one; keyed tables carry `obs`, `event_at`,
    `available_at` in each row, and then `name` is empty. A table of known dates has neither: there `coverage` names
    the boolean column that says whether the dates reach far enough (false = STALE) and `availability` the instant.
    """

    table: str  # features/<table>
    columns: tuple[str, ...]  # the columns the rule may read, and no others
    name: str = ""
    staleness: str = "daily"
    warmup: int = 0  # usable observations of the native frequency
    optional: tuple[str, ...] = ()  # the columns in which null means something to the rule
    coverage: str = ""
    availability: str = ""
    data: tuple[str, ...] = ()  # what it cannot do without: "<pit table>[<column>=<value>].<column>" (see DataRef)

    @property
    def prefix(self) -> str:
        """What stands before `obs`, `event_at` and `available_at` in the table."""
        return f"{self.name}_" if self.name else ""


@dataclass(frozen=True, slots=True)
class Leg:
    """One source of opinion on a symbol: the keyed feature rows it reads and its side of a pair.

    A symbol's score is the mean over its legs that have one. `side` is `y` or `x` in a pair, else empty.
    """

    symbol: str
    pair: str = ""
    side: str = ""
    market: str = ""


@dataclass(frozen=True, slots=True)
class Strategy:
    """One registered strategy.

    `rule(panel, params)` gets one row per (session, leg), oldest session first, with `session, symbol, pair, side,
    market` and the declared columns only; the values are null in rows whose inputs are not usable. It returns, in the
    same row order, `score` in [-1, 1] (null = it cannot say), `quality` in [0, 1] and optionally `reason` (not null =
    NO_SIGNAL with that reason). It never sees a clock, a file or a row of the future. Slow strategies see the
    sessions on which they compute, and no others. A table keyed by two symbols reaches the rule as one column a
    pair, `<column>@<a>/<b>`.

    `rule_lookback` is the number of earlier sessions the rule itself reads. `consumes` names strategies whose signals
    of the same session the rule reads as `score@<id>` and `confidence@<id>` (null = that one is silent); `EVERY` stands
    for all that trade daily and consume nothing.
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
    rule_lookback: int = 0
    legs: tuple[Leg, ...] = ()  # empty = one leg a symbol
    formula: str = ""  # the rule in one or two lines, for readers
    consumes: tuple[str, ...] = ()
    differs: Mapping[str, str] = field(default_factory=dict)  # other id -> how this one differs from it
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def sleeve(self) -> Sleeve:
        """The book of strategies it belongs to, by its category."""
        return CATEGORIES[self.category]

    @property
    def horizon(self) -> str:
        """How long a signal is meant for, in words: an intraday one counts bars of the day."""
        unit = "bar" if self.cadence is Cadence.INTRADAY else "session"
        return f"{self.horizon_sessions} {unit}{'' if self.horizon_sessions == 1 else 's'}"

    @property
    def lookback(self) -> int:
        """Sessions before the first one asked for that `evaluate` needs in the feature tables."""
        return self.rule_lookback + CADENCE_LOOKBACK[self.cadence]

    @property
    def tables(self) -> tuple[str, ...]:
        """Feature tables the strategy reads, each once."""
        return tuple(dict.fromkeys(i.table for i in self.inputs))

    @property
    def warmup(self) -> int:
        """Usable observations the longest input needs."""
        return max((i.warmup for i in self.inputs), default=0)

    @property
    def params_hash(self) -> str:
        """Short hash of id and parameters, stored with every signal."""
        return params_hash_of(self.id, self.params)


def params_hash_of(strategy_id: str, params: Mapping[str, Any]) -> str:
    """Short hash of an id and its parameters, registered or not."""
    text = json.dumps([strategy_id, dict(params)], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def consumed(strategy: Strategy, registry: Mapping[str, Strategy]) -> tuple[str, ...]:
    """Ids of `registry` whose signals the strategy reads, in its order; EVERY spelt out."""
    if EVERY not in strategy.consumes:
        return strategy.consumes
    paper = [
        s
        for s in registry.values()
        if s.status is StrategyStatus.PAPER and s.sleeve is Sleeve.DAILY and not s.consumes and s.id != strategy.id
    ]
    return tuple(s.id for s in paper)
