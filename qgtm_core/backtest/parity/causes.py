"""Which record or which run proves which cause. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from qgtm_core.backtest.parity.found import Found, Seen
from qgtm_core.backtest.parity.records import Cause, Ended, Facts, Level, closed_by
from qgtm_core.execution.intents import client_order_id
from qgtm_core.types import KillTier, OrderIntent, OrderState, Side

Proven = tuple[Cause, str]
FLATTEN_ATTEMPTS = ("flatten", *(f"flatten{i}" for i in range(10)))


def since(facts: Facts) -> Proven:
    """Rows retrieved after the decision explain it: revised ones, or late ones."""
    told = ", ".join(f"{each.table} {each.rows} rows ({each.revised} revised)" for each in facts.changed)
    revised = any(each.revised for each in facts.changed)
    return (Cause.DATA_REVISED if revised else Cause.DATA_LATE), f"retrieved after the decision: {told}"


def of_stage(each: Seen, facts: Facts, found: Found, upstream: Sequence[Level], policy: str) -> Proven:
    """The cause of a difference in what a stage gave: the stage before, later rows, other rules, or unexplained."""
    if each.rounded:
        return Cause.ROUNDING, "1e-9"
    if each.as_staged:
        return found.inherited(upstream, each.key["symbol"])
    if each.as_known:
        return since(facts)
    if policy:
        return Cause.POLICY_CHANGED, policy
    return Cause.UNEXPLAINED, "what live recorded of the stage before does not give this again"


def words(facts: Facts, tier: KillTier) -> str:
    """Who raised the tier this far, when and why."""
    event = closed_by(facts, tier)
    return (
        ""
        if event is None
        else f"{event.gate.tier.name} by {event.actor} at {event.at:%Y-%m-%d %H:%M:%S}: {event.gate.reason}"
    )


def stopped(facts: Facts, unapproved: bool) -> Proven:
    """Why a session has no order at all, though there should be some."""
    if closed_by(facts) is not None:
        return Cause.KILL_SWITCH, words(facts, KillTier.NO_NEW)
    if facts.confirmed_breaks:
        return Cause.BOOKS_BROKEN, f"{facts.confirmed_breaks} confirmed breaks between broker and ledger"
    if not facts.opened:
        return Cause.SESSION_NOT_RUN, "the book was not opened for this session"
    return (
        Cause.SESSION_NOT_RUN,
        f"the run ended before its {'approval' if unapproved else 'orders'}: none was recorded",
    )


def closes_by_switch(each: Seen, facts: Facts) -> bool:
    """Whether an order is one that `flatten` sends, and the tier FLATTEN was recorded."""
    symbol, order = each.key["symbol"], each.key["client_order_id"]
    attempts = (
        client_order_id(facts.session, facts.book, symbol, side, attempt)
        for side in Side
        for attempt in FLATTEN_ATTEMPTS
    )
    return closed_by(facts, KillTier.FLATTEN) is not None and order in set(attempts)


def fill_cause(each: Seen, intent: OrderIntent, facts: Facts) -> Proven:
    """Why the same order was filled otherwise than by the model."""
    ended = facts.orders.get(intent.client_order_id)
    if ended is None:
        return Cause.UNEXPLAINED, "the ledger does not know the order"
    if each.field == "average_price":
        return _price_cause(each, facts)
    proofs = (
        (ended.state is OrderState.REJECTED, Cause.REJECTED, ended.reason or "rejected"),
        (ended.reason.startswith("not sent: gate"), Cause.KILL_SWITCH, ended.reason),
        *_by_shares(each.live, float(intent.quantity_shares), ended, facts.shortfalls.get(intent.client_order_id, "")),
    )
    unexplained = (Cause.UNEXPLAINED, f"{ended.state.value} with other shares than the model fills")
    return next(((cause, why) for proven, cause, why in proofs if proven), unexplained)


def _by_shares(live: float, ordered: float, ended: Ended, model: str) -> tuple[tuple[bool, Cause, str], ...]:
    """What the filled shares prove, beside how the order ended and why the model fills less."""
    told = f"{ended.state.value}: {ended.reason or 'no reason was given'}"
    at_broker = bool(ended.broker_order_id)
    return (
        (live == 0.0 and not at_broker, Cause.NOT_SENT, told),
        (live < ordered and at_broker and ended.state is not OrderState.FILLED, Cause.PARTIAL_FILL, told),
        (live == ordered and bool(model), Cause.FILL_MODEL, f"the model fills less: {model}"),
    )


def _price_cause(each: Seen, facts: Facts) -> Proven:
    """A price is the market's where the session traded at it; any other needs a person."""
    known = facts.ranges.get(each.key["symbol"])
    if known is None:
        return Cause.UNEXPLAINED, "no bar of the session is stored to hold the price against"
    low, high = known
    if low * (1 - 1e-4) <= each.live <= high * (1 + 1e-4):
        return Cause.FILL_MODEL, f"the session traded from {low:g} to {high:g}"
    return Cause.UNEXPLAINED, f"the session traded from {low:g} to {high:g}, not at this price"
