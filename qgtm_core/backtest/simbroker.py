"""A brokerage account in memory: the Broker port for backtests and tests. Prices come from the fill model only."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left, insort_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from qgtm_core import calendar
from qgtm_core.backtest.fills import FillModel, FillResult, MarketRow, average_price, usable, work
from qgtm_core.errors import InvariantError
from qgtm_core.types import (
    BrokerAccount,
    BrokerOrder,
    BrokerPosition,
    Execution,
    OrderIntent,
    OrderState,
    Quote,
    Side,
)

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class AccountRules:
    """What the account may do: gross exposure up to `leverage` × equity, and whether it may be short.

    The defaults are those of an Alpaca margin account.
    """

    leverage: float = 2.0
    allow_short: bool = True


def refusal(
    intent: OrderIntent,
    market: MarketRow | None,
    *,
    cash_usd: Decimal,
    positions: Mapping[str, Decimal],
    marks: Mapping[str, float],
    rules: AccountRules,
) -> str | None:
    """Why the account must refuse the order, in the broker's words; null when it may go.

    `marks` are prices in USD of every held symbol. An order that only reduces a position is never refused for
    want of buying power, so a book can always be flattened.
    """
    held = positions.get(intent.symbol, ZERO)
    after = held + intent.side.sign * intent.quantity_shares
    if after < 0 and not rules.allow_short:
        available = max(held, ZERO)
        return f"insufficient qty available for order (requested: {intent.quantity_shares}, available: {available})"
    if abs(after) <= abs(held) and after * held >= 0:
        return None
    price = usable(market.mid) if market is not None else None
    if price is None:
        return None  # nothing will execute without a price; the fill model says so
    if intent.side is Side.BUY and market is not None and market.half_spread is not None:
        price *= 1.0 + market.half_spread
    values = {symbol: float(shares) * marks[symbol] for symbol, shares in positions.items() if shares}
    equity = float(cash_usd) + sum(values.values())
    gross = sum(abs(value) for symbol, value in values.items() if symbol != intent.symbol) + abs(float(after)) * price
    if gross > rules.leverage * equity:
        return "insufficient buying power"
    return None


class SimBroker:
    """One account in memory, filling at once through the fill model; implements the Broker port.

    Call `open_session` before orders of a session. Cash and quantities are exact decimals. An account may begin with
    positions and the prices (USD) they were last marked at.
    """

    def __init__(
        self,
        cash_usd: Decimal,
        model: FillModel | None = None,
        rules: AccountRules | None = None,
        *,
        positions: Mapping[str, Decimal] | None = None,
        marks: Mapping[str, float] | None = None,
    ) -> None:
        self.cash_usd = cash_usd
        self.model = model or FillModel()
        self.rules = rules or AccountRules()
        self._positions: dict[str, Decimal] = dict(positions or {})
        self._marks: dict[str, float] = dict(marks or {})
        self._orders: dict[str, BrokerOrder] = {}
        self._executions: list[Execution] = []
        self._market: Mapping[str, MarketRow] = {}
        self._session: dt.date | None = None
        self._now: dt.datetime | None = None

    def open_session(self, session: dt.date, market: Mapping[str, MarketRow], now: dt.datetime | None = None) -> None:
        """Move the account to a session and its market; `now` defaults to the decision time. Never backwards."""
        if self._session is not None and session < self._session:
            raise InvariantError(f"account is at {self._session}, cannot go back to {session}")
        self._session, self._market = session, market
        self._now = now or calendar.decision_time(session)
        for symbol, row in market.items():
            price = usable(row.mid)
            if price is not None:
                self._marks[symbol] = price

    def submit(self, intent: OrderIntent) -> BrokerOrder:
        """Accept or reject the order and fill it at once; a known client id returns the first order."""
        known = self._orders.get(intent.client_order_id)
        if known is not None:
            return known
        if intent.session != self._session or self._now is None:
            raise InvariantError(f"order of session {intent.session}, account is at {self._session}")
        market = self._market.get(intent.symbol)
        reason = refusal(
            intent,
            market,
            cash_usd=self.cash_usd,
            positions=self._positions,
            marks=self._marks,
            rules=self.rules,
        )
        result = FillResult((), OrderState.REJECTED, reason) if reason is not None else work(intent, market, self.model)
        order = BrokerOrder(
            client_order_id=intent.client_order_id,
            broker_order_id=f"sim-{intent.client_order_id}",
            symbol=intent.symbol,
            side=intent.side,
            quantity_shares=intent.quantity_shares,
            filled_shares=result.filled_shares,
            average_price=average_price(result.executions),
            state=result.state,
            reason=result.reason,
            submitted_at=self._now,
        )
        for execution in result.executions:
            self._book(execution)
        self._orders[intent.client_order_id] = order
        return order

    def _book(self, execution: Execution) -> None:
        signed = execution.side.sign * execution.quantity_shares
        self.cash_usd -= signed * execution.price
        held = self._positions.get(execution.symbol, ZERO) + signed
        if held:
            self._positions[execution.symbol] = held
        else:
            del self._positions[execution.symbol]
        insort_right(self._executions, execution, key=_executed_at)  # nearly always at the end

    def order(self, client_order_id: str) -> BrokerOrder | None:
        """The order with this client id, or None."""
        return self._orders.get(client_order_id)

    def open_orders(self) -> list[BrokerOrder]:
        """Always empty: an order fills or ends at once."""
        return []

    def cancel(self, client_order_id: str) -> None:
        """Change nothing: no order can be open, and cancelling a final or unknown one is not an error."""

    def executions(self, after: dt.datetime | None = None) -> list[Execution]:
        """Fills since `after` (inclusive), oldest first."""
        first = 0 if after is None else bisect_left(self._executions, after, key=_executed_at)
        return self._executions[first:]

    def positions(self) -> list[BrokerPosition]:
        """Open positions at the last known prices."""
        return [
            BrokerPosition(symbol, shares, (shares * Decimal(repr(self._marks[symbol]))).quantize(Decimal("0.01")))
            for symbol, shares in sorted(self._positions.items())
        ]

    def account(self) -> BrokerAccount:
        """Cash, and equity at the last known prices."""
        value = sum((p.market_value_usd for p in self.positions()), ZERO)
        return BrokerAccount(cash_usd=self.cash_usd, equity_usd=self.cash_usd + value)

    def quotes(self, symbols: Iterable[str]) -> dict[str, Quote]:
        """Quotes made from the session's market rows (basis `close`): for TCA, never for a decision."""
        if self._now is None:
            return {}
        found: dict[str, Quote] = {}
        for symbol in symbols:
            quote = quote_from(self._market.get(symbol), self._now)
            if quote is not None:
                found[symbol] = quote
        return found


def _executed_at(execution: Execution) -> dt.datetime:
    return execution.executed_at


def quote_from(row: MarketRow | None, quoted_at: dt.datetime) -> Quote | None:
    """A two-sided quote around the mid of a market row; null without a price or a spread."""
    mid = usable(row.mid) if row is not None else None
    half = row.half_spread if row is not None else None
    if row is None or mid is None or half is None:
        return None
    return Quote(row.symbol, bid=mid * (1.0 - half), ask=mid * (1.0 + half), quoted_at=quoted_at, basis="close")
