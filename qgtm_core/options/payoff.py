"""What a structure is worth at expiry, and whether every option it sells is covered. All amounts in USD a share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from qgtm_core.errors import InvariantError
from qgtm_core.options.chain import CALL, PUT, Quote

MAX_LEGS = 4
_CENT = 1e-9


@dataclass(frozen=True, slots=True)
class Leg:
    """One leg of a structure: `ratio` contracts a unit, bought (side +1) or sold (side -1)."""

    quote: Quote
    side: int
    ratio: int = 1

    @property
    def weight(self) -> int:
        """Contracts a unit, negative = sold."""
        return self.side * self.ratio


@dataclass(frozen=True, slots=True)
class Payoff:
    """Outcome at expiry of one unit, filled at its worst acceptable price; null profit = without bound."""

    max_loss: float
    max_profit: float | None
    break_evens: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Cover:
    """What one unit needs beside its own long options."""

    calls: int  # sold calls that shares must cover
    cash: float  # USD a share of strike that cash must cover


def net_mid(legs: Sequence[Leg]) -> float:
    """Net price at the middle of the quotes: positive = paid, negative = received."""
    return sum(leg.weight * leg.quote.mid for leg in legs)


def net_worst(legs: Sequence[Leg]) -> float:
    """Net price when every leg crosses its spread."""
    return sum(leg.weight * (leg.quote.ask if leg.side > 0 else leg.quote.bid) for leg in legs)


def cover(legs: Sequence[Leg]) -> Cover:
    """Shares and cash that the sold options need.

    Each is first paired with a bought one of its right that expires no sooner; the puts left to cash are those with the
    highest strikes. Raises InvariantError beyond four legs.
    """
    if not 0 < len(legs) <= MAX_LEGS:
        raise InvariantError(f"a structure has 1 to {MAX_LEGS} legs, not {len(legs)}")
    bare = {right: _unpaired(legs, right) for right in (CALL, PUT)}
    return Cover(len(bare[CALL]), sum(bare[PUT]))


def _unpaired(legs: Sequence[Leg], right: str) -> list[float]:
    """Strikes of the sold options without a bought one that lasts as long, a strike a contract."""
    of_right = [leg for leg in legs if leg.quote.right == right]
    bought = sorted(leg.quote.expiry for leg in of_right if leg.side > 0 for _ in range(leg.ratio))
    sold = sorted(
        ((leg.quote.expiry, leg.quote.strike) for leg in of_right if leg.side < 0 for _ in range(leg.ratio)),
        key=lambda pair: (pair[0], -pair[1]),
        reverse=True,
    )
    bare = []
    for expiry, strike in sold:  # the latest expiry first, its lowest strike first
        if bought and bought[-1] >= expiry:
            bought.pop()
        else:
            bare.append(strike)
    return bare


def payoff(legs: Sequence[Leg], spot: float, shares: int = 0) -> Payoff:
    """Outcome at expiry of legs that expire together, with `shares` held a share of the unit (0 or 1).

    The premium is that of `net_worst`, so no fill within the limit turns out worse. Raises InvariantError when the loss
    has no bound.
    """
    paid = net_worst(legs)

    def worth(price: float) -> float:
        options = sum(
            leg.weight * max((price - leg.quote.strike) * (1.0 if leg.quote.right == CALL else -1.0), 0.0)
            for leg in legs
        )
        return options + shares * (price - spot) - paid

    corners = [0.0, *sorted({leg.quote.strike for leg in legs})]
    values = [worth(price) for price in corners]
    slope = shares + sum(leg.weight for leg in legs if leg.quote.right == CALL)  # beyond the highest strike
    if slope < 0:
        raise InvariantError("a structure sells more calls than it covers")
    return Payoff(
        max_loss=max(-min(values), 0.0),
        max_profit=None if slope > 0 else max(values),
        break_evens=_crossings(corners, values, slope),
    )


def _crossings(corners: Sequence[float], values: Sequence[float], slope: float) -> tuple[float, ...]:
    """Prices at which a piecewise linear outcome crosses zero."""
    found = []
    for (left, low), (right, high) in pairwise(zip(corners, values, strict=True)):
        if low * high < 0:
            found.append(left + (right - left) * low / (low - high))
        elif math.isclose(low, 0.0, abs_tol=_CENT) and left > 0 and not math.isclose(high, 0.0, abs_tol=_CENT):
            found.append(left)
    if slope > 0 and values[-1] < 0:
        found.append(corners[-1] - values[-1] / slope)
    return tuple(found)
