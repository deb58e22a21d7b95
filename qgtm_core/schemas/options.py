"""Declaration of `options/templates`: orders of the options sleeve, written out and sent nowhere."""

from __future__ import annotations

from typing import Any

import polars as pl

from qgtm_core.schemas.spec import INSTANT, Column, Table

_TEXT = Column(pl.String, nullable=False)


def _f(unit: str, note: str = "", low: float | None = None, high: float | None = None) -> Column:
    return Column(pl.Float64, unit, low=low, high=high, note=note)


def _i(unit: str, note: str = "") -> Column:
    return Column(pl.Int32, unit, note=note)


_ORDER: dict[str, Any] = {
    "score": _f("share of the structure's size budget, null = no signal", low=0.0, high=1.0),
    "reason": Column(pl.String, note="why there is no order: the signal's reason, or MISSING, STALE, GATE, UNCOVERED, "
                     "SMALL, FLAT; null = there is one"),
    "detail": Column(pl.String, note="the reason in words"),
    "quantity": _i("units", "a leg trades `ratio` contracts a unit"),
    "time_in_force": Column(pl.String, note="day"),
    "limit_mid": _f("USD a share of a unit", "net price at the middle of the quotes, + = paid, - = received"),
    "limit_worst": _f("USD a share of a unit", "net price at which every leg crosses its spread"),
    "premium_usd": _f("USD", "of the whole order at limit_mid, - = received"),
    "collateral_usd": _f("USD", "cash set aside", low=0.0),
    "covering_shares": _i("shares", "held shares that cover the calls sold"),
    "max_loss_usd": _f("USD", "at expiry after a fill at limit_worst; beside a holding from today's price", low=0.0),
    "max_profit_usd": _f("USD", "at expiry after a fill at limit_worst, null = without bound"),
    "break_even_low": _f("USD", "lowest price at expiry without profit or loss"),
    "break_even_high": _f("USD", "highest such price, null = there is but one"),
    "annual_yield": _f("annual", "premium over the cash of a cash-secured put"),
    "net_delta": _f("shares"),
    "net_gamma": _f("shares for one USD"),
    "net_vega": _f("USD a point of volatility"),
    "hedge_shares": _i("shares", "of the underlying that bring the net delta to zero, 0 = within bounds"),
    "take_profit_usd": _f("USD", "profit at which it is closed"),
    "stop_loss_usd": _f("USD", "loss at which it is closed; null for what was paid for"),
    "close_on": Column(pl.Date, note="session to close or roll on, null = no such rule"),
    "expires_on": Column(pl.Date, note="last session; what is in the money is exercised or assigned"),
    "quoted_at": Column(INSTANT, note="instant of the quotes"),
    "known_at": Column(INSTANT, note="when they became known"),
}  # fmt: skip
_LEG: dict[str, Any] = {
    "contract": Column(pl.String, note="OCC symbol"),
    "expiry": Column(pl.Date),
    "right": Column(pl.String, note="C or P"),
    "strike": _f("USD"),
    "side": Column(pl.String, note="buy or sell"),
    "ratio": _i("contracts a unit"),
    "bid": _f("USD"),
    "ask": _f("USD"),
    "iv": _f("annual"),
    "delta": _f("USD for one USD", low=-1.0, high=1.0),
}

TEMPLATES = Table(
    "options",
    "templates",
    ("session", "book", "strategy_id", "leg"),
    {
        "session": Column(pl.Date, nullable=False),
        "book": _TEXT,
        "strategy_id": _TEXT,
        "leg": Column(pl.Int32, "number from 1; 0 = there is no order", nullable=False),
        "structure": _TEXT,
        "underlying": _TEXT,
        "decided_at": Column(INSTANT, nullable=False),
        "correlation_id": _TEXT,
        **_LEG,
        **_ORDER,
    },
    "Multi-leg option orders: a row a leg with the figures of the whole order, or one row that says why there is none",
)
OPTIONS_TABLES: dict[str, Table] = {f"{TEMPLATES.group}/{TEMPLATES.name}": TEMPLATES}
