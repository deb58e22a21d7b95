"""Approved changes into order intents: the one place where floats become Decimals and shares become whole."""

from __future__ import annotations

import datetime as dt
import hashlib
import math
from collections.abc import Sequence
from decimal import ROUND_DOWN, ROUND_UP, Decimal

from qgtm_core.correlation import correlation_id
from qgtm_core.policy import RoutingPolicy
from qgtm_core.types import Algo, OrderIntent, OrderType, Side
from qgtm_core.view import Array, SessionView

CENT = Decimal("0.01")
TICK = Decimal("0.0001")
SHARE_NOISE = 1e-6  # shares; what floats leave behind


def client_order_id(session: dt.date, book: str, symbol: str, side: Side, attempt: str) -> str:
    """The id of the only order this book may send for a symbol, side and attempt of a session.

    It does not hold the quantity: were a second run to plan another size, it would find the first order, not add one.
    """
    digest = hashlib.sha256(f"{session}|{book}|{symbol}|{side.value}|{attempt}".encode()).hexdigest()[:8]
    return f"q1-{session:%Y%m%d}-{book}-{symbol}-{side.value}-{digest}"


def plan_orders(
    view: SessionView,
    approved_shares: Array,
    current_shares: Array,
    book: str,
    policy: RoutingPolicy,
    attempt: str = "1",
) -> tuple[OrderIntent, ...]:
    """One intent for every symbol whose approved change is at least one whole share; sells first, to free cash.

    Shares are rounded toward zero, but a change that closes a position closes it to the share. A change that is not
    known (NaN) is not approved, and without a decision price nothing is sent: the next session tries again.
    """
    intents = [
        _intent(view, i, whole, book, policy, attempt)
        for i, whole in enumerate(_whole_shares(approved_shares, current_shares))
        if whole != 0 and math.isfinite(view.mid[i])
    ]
    return tuple(sorted(intents, key=lambda intent: (intent.side is Side.BUY, intent.symbol)))


def _whole_shares(approved: Array, current: Array) -> Sequence[int]:
    return [_whole(change, held) for change, held in zip(approved.tolist(), current.tolist(), strict=True)]


def _whole(change: float, held: float) -> int:
    if not math.isfinite(change):
        return 0
    nearest = round(change)
    # -99.9999999 of 100 held closes them all; -10.6 of 10.6 held must not sell 11
    closes = math.isclose(change, -held, abs_tol=SHARE_NOISE)
    return nearest if closes and math.isclose(change, nearest, abs_tol=SHARE_NOISE) else math.trunc(change)


def _intent(view: SessionView, i: int, shares: int, book: str, policy: RoutingPolicy, attempt: str) -> OrderIntent:
    side = Side.BUY if shares > 0 else Side.SELL
    mid = float(view.mid[i])
    wide = bool(view.half_spread_bp[i] > policy.limit_above_half_spread_bp)
    return OrderIntent(
        client_order_id=client_order_id(view.session, book, view.symbols[i], side, attempt),
        session=view.session,
        book=book,
        symbol=view.symbols[i],
        side=side,
        quantity_shares=Decimal(abs(shares)),
        order_type=OrderType.LIMIT if wide else OrderType.MARKET,
        limit_price=_collar(mid, side, policy.collar_bp) if wide else None,
        decision_mid=Decimal(repr(mid)).quantize(TICK),
        algo=_algo(abs(shares), float(view.adv_shares[i]), policy),
        correlation_id=correlation_id(view.session, view.symbols[i]),
        decided_at=view.decided_at,
    )


def _collar(mid: float, side: Side, collar_bp: float) -> Decimal:
    # in decimals: the noise of a float product would round up to the next cent
    price = Decimal(repr(mid)) * (1 + side.sign * Decimal(repr(collar_bp)) / 10_000)
    return price.quantize(CENT, rounding=ROUND_UP if side is Side.BUY else ROUND_DOWN)


def _algo(shares: int, adv_shares: float, policy: RoutingPolicy) -> Algo:
    """Routing class by share of daily volume; in this form a label, the order is sent whole (see docs)."""
    part = shares / adv_shares if adv_shares > 0 else math.inf
    if part > policy.twap_above_adv_share:
        return Algo.TWAP
    return Algo.VWAP if part > policy.vwap_above_adv_share else Algo.SINGLE
