"""Records of a live session and of the runs it is held against: plain values. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import polars as pl

from qgtm_core.types import Execution, Gate, KillTier, OrderIntent, OrderState


class Level(StrEnum):
    """Where in the chain two runs are compared."""

    SIGNAL = "SIGNAL"
    TARGET = "TARGET"
    ORDER = "ORDER"
    FILL = "FILL"
    FEES = "FEES"


class Cause(StrEnum):
    """Why live and backtest differ (closed list); the strongest first, where several meet in one difference."""

    UNEXPLAINED = "UNEXPLAINED"  # no record proves any of the others
    SESSION_NOT_RUN = "SESSION_NOT_RUN"  # nothing was recorded of this stage: the run was not made, or ended before
    BOOKS_BROKEN = "BOOKS_BROKEN"  # a confirmed break between broker and ledger stopped the run before its orders
    KILL_SWITCH = "KILL_SWITCH"  # somebody or something raised the tier; the ledger has who, when and why
    OUTSIDE_ORDER = "OUTSIDE_ORDER"  # a trade that was not ours
    NOT_SENT = "NOT_SENT"  # the order never reached the broker
    REJECTED = "REJECTED"  # the broker refused the order
    PARTIAL_FILL = "PARTIAL_FILL"  # the broker filled less than the order and ended it
    POLICY_CHANGED = "POLICY_CHANGED"  # the house rules have another hash than the recorded one
    CODE_CHANGED = "CODE_CHANGED"  # a strategy has other parameters than those stored with its signal
    DATA_REVISED = "DATA_REVISED"  # a revision was retrieved after the decision; without it the live value comes back
    DATA_LATE = "DATA_LATE"  # a row was retrieved after the decision; without it the live value comes back
    FILL_MODEL = "FILL_MODEL"  # the market traded at another price than the model's; the size is the difference
    FEES = "FEES"  # the broker booked a fee that the model does not have
    ROUNDING = "ROUNDING"  # 1e-9 of a number, or one share where the shares before rounding agree


STRENGTH: Mapping[str, int] = {cause.value: i for i, cause in enumerate(Cause)}


@dataclass(frozen=True, slots=True)
class Stages:
    """One run of a session's stages, as rows of the tables `signals/*`, `portfolio/target`, `risk/approved_orders`."""

    signals: pl.DataFrame
    target: pl.DataFrame
    approved: pl.DataFrame
    intents: tuple[OrderIntent, ...] = ()
    executions: tuple[Execution, ...] = ()


@dataclass(frozen=True, slots=True)
class Sides:
    """The runs that are compared; `known` is null when no row was retrieved since the decision."""

    live: Stages
    again: Stages
    staged: Stages
    known: Stages | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """How an order ended, in the broker's words."""

    state: OrderState
    reason: str = ""
    broker_order_id: str = ""


@dataclass(frozen=True, slots=True)
class Raised:
    """A change of the kill switch's tier, as the ledger has it."""

    at: dt.datetime
    gate: Gate
    actor: str


@dataclass(frozen=True, slots=True)
class Changed:
    """Rows of a table that were retrieved after the decision, and how many of them are revisions."""

    table: str
    rows: int
    revised: int


@dataclass(frozen=True, slots=True)
class Facts:
    """Records of a session that are no stage: what may prove a cause.

    `ranges` are the lowest and highest price (USD) of the session by symbol; `fees_usd` are booked cash flows of
    kind FEE by id, negative when paid; `tiers` are changes of the tier from the session's midnight to the next opening.
    """

    session: dt.date
    book: str
    opened: bool
    policy_hash: str
    params: Mapping[str, str] = field(default_factory=dict)  # registered hash by strategy
    traded: frozenset[str] = frozenset()  # strategies that reach the portfolio
    changed: tuple[Changed, ...] = ()
    orders: Mapping[str, Ended] = field(default_factory=dict)
    external: tuple[Execution, ...] = ()
    tiers: tuple[Raised, ...] = ()
    confirmed_breaks: int = 0
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    shortfalls: Mapping[str, str] = field(default_factory=dict)  # the model's reason by order
    fees_usd: Mapping[str, float] = field(default_factory=dict)


def closed_by(facts: Facts, tier: KillTier = KillTier.NO_NEW) -> Raised | None:
    """The first recorded raise to this tier or above, or None."""
    return next((event for event in facts.tiers if event.gate.tier >= tier), None)
