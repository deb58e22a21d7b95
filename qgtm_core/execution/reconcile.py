"""Compare the ledger with the broker. Pure: it names differences and corrects nothing.

Loops run over the union of both sides, so what is missing on either is seen. A broker's view may lag its own stream
by half a minute, hence a break counts as confirmed only when it is there on two ticks.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum

from qgtm_core.audit import decimal_text
from qgtm_core.execution.leaves import exact_sum
from qgtm_core.execution.lifecycle import LIVE_AT_BROKER
from qgtm_core.types import BreakClass, BrokerOrder, BrokerPosition, Execution, OrderIntent, OrderState

CASH_KEY = "USD"


class BreakKind(StrEnum):
    """What disagrees."""

    POSITION = "POSITION"
    ORDER = "ORDER"
    FILL = "FILL"
    CASH = "CASH"


class Severity(StrEnum):
    """How much money a break stands for; unknown money counts as CRITICAL."""

    MINOR = "MINOR"
    MAJOR = "MAJOR"
    CRITICAL = "CRITICAL"


WORST_FIRST = (Severity.CRITICAL, Severity.MAJOR, Severity.MINOR)


@dataclass(frozen=True, slots=True)
class ReconcileLimits:
    """Tolerances and severity bounds (USD; `value_tolerance` is a fraction of the larger market value)."""

    cash_tolerance_usd: Decimal = Decimal(1)
    value_tolerance: float = 0.02
    major_usd: Decimal = Decimal(1_000)
    critical_usd: Decimal = Decimal(10_000)
    persistent_ticks: int = 5  # a break that changes size on every tick is confirmed by age instead


@dataclass(frozen=True, slots=True)
class Break:
    """One disagreement; a null value means "not there", a null notional "no price known"."""

    kind: BreakKind
    break_class: BreakClass
    key: str
    symbol: str
    ledger_value: Decimal | None
    broker_value: Decimal | None
    notional_usd: Decimal | None
    severity: Severity
    fingerprint: str
    first_seen_at: dt.datetime
    ticks: int = 1
    confirmed: bool = False


@dataclass(frozen=True, slots=True)
class ReconciliationReport:
    """All breaks of one tick, worst first."""

    at: dt.datetime
    breaks: tuple[Break, ...]
    compared: dict[str, int] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """True when both sides agree."""
        return not self.breaks

    @property
    def confirmed(self) -> tuple[Break, ...]:
        """Breaks seen on two ticks."""
        return tuple(each for each in self.breaks if each.confirmed)

    @property
    def classes(self) -> dict[BreakClass, int]:
        """Number of breaks by class."""
        return dict(Counter(each.break_class for each in self.breaks))

    @property
    def severity(self) -> Severity | None:
        """Severity of the worst break."""
        return self.breaks[0].severity if self.breaks else None


@dataclass(frozen=True, slots=True)
class _Finding:
    """A break before severity and history; `difference` is what identifies it from tick to tick."""

    kind: BreakKind
    break_class: BreakClass
    key: str
    symbol: str
    ledger_value: Decimal | None
    broker_value: Decimal | None
    notional_usd: Decimal | None
    difference: str


def reconcile(
    ledger_positions: Mapping[str, Decimal],
    broker_positions: Iterable[BrokerPosition],
    ledger_orders: Iterable[tuple[OrderIntent, OrderState]],
    broker_open_orders: Iterable[BrokerOrder],
    ledger_cash: Decimal,
    broker_cash: Decimal,
    now: dt.datetime,
    previous_breaks: Sequence[Break] = (),
    prices: Mapping[str, float] | None = None,
    *,
    ledger_filled: Mapping[str, Decimal] | None = None,
    ledger_executions: Iterable[Execution] | None = None,
    broker_executions: Iterable[Execution] | None = None,
    limits: ReconcileLimits | None = None,
) -> ReconciliationReport:
    """Compare positions, orders, cash and (when both lists are given) fills of one period.

    `ledger_orders` are those that may matter (all of the session will do); `ledger_filled` is filled shares by client
    order id; `prices` are USD a share. Without a price the broker's own mark gives the notional.
    """
    limits = limits or ReconcileLimits()
    held = {each.symbol: each for each in broker_positions if each.quantity_shares != 0}
    marks = {symbol: each.market_value_usd / each.quantity_shares for symbol, each in held.items()}
    marks |= {s: Decimal(str(p)) for s, p in (prices or {}).items() if math.isfinite(p) and p > 0.0}
    orders, open_orders = list(ledger_orders), {each.client_order_id: each for each in broker_open_orders}
    findings = [
        *_positions(ledger_positions, held, marks, prices or {}, limits),
        *_orders(orders, open_orders, ledger_filled or {}, marks),
        *_cash(ledger_cash, broker_cash, limits),
    ]
    compared = {"positions": len(held | dict(ledger_positions)), "orders": len(orders), "cash": 1}
    if ledger_executions is not None and broker_executions is not None:
        ours = {each.execution_id: each for each in ledger_executions}
        theirs = {each.execution_id: each for each in broker_executions}
        findings += _fills(ours, theirs)
        compared["fills"] = len(ours | theirs)
    breaks = _with_history(findings, previous_breaks, now, limits)
    ordered = sorted(breaks, key=lambda each: (WORST_FIRST.index(each.severity), each.kind, each.key))
    return ReconciliationReport(now, tuple(ordered), compared)


def _class_of(ledger: Decimal | None, broker: Decimal | None) -> BreakClass:
    """The class of a quantity difference; null means the side does not have it."""
    if ledger is None:
        return BreakClass.MISSING_LOCALLY
    return BreakClass.MISSING_AT_BROKER if broker is None else BreakClass.QTY_MISMATCH


def _difference(ledger: Decimal | None, broker: Decimal | None) -> Decimal:
    return exact_sum([broker or Decimal(0), -(ledger or Decimal(0))])


def _worth(shares: Decimal, symbol: str, marks: Mapping[str, Decimal]) -> Decimal | None:
    return abs(shares * marks[symbol]) if symbol in marks else None


def _positions(
    ours: Mapping[str, Decimal],
    held: Mapping[str, BrokerPosition],
    marks: Mapping[str, Decimal],
    prices: Mapping[str, float],
    limits: ReconcileLimits,
) -> Iterable[_Finding]:
    for symbol in sorted({*ours, *held}):
        ledger = ours.get(symbol) or None
        broker = held[symbol].quantity_shares if symbol in held else None
        difference = _difference(ledger, broker)
        if difference:
            worth = _worth(difference, symbol, marks)
            break_class = _class_of(ledger, broker)
            yield _Finding(
                BreakKind.POSITION, break_class, symbol, symbol, ledger, broker, worth, decimal_text(difference)
            )
        elif ledger is not None and symbol in prices and symbol in marks:
            mine, theirs = ledger * marks[symbol], held[symbol].market_value_usd
            if abs(mine - theirs) > Decimal(str(limits.value_tolerance)) * max(abs(mine), abs(theirs)):
                # market values move with every tick, so they do not identify the break
                yield _Finding(
                    BreakKind.POSITION, BreakClass.VALUE_MISMATCH, symbol, symbol, mine, theirs, abs(mine - theirs), ""
                )


def _orders(
    ours: Sequence[tuple[OrderIntent, OrderState]],
    open_orders: Mapping[str, BrokerOrder],
    filled: Mapping[str, Decimal],
    marks: Mapping[str, Decimal],
) -> Iterable[_Finding]:
    live = {intent.client_order_id: intent for intent, state in ours if state in LIVE_AT_BROKER}
    for key in sorted({*live, *open_orders}):
        intent, order = live.get(key), open_orders.get(key)
        symbol = intent.symbol if intent is not None else open_orders[key].symbol
        ledger = intent.quantity_shares if intent is not None else None
        broker = order.quantity_shares if order is not None else None
        if intent is not None and order is not None:
            if (intent.symbol, intent.side) != (order.symbol, order.side):
                worth = _worth(order.quantity_shares, order.symbol, marks)
                said = f"{order.side} {order.symbol}"
                yield _Finding(BreakKind.ORDER, BreakClass.VALUE_MISMATCH, key, symbol, ledger, broker, worth, said)
                continue
            if ledger == broker and key in filled:
                ledger, broker = filled[key], order.filled_shares
            if ledger == broker:
                continue
        difference = _difference(ledger, broker)
        worth = _worth(difference, symbol, marks)
        yield _Finding(
            BreakKind.ORDER, _class_of(ledger, broker), key, symbol, ledger, broker, worth, decimal_text(difference)
        )


def _cash(ours: Decimal, theirs: Decimal, limits: ReconcileLimits) -> Iterable[_Finding]:
    difference = _difference(ours, theirs)
    if abs(difference) > limits.cash_tolerance_usd:
        said = decimal_text(difference.quantize(Decimal(1)))
        yield _Finding(BreakKind.CASH, BreakClass.VALUE_MISMATCH, CASH_KEY, "", ours, theirs, abs(difference), said)


def _fills(ours: Mapping[str, Execution], theirs: Mapping[str, Execution]) -> Iterable[_Finding]:
    for key in sorted({*ours, *theirs}):
        mine, other = ours.get(key), theirs.get(key)
        fill = other or ours[key]
        ledger = mine.side.sign * mine.quantity_shares if mine is not None else None
        broker = other.side.sign * other.quantity_shares if other is not None else None
        if mine is not None and other is not None and ledger == broker:
            if mine.price == other.price:
                continue
            worth = abs((mine.price - other.price) * mine.quantity_shares)
            yield _Finding(
                BreakKind.FILL, BreakClass.VALUE_MISMATCH, key, fill.symbol, mine.price, other.price, worth, ""
            )
            continue
        difference = _difference(ledger, broker)
        worth = abs(difference * fill.price)
        yield _Finding(
            BreakKind.FILL, _class_of(ledger, broker), key, fill.symbol, ledger, broker, worth, decimal_text(difference)
        )


def _with_history(
    findings: Iterable[_Finding], previous: Sequence[Break], now: dt.datetime, limits: ReconcileLimits
) -> Iterable[Break]:
    """Add severity, fingerprint, age and confirmation."""
    by_key = {(each.kind, each.key): each for each in previous}
    for found in findings:
        said = f"{found.kind}|{found.break_class}|{found.key}|{found.difference}"
        fingerprint = hashlib.sha256(said.encode()).hexdigest()[:16]
        fresh = Break(
            kind=found.kind,
            break_class=found.break_class,
            key=found.key,
            symbol=found.symbol,
            ledger_value=found.ledger_value,
            broker_value=found.broker_value,
            notional_usd=found.notional_usd,
            severity=_severity(found.notional_usd, limits),
            fingerprint=fingerprint,
            first_seen_at=now,
        )
        before = by_key.get((found.kind, found.key))
        if before is None:
            yield fresh
            continue
        ticks = before.ticks + 1
        confirmed = before.fingerprint == fingerprint or ticks >= limits.persistent_ticks
        yield replace(fresh, first_seen_at=before.first_seen_at, ticks=ticks, confirmed=confirmed)


def _severity(notional_usd: Decimal | None, limits: ReconcileLimits) -> Severity:
    if notional_usd is None or notional_usd >= limits.critical_usd:
        return Severity.CRITICAL
    return Severity.MAJOR if notional_usd >= limits.major_usd else Severity.MINOR
