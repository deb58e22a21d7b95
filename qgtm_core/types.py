"""The nouns of QGTM: frozen values shared by every layer. No behaviour beyond small derived properties."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal
from enum import IntEnum, StrEnum


class FeedMode(StrEnum):
    """Where raw rows come from; nothing downstream depends on it."""

    SIMULATED = "simulated"
    ARCHIVE = "archive"
    LIVE = "live"


class SignalStatus(StrEnum):
    """Whether a strategy has an opinion."""

    OK = "OK"
    NO_SIGNAL = "NO_SIGNAL"


class Reason(StrEnum):
    """Why a strategy has no opinion (closed list)."""

    MISSING = "MISSING"
    WARMUP = "WARMUP"
    STALE = "STALE"
    DEGENERATE = "DEGENERATE"
    GATE = "GATE"
    OUT_OF_WINDOW = "OUT_OF_WINDOW"
    NOT_LICENSED = "NOT_LICENSED"
    QUARANTINED = "QUARANTINED"
    DISABLED = "DISABLED"


class StrategyStatus(StrEnum):
    """Life-cycle of a strategy: only PAPER ones reach the portfolio."""

    PAPER = "PAPER"
    DEAD = "DEAD"
    RESEARCH = "RESEARCH"


class KillTier(IntEnum):
    """Kill-switch tiers, in rising order of severity."""

    NORMAL = 0
    WARN = 1
    THROTTLE = 2
    NO_NEW = 3
    FLATTEN = 4


class Side(StrEnum):
    """Direction of an order (broker spelling)."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 if self is Side.BUY else -1


class OrderType(StrEnum):
    """Order types QGTM sends."""

    MARKET = "market"
    LIMIT = "limit"


class Algo(StrEnum):
    """How a parent order is worked."""

    SINGLE = "SINGLE"
    VWAP = "VWAP"
    TWAP = "TWAP"


class OrderState(StrEnum):
    """Life-cycle of an order in our ledger; the last four are final."""

    INTENT = "INTENT"
    SENDING = "SENDING"
    UNKNOWN = "UNKNOWN"
    ACCEPTED = "ACCEPTED"
    PARTIAL = "PARTIAL"
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"

    @property
    def final(self) -> bool:
        """True when no further execution can follow in the normal course."""
        return self in _FINAL


_FINAL = frozenset({OrderState.FILLED, OrderState.CANCELLED, OrderState.EXPIRED, OrderState.REJECTED})


class BreakClass(StrEnum):
    """The four ways broker and ledger can disagree."""

    MISSING_LOCALLY = "MISSING_LOCALLY"
    MISSING_AT_BROKER = "MISSING_AT_BROKER"
    QTY_MISMATCH = "QTY_MISMATCH"
    VALUE_MISMATCH = "VALUE_MISMATCH"


@dataclass(frozen=True, slots=True)
class OrderIntent:
    """One order we mean to send; durable before the request leaves.

    `client_order_id` is deterministic in (session, book, symbol, side, attempt), so sending it twice
    finds the first order instead of making another.
    """

    client_order_id: str
    session: dt.date
    book: str
    symbol: str
    side: Side
    quantity_shares: Decimal
    order_type: OrderType
    limit_price: Decimal | None
    decision_mid: Decimal
    algo: Algo
    correlation_id: str
    decided_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Execution:
    """One fill as the broker reports it; `execution_id` is unique for ever."""

    execution_id: str
    client_order_id: str
    symbol: str
    side: Side
    quantity_shares: Decimal
    price: Decimal
    executed_at: dt.datetime


@dataclass(frozen=True, slots=True)
class BrokerOrder:
    """An order as the broker sees it now."""

    client_order_id: str
    broker_order_id: str
    symbol: str
    side: Side
    quantity_shares: Decimal
    filled_shares: Decimal
    average_price: Decimal | None
    state: OrderState
    reason: str | None
    submitted_at: dt.datetime


@dataclass(frozen=True, slots=True)
class BrokerPosition:
    """A position as the broker sees it; quantity is negative for a short."""

    symbol: str
    quantity_shares: Decimal
    market_value_usd: Decimal


@dataclass(frozen=True, slots=True)
class BrokerAccount:
    """Cash and equity as the broker sees them."""

    cash_usd: Decimal
    equity_usd: Decimal
    trading_blocked: bool = False


@dataclass(frozen=True, slots=True)
class Quote:
    """Top of book in USD; `basis` says what it was made from (`quote`, `intraday_bar`, `previous_close`, `close`)."""

    symbol: str
    bid: float
    ask: float
    quoted_at: dt.datetime
    basis: str

    @property
    def mid(self) -> float:
        """Midpoint of bid and ask."""
        return (self.bid + self.ask) / 2.0

    @property
    def half_spread_bp(self) -> float:
        """Half the spread in basis points of the mid."""
        return (self.ask - self.bid) / 2.0 / self.mid * 1e4


@dataclass(frozen=True, slots=True)
class Gate:
    """The kill switch's answer: its tier and why."""

    tier: KillTier
    reason: str

    @property
    def open(self) -> bool:
        """True while orders that add risk are allowed."""
        return self.tier < KillTier.NO_NEW


@dataclass(frozen=True, slots=True)
class BookState:
    """What a book carries from one session to the next.

    Cash and quantities are Decimal so that a ledger round trip is exact. `equity_usd` and
    `peak_equity_usd` are marked at the decision of `session`, `previous_equity_usd` at the one before it; null
    before the first session.
    """

    book: str
    cash_usd: Decimal
    positions: dict[str, Decimal] = field(default_factory=dict)
    session: dt.date | None = None
    equity_usd: float | None = None
    peak_equity_usd: float | None = None
    latched: KillTier = KillTier.NORMAL
    latched_reason: str = ""
    latched_session: dt.date | None = None
    previous_equity_usd: float | None = None
