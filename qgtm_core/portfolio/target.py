"""The target portfolio: conviction x inverse volatility, scaled to the volatility target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qgtm_core.policy import PortfolioPolicy
from qgtm_core.portfolio.aggregate import aggregate, strategy_budgets
from qgtm_core.portfolio.allocate import correlation_matrix, inverse_vol_weights, portfolio_vol
from qgtm_core.view import Array, SessionView


@dataclass(frozen=True, slots=True)
class Target:
    """Target weights (share of equity) over the view's symbols. NaN conviction = no strategy has an opinion."""

    conviction: Array
    disagreement: Array
    opinions: Array  # number of strategies with a signal
    current_weight: Array
    target_weight: Array
    annual_vol: float  # of the target weights


def build_target(view: SessionView, current_weight: Array, clusters: Sequence[str], policy: PortfolioPolicy) -> Target:
    """Turn opinions into target weights.

    weight = k x conviction x inverse-vol weight, with k = target volatility / volatility of the unscaled book, at
    most `max_multiplier`, so weak opinions stay small. A symbol without opinion, volatility or quote gets 0. A
    change smaller than the no-trade band keeps the current weight, unless the target is 0 or on the other side.
    """
    conviction, disagreement = aggregate(view.score, view.confidence, strategy_budgets(clusters, policy.cluster_caps))
    eligible = np.isfinite(conviction) & np.isfinite(view.mid)
    shares = inverse_vol_weights(view.annual_vol, eligible)
    wanted = np.where(eligible, conviction, 0.0)
    if not policy.allow_short:
        wanted = np.maximum(wanted, 0.0)
    base = wanted * shares
    rho = correlation_matrix(view.returns, policy.correlation_min_obs)
    vol = portfolio_vol(base, view.annual_vol, rho)
    k = min(policy.max_multiplier, policy.annual_vol_target / vol) if vol > 0 else 0.0
    target = k * base
    same_side = (target != 0.0) & (target * current_weight >= 0.0)
    small = same_side & (np.abs(target - current_weight) < policy.no_trade_band_weight)
    target = np.where(small, current_weight, target)
    return Target(
        conviction=conviction,
        disagreement=disagreement,
        opinions=np.isfinite(view.score).sum(axis=0).astype(float),
        current_weight=current_weight,
        target_weight=target,
        annual_vol=portfolio_vol(target, view.annual_vol, rho),
    )
