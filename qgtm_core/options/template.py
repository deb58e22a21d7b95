"""An order template: a multi-leg options order written out in full, or why there is none. It is sent nowhere."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from qgtm_core.options.payoff import Leg


class Refused(StrEnum):
    """Why there is no order; a strategy without a signal gives its own reason instead."""

    MISSING = "MISSING"  # no chain known at the decision
    STALE = "STALE"  # the newest one is too old
    GATE = "GATE"  # it holds no contracts for the structure
    UNCOVERED = "UNCOVERED"  # shares or cash that the sold options need are not there
    SMALL = "SMALL"  # less than one contract
    FLAT = "FLAT"  # the view is to hold none


@dataclass(frozen=True, slots=True)
class Account:
    """What an order may lean on, as known at the decision."""

    equity_usd: float
    cash_usd: float  # buying power for options
    shares: Mapping[str, float] = field(default_factory=dict)  # held, by symbol

    def less(self, cash_usd: float, symbol: str, shares: float) -> Account:
        """What is left when an order leans on some of it."""
        held = {**self.shares, symbol: self.shares.get(symbol, 0.0) - shares}
        return Account(self.equity_usd, self.cash_usd - cash_usd, held)


@dataclass(frozen=True, slots=True)
class Rules:
    """Limits of every template."""

    risk_share: float = 0.01  # of equity that may be lost with a score of one
    max_age: dt.timedelta = dt.timedelta(minutes=15)  # of a snapshot, from when it became known
    take_profit: float = 0.5  # of the largest profit
    roll_days: int = 21  # before expiry
    loss_multiple: float = 2.0  # of the credit received


@dataclass(frozen=True, slots=True)
class Exit:
    """When an open structure is left; a null amount or day means that rule does not apply."""

    take_profit_usd: float | None
    stop_loss_usd: float | None
    close_on: dt.date | None  # 21 days before expiry, or the session after the event
    expires_on: dt.date  # last session of the first expiry; what is then in the money is exercised or assigned


@dataclass(frozen=True, slots=True)
class Template:
    """One day order of 1 to 4 legs.

    Amounts are of the whole order; losses, profits and break-evens are those at expiry after a fill at `limit_worst`.
    Delta and gamma in shares, vega in USD a point of volatility.
    """

    strategy_id: str
    structure: str
    underlying: str
    score: float
    quantity: int  # units; a leg trades `ratio` contracts a unit
    legs: tuple[Leg, ...]
    limit_mid: float  # USD a share of one unit, + = paid, - = received
    limit_worst: float  # at this price every leg crosses its spread
    premium_usd: float
    collateral_usd: float
    covering_shares: int
    max_loss_usd: float
    max_profit_usd: float | None
    break_evens: tuple[float, ...]
    annual_yield: float | None  # of a cash-secured put: premium over strike, a year
    net_delta: float
    net_gamma: float
    net_vega: float
    hedge_shares: int  # of the underlying, to bring the net delta back
    exit: Exit
    quoted_at: dt.datetime
    known_at: dt.datetime
    time_in_force: str = "day"


@dataclass(frozen=True, slots=True)
class Refusal:
    """No order, and why."""

    strategy_id: str
    structure: str
    underlying: str
    score: float | None
    reason: str
    detail: str
