"""What anybody could have had: gold held, and fifty textbook price rules combined walk-forward. For comparison."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from qgtm_core.backtest.research.costs import CostModel, half_spread
from qgtm_core.backtest.research.price_rules import (
    Family,
    PriceRule,
    grid,
    target_weights,
    volatility_scale,
    walk_forward,
)
from qgtm_core.backtest.research.returns import ResearchMarket
from qgtm_core.backtest.research.vectorised import Simulated, simulate
from qgtm_core.maths.cross_validation import rolling_folds
from qgtm_core.view import Array

GOLD = "GLD"
EVERY = 5  # sessions between trades of the rules
SLOWEST = 400  # sessions before the first trade: the longest look-back, and some
TEST = 252  # sessions a choice of shares is held for
_LOOKBACKS = (21, 42, 63, 84, 105, 126, 168, 189, 252, 378)
_PAIRS = ((5, 20), (5, 50), (10, 40), (10, 100), (20, 60), (20, 120), (20, 200), (50, 100), (50, 200), (100, 300))
_SHORT = (5, 10, 15, 20, 30, 40, 60, 90, 120, 180)
_CHANNELS = (10, 20, 30, 40, 55, 80, 100, 150, 200, 250)
RULES: tuple[PriceRule, ...] = (
    *grid(Family.MOMENTUM, _LOOKBACKS),
    *grid(Family.CROSSOVER, _PAIRS),
    *grid(Family.REVERSION, _SHORT),
    *grid(Family.CHANNEL, _CHANNELS),
    *grid(Family.RANK, _LOOKBACKS),
)


@dataclass(frozen=True, slots=True)
class Yardstick:
    """Returns from each session's close to the next, (T,), NaN where there are none; turnover and cost as shares."""

    name: str
    returns: Array
    turnover: Array
    cost: Array


def yardsticks(market: ResearchMarket, costs: CostModel) -> Iterator[Yardstick]:
    """Gold held from the first session on; the rules from their first test on, where there is room for one.

    Costs are half-spreads. The rules decide on a session's closes and trade at the next one's, once a week.
    """
    if GOLD in market.symbols:
        nothing = np.zeros(len(market.sessions))
        yield Yardstick("yardstick: gold held", market.next_return[:, market.symbols.index(GOLD)], nothing, nothing)
    folds = rolling_folds(len(market.sessions), test=TEST)
    if not folds:
        return
    price = total_return_index(market.next_return)
    rate = half_spread(market) * costs.spread_multiple
    trade = np.arange(len(price)) % EVERY == 0
    trade[:SLOWEST] = False
    books = target_weights(price, RULES, volatility_scale(price))
    made = simulate(price, books, trade, rate)
    combined = walk_forward(_ahead(made), books, folds)
    tested = np.isfinite(combined.weight).any(axis=1)
    whole = simulate(price, combined.weight, trade & tested, rate)
    before = np.where(tested, whole.equity_usd, np.nan)
    returns = np.where(tested, _ahead(whole), np.nan)
    yield Yardstick(f"yardstick: {len(RULES)} price rules", returns, whole.traded_usd / before, whole.cost_usd / before)


def total_return_index(next_return: Array) -> Array:
    """Prices (T, N) that start at 100 where a symbol's first return is known; NaN before, and after the last one.

    A single missing return in between is a session without a bar: the price stays.
    """
    known = np.isfinite(next_return)
    begun = np.logical_or.accumulate(known, axis=0)
    still = np.logical_or.accumulate(known[::-1], axis=0)[::-1]
    grown = np.cumprod(1.0 + np.where(known, next_return, 0.0), axis=0)
    level: Array = 100.0 * np.concatenate([np.ones((1, next_return.shape[1])), grown[:-1]])
    return np.where(begun & still, level, np.nan)


def _ahead(found: Simulated) -> Array:
    """Return from each row to the next, 0 for the last one."""
    ahead: Array = np.concatenate([found.returns[..., 1:], np.zeros((*found.returns.shape[:-1], 1))], axis=-1)
    return ahead
