"""features/royalty: what royalty companies gained on miners beyond what gold explains."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from qgtm_core.features.common import with_prefix
from qgtm_core.features.spec import Feature
from qgtm_core.features.windows import Bars, Grid, full_windows, pieces, price_legs, read_windows
from qgtm_core.maths import regression
from qgtm_core.maths.regression import FloatArray, IntArray, stack
from qgtm_core.schemas.features.royalty import ROYALTIES

GOLD, MINERS = "GLD", "GDX"
YEAR = 252  # returns in the regressions and sums in the z-score
SUMMED = 60  # returns
# The residuals before the regressions' year are measured with its coefficients, so that a year of sums stands
WIDTH = YEAR + SUMMED - 1
MIN_ROYALTIES = 2


def compute(pit: Mapping[str, pl.DataFrame], sessions: pl.DataFrame) -> pl.DataFrame:
    """One row a session from the first day with all returns on."""
    rows = price_legs(pit, (GOLD, MINERS, *ROYALTIES))
    return with_prefix(read_windows(pieces(rows, sessions, joint=True), daily_returns, divergence), "royalty")


def daily_returns(view: pl.DataFrame) -> Bars:
    """Simple returns since the bar before: `gold`, `miners` and `basket`, the mean of the royalties with both bars.

    A bar is a day with gold, miners and two royalties at least; the first has no returns.
    """
    bars = Grid(view, (GOLD, MINERS, *ROYALTIES)).align((GOLD, MINERS), ROYALTIES)
    present = np.sum([np.isfinite(bars.values[name]) for name in ROYALTIES], axis=0)
    bars = bars.keep(present >= MIN_ROYALTIES)
    gold, miners, *members = (_change(bars.values[name]) for name in (GOLD, MINERS, *ROYALTIES))
    total, count = np.zeros(len(gold)), np.zeros(len(gold))
    for member in members:
        total, count = total + np.nan_to_num(member), count + np.isfinite(member)
    basket = np.where(count >= MIN_ROYALTIES, total / np.maximum(count, 1.0), np.nan)
    usable = np.isfinite(basket)
    usable[:1] = True
    return bars.adding({"gold": gold, "miners": miners, "basket": basket}).keep(usable)


def _change(price: FloatArray) -> FloatArray:
    """Return since the bar before; NaN for the first and where either price lacks."""
    change = np.full(len(price), np.nan)
    change[1:] = price[1:] / price[:-1] - 1.0
    return change


def divergence(returns: Bars, ends: IntArray) -> dict[str, FloatArray]:
    """The 60-day gap of residual returns and where it stands within a year."""
    gold, miners, basket = (returns.values[name] for name in ("gold", "miners", "basket"))

    def gap(at: IntArray) -> FloatArray:
        market, *others = (stack(values, at, WIDTH) for values in (gold, basket, miners))
        over_gold = [_beyond(market, values) for values in others]
        total = np.cumsum(over_gold[0] - over_gold[1], axis=1)
        sums = total[:, SUMMED - 1 :].copy()
        sums[:, 1:] -= total[:, : YEAR - 1]
        return np.column_stack([sums[:, -1], regression.zscore(sums)])

    return full_windows(ends, 1 + WIDTH, ("royalty_gap_60", "royalty_gap_z_252"), gap)


def _beyond(market: FloatArray, values: FloatArray) -> FloatArray:
    """Residuals of a whole window from the regression over its last year."""
    recent = [np.ascontiguousarray(part[:, -YEAR:]) for part in (values, market)]
    fit = regression.least_squares(recent[0], (recent[1],))
    return values - fit.intercept[:, None] - fit.slopes * market


FEATURES = (Feature("royalty", ("prices",), compute),)
