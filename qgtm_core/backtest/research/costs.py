"""What trading costs: half-spreads, market impact, commissions and fees, borrowed shares. No accounting here."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from qgtm_core.backtest.metrics import SESSIONS_A_YEAR
from qgtm_core.backtest.research.regulatory_fees import SECTION_31, TRADING_ACTIVITY, section_31, trading_activity
from qgtm_core.maths.costs import BP, IMPACT_Y
from qgtm_core.universe import INSTRUMENTS
from qgtm_core.view import Array

if TYPE_CHECKING:
    from qgtm_core.backtest.research.returns import ResearchMarket

BORROW_YEAR_DAYS = 360  # stock loans are charged on actual days over 360
UNLISTED_HALF_SPREAD_BP = 10.0  # of a symbol that is no instrument of ours


@dataclass(frozen=True, slots=True)
class CostModel:
    """Every number of the cost of trading at a given capital.

    `capital_usd` sizes orders for the impact; `impact_y` is Y of M34 (after Almgren et al. 2005). The multiples switch
    a kind of cost off (0) or stress it. Commission is the broker's, paid on purchases and sales alike; regulatory fees
    are paid on sales, at the rates of their day.

    Assumptions, all on the dear side, used only where the market data is silent: `default_borrow_rate` (a year; general
    collateral of large funds lends at a third of it), `unknown_adv_usd` (a thinly traded fund), `unknown_annual_vol`,
    `unknown_price_usd` (for charges by the share).
    """

    capital_usd: float = 1_000_000.0
    impact_y: float = IMPACT_Y
    commission_per_share_usd: float = 0.0
    spread_multiple: float = 1.0
    fee_multiple: float = 1.0
    borrow_multiple: float = 1.0
    default_borrow_rate: float = 0.01
    unknown_adv_usd: float = 1_000_000.0
    unknown_annual_vol: float = 0.40
    unknown_price_usd: float = 10.0

    @property
    def costs_hash(self) -> str:
        """Short hash of every number above, of the tables of fees and of the typical half-spreads."""
        typical = {symbol: i.half_spread_bp for symbol, i in INSTRUMENTS.items()}
        text = json.dumps([asdict(self), SECTION_31, TRADING_ACTIVITY, typical], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


FREE = CostModel(impact_y=0.0, spread_multiple=0.0, fee_multiple=0.0, borrow_multiple=0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Rates:
    """Costs by session and symbol, (T, N), no value missing; all are shares of what is traded or held.

    `impact` is the fraction of the price that an order of the whole capital would pay: an order of the share w pays
    w·impact·√w. `sale` is paid on sales only, `commission` on every trade, `borrow` on short positions until the next
    session.
    """

    spread: Array
    impact: Array
    commission: Array
    sale: Array
    borrow: Array


def cost_rates(market: ResearchMarket, costs: CostModel) -> Rates:
    """The rates of a market: what is known of each session and symbol, else the model's assumption."""
    price = _known_or(market.price_usd, costs.unknown_price_usd)
    daily_vol = _known_or(market.annual_vol, costs.unknown_annual_vol) / math.sqrt(SESSIONS_A_YEAR)
    adv = _known_or(market.adv_usd, costs.unknown_adv_usd)
    fee = section_31(market.sessions)[:, None] + trading_activity(market.sessions)[:, None] / price
    known_rate = np.isfinite(market.borrow_rate) & (market.borrow_rate >= 0.0)
    rate = np.where(known_rate, market.borrow_rate, costs.default_borrow_rate)
    return Rates(
        spread=half_spread(market) * costs.spread_multiple,
        impact=costs.impact_y * daily_vol * np.sqrt(costs.capital_usd / adv),
        commission=costs.commission_per_share_usd / price,
        sale=fee * costs.fee_multiple,
        borrow=rate * days_held(market.sessions)[:, None] / BORROW_YEAR_DAYS * costs.borrow_multiple,
    )


def half_spread(market: ResearchMarket) -> Array:
    """Half-spread as a fraction of the mid: the quote's, else the typical one of the instrument."""
    typical = [INSTRUMENTS[s].half_spread_bp if s in INSTRUMENTS else UNLISTED_HALF_SPREAD_BP for s in market.symbols]
    quoted = np.isfinite(market.half_spread_bp) & (market.half_spread_bp >= 0.0)
    found: Array = np.where(quoted, market.half_spread_bp, np.array(typical)) / BP
    return found


def days_held(sessions: Sequence[dt.date]) -> Array:
    """Calendar days from each session to the next; the last one is taken for a day."""
    ordinals = np.array([day.toordinal() for day in sessions], dtype=float)
    return np.append(np.diff(ordinals), 1.0) if len(ordinals) else ordinals


def _known_or(values: Array, assumed: float) -> Array:
    """Finite positive values, else the assumption."""
    return np.where(np.isfinite(values) & (values > 0.0), values, assumed)
