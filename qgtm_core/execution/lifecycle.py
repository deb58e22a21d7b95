"""Legal moves of an order's state. Pure; storing them is the ledger's work.

Rules that prevent known failures:
- A time-out is UNKNOWN, never REJECTED; only the broker's "never seen" sends an order back to INTENT.
- Not knowing never overrides knowing: UNKNOWN after a broker state is ignored, as are reports that arrive late.
- A fill is always booked, even after CANCELLED, EXPIRED or REJECTED. Such an order keeps its state unless the fills
  complete it; then it is FILLED, because the fills are the stronger evidence.
"""

from __future__ import annotations

from decimal import Decimal

from qgtm_core.errors import InvariantError
from qgtm_core.types import OrderState

_S = OrderState
_AT_BROKER = frozenset({_S.ACCEPTED, _S.PARTIAL, _S.FILLED, _S.CANCELLED, _S.EXPIRED, _S.REJECTED})

LEGAL: dict[OrderState, frozenset[OrderState]] = {
    # withdrawn or refused by our own gate before it left
    _S.INTENT: frozenset({_S.SENDING, _S.CANCELLED, _S.EXPIRED, _S.REJECTED}),
    _S.SENDING: _AT_BROKER | {_S.UNKNOWN},
    _S.UNKNOWN: _AT_BROKER | {_S.INTENT},
    # a venue may refuse what the broker took
    _S.ACCEPTED: frozenset({_S.PARTIAL, _S.FILLED, _S.CANCELLED, _S.EXPIRED, _S.REJECTED}),
    _S.PARTIAL: frozenset({_S.FILLED, _S.CANCELLED, _S.EXPIRED}),
    _S.CANCELLED: frozenset({_S.FILLED}),
    _S.EXPIRED: frozenset({_S.FILLED}),
    _S.FILLED: frozenset(),
    _S.REJECTED: frozenset(),
}

# reports that reordering or polling delivers after something newer: no change, no error
LATE: dict[OrderState, frozenset[OrderState]] = {
    _S.ACCEPTED: frozenset({_S.UNKNOWN}),
    _S.PARTIAL: frozenset({_S.UNKNOWN, _S.ACCEPTED}),
    _S.FILLED: frozenset({_S.UNKNOWN, _S.ACCEPTED, _S.PARTIAL, _S.CANCELLED, _S.EXPIRED}),
    _S.CANCELLED: frozenset({_S.UNKNOWN, _S.ACCEPTED, _S.PARTIAL}),
    _S.EXPIRED: frozenset({_S.UNKNOWN, _S.ACCEPTED, _S.PARTIAL}),
    _S.REJECTED: frozenset({_S.UNKNOWN, _S.ACCEPTED}),
}

LIVE_AT_BROKER = frozenset({_S.SENDING, _S.UNKNOWN, _S.ACCEPTED, _S.PARTIAL})  # may still execute


def next_state(current: OrderState, reported: OrderState) -> OrderState:
    """The state after a report; the current one for a repeat or a late report. Raises InvariantError if illegal."""
    if reported is current or reported in LATE.get(current, frozenset()):
        return current
    if reported in LEGAL[current]:
        return reported
    raise InvariantError(f"an order cannot go from {current} to {reported}")


def after_fills(current: OrderState, filled_shares: Decimal, ordered_shares: Decimal) -> OrderState:
    """The state implied by booked fills (`filled_shares` > 0), from any state."""
    if filled_shares >= ordered_shares:
        return OrderState.FILLED
    return current if current.final else OrderState.PARTIAL
