"""Which contracts make up each structure of the options sleeve: one pure function a strategy, from a chain to legs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qgtm_core.errors import QgtmError
from qgtm_core.options.chain import CALL, PUT, Chain, Quote
from qgtm_core.options.payoff import Leg
from qgtm_core.options.template import Refused

Params = Mapping[str, Any]
BUY, SELL = 1, -1
COLLAR_DAYS = 15  # either side of the days asked for


class Unbuilt(QgtmError):
    """There is no order; the message says what is missing."""

    def __init__(self, detail: str, reason: str = Refused.GATE) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Structure:
    """How a strategy's structure is named, chosen and paid for."""

    name: str
    legs: Callable[[Chain, Params, dt.date | None], tuple[Leg, ...]]
    shares: int = 0  # held a unit, in contracts' worth
    hedged: bool = False  # net delta beyond `hedge_delta` is hedged with shares


def by_delta(quotes: Sequence[Quote], delta: float) -> Quote:
    """The quote with the delta nearest the one asked for; of two equals the lower strike."""
    if not quotes:
        raise Unbuilt("no usable quote of the right")
    return min(quotes, key=lambda quote: (abs(quote.delta - delta), quote.strike))


def written_expiry(chain: Chain, params: Params) -> dt.date:
    """The expiry inside the window `dte` of days."""
    first, last = params["dte"]
    expiry = chain.expiry_within(first, last)
    if expiry is None:
        raise Unbuilt(f"no usable expiry {first} to {last} days away")
    return expiry


def at_the_money(chain: Chain, expiry: dt.date) -> tuple[Quote, Quote]:
    """Call and put of the strike at which they cost most nearly the same, which is the one nearest the forward."""
    puts = {quote.strike: quote for quote in chain.of(expiry, PUT)}
    pairs = [(call, puts[call.strike]) for call in chain.of(expiry, CALL) if call.strike in puts]
    if not pairs:
        raise Unbuilt("no strike with a usable call and put")
    level, other = min(pairs, key=lambda pair: (abs(pair[0].mid - pair[1].mid), pair[0].strike))
    forward = level.strike + level.mid - other.mid
    return min(pairs, key=lambda pair: (abs(pair[0].strike - forward), pair[0].strike))


def covered_call(chain: Chain, params: Params, _: dt.date | None) -> tuple[Leg, ...]:
    """Sell one call at `delta`."""
    return (Leg(by_delta(chain.of(written_expiry(chain, params), CALL), params["delta"]), SELL),)


def cash_secured_put(chain: Chain, params: Params, _: dt.date | None) -> tuple[Leg, ...]:
    """Sell one put at `delta`."""
    return (Leg(by_delta(chain.of(written_expiry(chain, params), PUT), params["delta"]), SELL),)


def iron_condor(chain: Chain, params: Params, _: dt.date | None) -> tuple[Leg, ...]:
    """Sell a put and a call at `short_delta`, buy one of each farther out at `wing_delta`."""
    expiry = written_expiry(chain, params)
    puts, calls = chain.of(expiry, PUT), chain.of(expiry, CALL)
    put, call = by_delta(puts, -params["short_delta"]), by_delta(calls, params["short_delta"])
    low = [quote for quote in puts if quote.strike < put.strike]
    high = [quote for quote in calls if quote.strike > call.strike]
    if not low or not high or put.strike >= call.strike:
        raise Unbuilt("no usable strike beyond the sold ones")
    wings = by_delta(low, -params["wing_delta"]), by_delta(high, params["wing_delta"])
    return (Leg(wings[0], BUY), Leg(put, SELL), Leg(call, SELL), Leg(wings[1], BUY))


def collar(chain: Chain, params: Params, _: dt.date | None) -> tuple[Leg, ...]:
    """Buy a put at `put_delta`; sell the dearest call that costs no more and has at most `call_delta_max`."""
    expiry = chain.expiry_within(params["dte"] - COLLAR_DAYS, params["dte"] + COLLAR_DAYS)
    if expiry is None:
        raise Unbuilt(f"no usable expiry about {params['dte']} days away")
    put = by_delta(chain.of(expiry, PUT), params["put_delta"])
    calls = [
        quote
        for quote in chain.of(expiry, CALL)
        if quote.mid <= put.mid and quote.delta <= params["call_delta_max"] and quote.strike > put.strike
    ]
    if not calls:
        raise Unbuilt("no call is cheap enough for the put")
    return (Leg(put, BUY), Leg(max(calls, key=lambda quote: (quote.mid, quote.strike)), SELL))


def broken_wing_butterfly(chain: Chain, params: Params, _: dt.date | None) -> tuple[Leg, ...]:
    """Buy a call at the money, sell two at `delta`, buy one at the first strike beyond the symmetric one."""
    expiry = written_expiry(chain, params)
    near, _put = at_the_money(chain, expiry)
    body = by_delta([q for q in chain.of(expiry, CALL) if q.strike > near.strike], params["delta"])
    symmetric = 2.0 * body.strike - near.strike
    beyond = [quote for quote in chain.of(expiry, CALL) if quote.strike > symmetric]
    if not beyond:
        raise Unbuilt("no usable strike beyond the upper wing")
    return (Leg(near, BUY), Leg(body, SELL, 2), Leg(beyond[0], BUY))


def straddle(chain: Chain, _: Params, event: dt.date | None) -> tuple[Leg, ...]:
    """Buy call and put at the money of the first expiry after the event."""
    expiry = chain.expiry_after(event) if event is not None else None
    if expiry is None:
        raise Unbuilt("no usable expiry after the event")
    call, put = at_the_money(chain, expiry)
    return (Leg(call, BUY), Leg(put, BUY))


STRUCTURES: Mapping[str, Structure] = {
    "covered_call_writer": Structure("covered call", covered_call, shares=1),
    "cash_secured_put": Structure("cash-secured put", cash_secured_put),
    "vrp_harvester": Structure("iron condor", iron_condor, hedged=True),
    "gold_collar": Structure("collar", collar, shares=1),
    "silver_ratio_spread": Structure("broken-wing butterfly", broken_wing_butterfly),
    "event_straddle": Structure("straddle", straddle),
}
