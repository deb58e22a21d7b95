"""Small research markets for tests: a few sessions of a few symbols."""

from __future__ import annotations

import numpy as np

from qgtm_core import calendar
from qgtm_core.backtest.research.returns import ResearchMarket
from qgtm_core.view import Array
from tests.core.views import SESSION


def research_market_of(next_return: Array, symbols: tuple[str, ...] = ("GLD", "SLV"), **known: float) -> ResearchMarket:
    """A market of these outcomes; volatility 20 %, half-spread 10 bp, 100 USD a share, unless said otherwise."""
    values = {"vol": 0.2, "spread": 10.0, "adv": 1e8, "price": 100.0, "borrow": 0.036} | known
    full = {name: np.full(next_return.shape, value) for name, value in values.items()}
    days = calendar.schedule(SESSION).head(len(next_return))
    return ResearchMarket(
        sessions=tuple(days["session"]),
        symbols=symbols,
        next_return=next_return,
        annual_vol=full["vol"],
        half_spread_bp=full["spread"],
        adv_usd=full["adv"],
        price_usd=full["price"],
        borrow_rate=full["borrow"],
    )
