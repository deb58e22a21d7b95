"""What one run of the executor has to say. Values only."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

from qgtm_core.types import OrderIntent, OrderState


@dataclass(frozen=True, slots=True)
class OrderOutcome:
    """What became of one intent; `reason` is null for an order that filled or is still open."""

    intent: OrderIntent
    state: OrderState
    filled_shares: Decimal
    average_price: Decimal | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class ExecutionReport:
    """One run: outcomes in the order of the intents, fills that were new, ids that are not settled yet."""

    session: dt.date
    outcomes: tuple[OrderOutcome, ...]
    new_executions: int
    unsettled: tuple[str, ...]
    elapsed_s: float

    @property
    def settled(self) -> bool:
        """True when every order is final and every fill is booked."""
        return not self.unsettled
