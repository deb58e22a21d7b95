"""The one fill model: what an order becomes in a session's market. Backtest and paper venue both use it.

No account, no clock, no randomness: the same order in the same market always gives the same executions.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

import polars as pl

from qgtm_core import calendar
from qgtm_core.correlation import INTRADAY_PREFIX
from qgtm_core.maths.costs import IMPACT_Y, square_root_impact
from qgtm_core.types import Execution, OrderIntent, OrderState, OrderType, Side
from qgtm_core.universe import INSTRUMENTS

PRICE_DECIMALS = 4
INTRADAY_WORK = dt.timedelta(minutes=4)
TICK = Decimal("0.0001")  # USD, smallest step of an execution price
NO_SHARES = Decimal(0)


@dataclass(frozen=True, slots=True)
class FillModel:
    """Parameters of the fill model.

    `impact_y` is Y of the square-root law (0.7: strategies specification M34, after Almgren et al. 2005);
    `max_participation` the largest share of a session's volume one order may take; an order above
    `split_above_adv` of the average daily volume executes in two parts. Commission is folded into the execution
    price, because an execution carries no fee of its own and broker and ledger must agree to the cent.
    """

    impact_y: float = IMPACT_Y
    max_participation: float = 0.10
    commission_per_share_usd: float = 0.0
    min_commission_usd: float = 0.0
    split_above_adv: float = 0.02


@dataclass(frozen=True, slots=True)
class MarketRow:
    """One symbol in one session, as `Feed.market` gives it; null = not known.

    `mid`, `vwap`, `close` in USD, `half_spread_bp` in basis points of the mid, volumes in shares, `daily_vol` the
    standard deviation of daily returns as a decimal.
    """

    symbol: str
    mid: float | None
    half_spread_bp: float | None
    volume_shares: float | None
    adv_shares: float | None
    daily_vol: float | None
    vwap: float | None = None
    close: float | None = None

    @property
    def half_spread(self) -> float | None:
        """Half-spread as a fraction of the mid; the instrument's typical one where no quote is known."""
        known = usable(self.half_spread_bp, zero=True)
        if known is None and self.symbol in INSTRUMENTS:
            known = INSTRUMENTS[self.symbol].half_spread_bp
        return None if known is None else known / 1e4


@dataclass(frozen=True, slots=True)
class FillResult:
    """What became of one order: its executions, its final state and, unless it filled, why."""

    executions: tuple[Execution, ...]
    state: OrderState
    reason: str | None

    @property
    def filled_shares(self) -> Decimal:
        """Shares executed."""
        return sum((e.quantity_shares for e in self.executions), NO_SHARES)


def usable(value: float | None, *, zero: bool = False) -> float | None:
    """Return a finite positive number (or zero where that is meaningful), else None."""
    if value is None or not math.isfinite(value) or value < 0.0 or (value == 0.0 and not zero):
        return None
    return float(value)


def market_rows(frame: pl.DataFrame) -> dict[str, MarketRow]:
    """Rows of `Feed.market` by symbol."""
    columns = ("symbol", "mid", "half_spread_bp", "volume_shares", "adv_shares", "daily_vol", "vwap", "close")
    return {row[0]: MarketRow(*row) for row in frame.select(columns).iter_rows()}


def average_price(executions: Iterable[Execution]) -> Decimal | None:
    """Quantity-weighted price of executions in USD; null when there are none."""
    quantity, value = NO_SHARES, Decimal(0)
    for execution in executions:
        quantity += execution.quantity_shares
        value += execution.quantity_shares * execution.price
    return value / quantity if quantity else None


def fill(intent: OrderIntent, market: MarketRow | None, model: FillModel) -> list[Execution]:
    """Executions of one order in the session's market, oldest first; empty when nothing executes."""
    return list(work(intent, market, model).executions)


def work(intent: OrderIntent, market: MarketRow | None, model: FillModel) -> FillResult:
    """Work one DAY order to the close: price, quantity, parts, and the reason for what did not execute.

    The price is mid × (1 ± (half-spread + Y·σ·√(Q/ADV))) with Q the shares that execute. What participation or the
    limit price leaves over is cancelled at the close. `market` is null for a symbol that did not trade.
    """
    market_now = _conditions(market)
    if isinstance(market_now, str):
        return FillResult((), OrderState.CANCELLED, market_now)
    wanted = int(intent.quantity_shares)
    quantity, short_of = _executable(intent, market_now, model)
    if quantity < 1:
        return FillResult((), OrderState.CANCELLED, short_of if wanted else "less than one share")
    m = market_now
    cost = m.half_spread + square_root_impact(model.impact_y, m.daily_vol, quantity, m.adv_shares)
    price = _price(intent, m.mid * (1.0 + intent.side.sign * cost), quantity, model)
    executions = tuple(_executions(intent, _parts(quantity, m.adv_shares, model), price))
    if quantity < wanted:
        return FillResult(executions, OrderState.CANCELLED, f"{wanted - quantity} shares left at the close: {short_of}")
    return FillResult(executions, OrderState.FILLED, None)


@dataclass(frozen=True, slots=True)
class _Conditions:
    """A market row with everything the model needs present."""

    mid: float
    half_spread: float
    volume_shares: float
    adv_shares: float
    daily_vol: float


def _conditions(market: MarketRow | None) -> _Conditions | str:
    """The row with volume and average volume standing in for each other, or why nothing can execute."""
    if market is None:
        return "no trading in this symbol in the session"
    mid, half_spread = usable(market.mid), market.half_spread
    if mid is None or half_spread is None:
        return "no price is known for the session"
    adv = usable(market.adv_shares)
    volume = usable(market.volume_shares) or adv
    if volume is None:
        return "neither volume nor average volume is known"
    daily_vol = usable(market.daily_vol, zero=True)
    if daily_vol is None:
        return "volatility is not known"
    return _Conditions(mid, half_spread, volume, adv or volume, daily_vol)


def _executable(intent: OrderIntent, market: _Conditions, model: FillModel) -> tuple[int, str]:
    """Whole shares that execute, and what binds when that is less than asked for."""
    quantity = min(int(intent.quantity_shares), int(model.max_participation * market.volume_shares))
    short_of = f"participation limit {model.max_participation:.0%} of volume"
    if intent.order_type is OrderType.LIMIT and intent.limit_price is not None:
        within = _shares_within_limit(intent, market, model.impact_y * market.daily_vol)
        if within < quantity:
            return within, f"market beyond the limit {intent.limit_price}"
    return quantity, short_of


def _shares_within_limit(intent: OrderIntent, market: _Conditions, y_vol: float) -> int:
    """Largest whole quantity whose modelled price is at or better than the limit."""
    assert intent.limit_price is not None
    room = intent.side.sign * (float(intent.limit_price) / market.mid - 1.0) - market.half_spread
    if room < 0.0:
        return 0
    whole_order = int(intent.quantity_shares)
    # Tolerance: a limit set exactly at the modelled price must admit the whole order despite rounding.
    if y_vol * math.sqrt(whole_order / market.adv_shares) <= room * (1.0 + 1e-9):
        return whole_order
    return int(market.adv_shares * (room / y_vol) ** 2 * (1.0 + 1e-9))


def _price(intent: OrderIntent, gross: float, quantity: int, model: FillModel) -> Decimal:
    price = Decimal(f"{gross:.{PRICE_DECIMALS}f}")
    if intent.order_type is OrderType.LIMIT and intent.limit_price is not None:
        better = min if intent.side is Side.BUY else max
        price = better(price, intent.limit_price)
    if model.commission_per_share_usd or model.min_commission_usd:
        commission = max(model.commission_per_share_usd, model.min_commission_usd / quantity)
        price += intent.side.sign * Decimal(f"{commission:.{PRICE_DECIMALS}f}")
    return max(price, TICK)


def _parts(quantity: int, adv: float, model: FillModel) -> tuple[int, ...]:
    """Shares of each execution; the model's price is the order's average, so both parts carry it."""
    if quantity > 1 and quantity > model.split_above_adv * adv:
        first = (quantity + 1) // 2
        return first, quantity - first
    return (quantity,)


def _executions(intent: OrderIntent, parts: tuple[int, ...], price: Decimal) -> Iterable[Execution]:
    """Executions at equal steps between decision (or a later submission) and the close.

    An order of the intraday sleeve, or any decided before the session's decision, is worked within minutes.
    """
    close = calendar.close_at(intent.session)
    start = min(intent.decided_at, close)
    soon = intent.correlation_id.startswith(INTRADAY_PREFIX) or start < calendar.decision_time(intent.session)
    end = min(start + INTRADAY_WORK, close) if soon else close
    step: dt.timedelta = (end - start) / (len(parts) + 1)
    for number, shares in enumerate(parts, start=1):
        yield Execution(
            execution_id=f"{intent.client_order_id}-{number}",
            client_order_id=intent.client_order_id,
            symbol=intent.symbol,
            side=intent.side,
            quantity_shares=Decimal(shares),
            price=price,
            executed_at=start + step * number,
        )
